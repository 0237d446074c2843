"""A mail that an MTA hands over: there is nothing to fetch, and nobody else to tell.

The MTA has it until we answer, and gives it again unless we say that it is stored.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import BinaryIO, Self

from threads.mail.limits import clean_text
from threads.sources.base import Copy, GoneError

_PIECE = 1024 * 1024
_LONGEST_SENDER = 320


class Shut:
    """A door that nothing comes through."""

    epoch = ""

    def __init__(self) -> None:
        self.skipped: Counter[str] = Counter()

    def copies(self) -> Iterator[Copy]:
        return iter(())

    def look(self, copies: Iterable[Copy], known: Container[str]) -> Iterable[Copy]:
        del known
        return copies

    def read(self, copy: Copy) -> bytes:
        raise GoneError(copy.ref)

    def done(self, copy: Copy) -> None:
        """There is nobody to tell."""

    def close(self) -> None:
        """It never was open."""


class Handed(Shut):
    """One mail; the same bytes again are the same mail again."""

    def __init__(
        self, refs: list[str], size: int, content: bytes | None, sender: str = ""
    ) -> None:
        """Without `content` it is larger than anybody wants to hold.

        `refs` are the names that it may have in the ledger, a new one first.
        """
        super().__init__()
        self.refs = refs
        self.size = size
        self.content = content
        self.sender = sender

    @classmethod
    def whole(cls, content: bytes) -> Self:
        return cls(_refs(sha256(content).hexdigest()), len(content), content)

    @classmethod
    def from_stream(cls, stream: BinaryIO, limit: int) -> Self:
        """To its end; what is over `limit` bytes is only counted and hashed."""
        content = stream.read(limit + 1)
        if len(content) <= limit:
            return cls.whole(content)
        digest, size = sha256(content), len(content)
        del content
        while piece := stream.read(_PIECE):
            digest.update(piece)
            size += len(piece)
        return cls(_refs(digest.hexdigest()), size, None)

    @classmethod
    def refused(cls, sender: str, size: int) -> Self:
        """Nobody has read it. The same sender and size, within a day, is the same."""
        sender = clean_text(sender, _LONGEST_SENDER)
        today = datetime.now(UTC).date()
        days = (today, today - timedelta(days=1))
        return cls(
            [f"{sender} {day} {size}".strip() for day in days], size, None, sender
        )

    def copies(self) -> Iterator[Copy]:
        yield Copy(ref=self.refs[0], size=self.size, place=self.sender)

    def read(self, copy: Copy) -> bytes:
        if self.content is None:
            raise GoneError(copy.ref)
        return self.content


def _refs(digest: str) -> list[str]:
    # What was too large once has another row under a higher limit (`ledger.compare`).
    return [digest, f"{digest}#{digest}"]
