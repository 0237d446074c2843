"""The contract of a door: how mail is found, read, and reported as taken in.

A source lists its copies cheaply, reads one when asked, and is told `done` only
after the commit that stored the mail. It knows no database: the ledger, not the
place of a copy, decides what is new.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from webhooks.wording import SentenceError


@dataclass(frozen=True, slots=True)
class Copy:
    """One physical copy. `ref` names it in the ledger, `place` finds it now."""

    ref: str
    size: int
    place: str
    # The source still counts it as new; `done` has something to do.
    fresh: bool = False
    # When it came; `inf` where the source itself leaves out what is too old.
    modified: float = 0.0
    # The source never gives this ref to other bytes.
    lasting: bool = False


class SourceError(SentenceError):
    """The source can't be read; the sentence says why and how to mend it."""

    def __init__(
        self, sentence: str, *, permanent: bool = False, **values: object
    ) -> None:
        super().__init__(sentence, **values)
        self.permanent = permanent


class OutageError(SourceError):
    """The source itself is out of reach: no copy of it can be read now."""


class LoginRefusedError(OutageError):
    """The server knows us and says no: asking again soon locks accounts."""


class UnfetchableError(SourceError):
    """The source has this copy and can't hand it over; it can others."""


class GoneError(Exception):
    """A copy vanished between listing and reading: somebody moved it. Not an error."""


class Door(Protocol):
    """What every kind of source can do; one shared test suite holds them to it."""

    # Part of the ledger's key: a new epoch starts the refs anew (IMAP UIDVALIDITY).
    epoch: str
    # What was passed over, by reason ("symlink", "empty", …), since `copies` began.
    skipped: Counter[str]

    def copies(self) -> Iterator[Copy]:
        """All that is there, oldest first. Raises `SourceError`."""
        ...

    def look(self, copies: Iterable[Copy], known: Container[str]) -> Iterable[Copy]:
        """The same copies, those that are not `known` with their size.

        What follows is a `read` of some of them, in this order. Raises `SourceError`.
        """
        ...

    def read(self, copy: Copy) -> bytes:
        """The untouched bytes. Raises `GoneError`, or `SourceError` for this copy."""
        ...

    def done(self, copy: Copy) -> None:
        """The mail is stored: mark it so. Safe to repeat. Raises `SourceError`."""
        ...

    def close(self) -> None:
        """Nothing is asked any more. Safe to repeat."""
        ...
