"""Sentences of rooms that know no Django: English, translated where they are shown.

Such a room writes `raise SomeError(_("%(path)s is empty."), path=path)`, with `marked`
as `_`; the door that shows it says `error.said(gettext)`.
"""

from collections.abc import Callable


def marked(sentence: str) -> str:
    """Imported as `_`, so that `make messages` finds the sentence. It stays English."""
    return sentence


class SentenceError(Exception):
    """Says why. In a log, and as `str`, in English."""

    def __init__(self, sentence: str, **values: object) -> None:
        super().__init__(sentence % values)
        self._sentence = sentence
        self._values = values

    def said(self, translate: Callable[[str], str]) -> str:
        """The same in another language.

        >>> error = SentenceError("%(path)s is empty.", path="/var/mail")
        >>> error.said({"%(path)s is empty.": "%(path)s is leeg."}.__getitem__)
        '/var/mail is leeg.'
        """
        return translate(self._sentence) % self._values
