"""A mail that an MTA hands over: there is nothing to fetch, and nobody else to tell.

The MTA has it until we answer, and gives it again unless we say that it is stored.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from hashlib import sha256
from typing import BinaryIO, Self

from threads.sources.base import Copy, GoneError

_PIECE = 1024 * 1024


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

    def __init__(self, digest: str, size: int, content: bytes | None) -> None:
        """Without `content` it is larger than anybody wants to hold."""
        super().__init__()
        self.ref = digest
        self.size = size
        self.content = content

    @classmethod
    def whole(cls, content: bytes) -> Self:
        return cls(sha256(content).hexdigest(), len(content), content)

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
        return cls(digest.hexdigest(), size, None)

    def copies(self) -> Iterator[Copy]:
        yield Copy(ref=self.ref, size=self.size, place="")

    def read(self, copy: Copy) -> bytes:
        if self.content is None:
            raise GoneError(copy.ref)
        return self.content
