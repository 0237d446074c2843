"""What a verb of this room says when it will not do what was asked."""

from django.db import InterfaceError, InternalError, OperationalError

# The database's trouble, and nothing that was asked of it is to blame: it is gone, it
# is a standby by now, or it has given up a transaction that stood still.
OUT_OF_REACH = (OperationalError, InterfaceError, InternalError)


class RefusedError(Exception):
    """The request is understood and refused; nothing was changed.

    `code` is stable and documented (docs/api.md), `detail` says what is wrong,
    `fix` how to mend it, `field` which input it is about, if one. Both are written in
    the language of whoever asks; the API is always asked in English.
    """

    def __init__(
        self, code: str, detail: str, *, fix: str = "", field: str = ""
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fix = fix
        self.field = field
