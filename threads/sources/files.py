"""Files with mail in them: an mbox (RFC 4155), or one mail each (`.eml`).

They are read and never changed. A mail's ref is the hash of its bytes, so the same
file may come again, grown or under another name.
"""

import os
import re
import stat
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from math import inf
from pathlib import Path
from typing import BinaryIO

from threads.sources.base import Copy, GoneError, SourceError
from threads.sources.maildir import shown
from webhooks.wording import marked as _

_PIECE = 1024 * 1024
# As nearly all programs write it: From klant@bedrijf.nl Wed Feb 25 10:30:00 2026
_DATED = re.compile(rb"From .*\b\d\d:\d\d\b.*\b\d{4}\b")
_QUOTED = re.compile(rb">+From ")
_BLANK = {b"\n", b"\r\n"}


class _Files:
    epoch = ""

    def __init__(self) -> None:
        self.skipped: Counter[str] = Counter()

    def look(self, copies: Iterable[Copy], known: Container[str]) -> Iterable[Copy]:
        """The listing has told it all."""
        del known
        return copies

    def done(self, copy: Copy) -> None:
        """Files stay as they are; the ledger knows."""

    def close(self) -> None:
        """Nothing was kept open."""


class Letters(_Files):
    """Files of one mail each."""

    def __init__(self, paths: Iterable[Path]) -> None:
        super().__init__()
        self.paths = list(paths)

    def copies(self) -> Iterator[Copy]:
        """Hashed in pieces: a file may be as large as it likes."""
        self.skipped.clear()
        for path in self.paths:
            try:
                copy = self._hashed(path)
            except SourceError:
                # `read` says so, and the other files are taken in.
                yield Copy(shown(path), 0, str(path), modified=inf)
                continue
            if copy.size:
                yield copy
            else:
                self.skipped["empty"] += 1

    def _hashed(self, path: Path) -> Copy:
        digest, size = sha256(), 0
        with _opened(path) as file:
            modified = os.fstat(file.fileno()).st_mtime
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
        return Copy(digest.hexdigest(), size, str(path), modified=modified)

    def read(self, copy: Copy) -> bytes:
        with _opened(Path(copy.place)) as file:
            return _same(file.read(copy.size + 1), copy)


class Mbox(_Files):
    """Mails one below the other, each after a line that begins with "From "."""

    def __init__(self, path: Path) -> None:
        """Raises `SourceError` when it does not begin as an mbox does."""
        super().__init__()
        self.path = path
        with _opened(path) as file:
            first = file.readline(_PIECE)
        if first and not first.startswith(b"From "):
            raise SourceError(
                _(
                    '%(path)s is not an mbox: it does not begin with "From ".'
                    " Files of one mail each are taken in with --eml."
                ),
                permanent=True,
                path=shown(path),
            )
        # Without dates, only a blank line before it tells it from a line of text.
        self._dated = _DATED.match(first) is not None

    def copies(self) -> Iterator[Copy]:
        """In the order of the file; a line at a time, and long ones in pieces."""
        self.skipped.clear()
        digest, size, blank, begin, end = sha256(), 0, b"", 0, 0
        with _opened(self.path) as file:
            for line, starts in _lines(file):
                if starts and self._separates(line, blank=bool(blank) or not end):
                    yield from self._found(digest.hexdigest(), size, begin, end)
                    digest, size, blank = sha256(), 0, b""
                    begin = end = file.tell()
                    continue
                end = file.tell()
                # A blank line before the next "From ", or at the end, is no mail's.
                text = blank + (_unquoted(line) if starts else line)
                blank = b""
                if starts and line in _BLANK:
                    blank = line
                    text = text.removesuffix(line)
                digest.update(text)
                size += len(text)
            yield from self._found(digest.hexdigest(), size, begin, end)

    def _separates(self, line: bytes, *, blank: bool) -> bool:
        if self._dated:
            return _DATED.match(line) is not None
        return blank and line.startswith(b"From ")

    def _found(self, digest: str, size: int, begin: int, end: int) -> Iterator[Copy]:
        if size:
            yield Copy(digest, size, f"{begin}-{end}")
        elif begin:
            self.skipped["empty"] += 1

    def read(self, copy: Copy) -> bytes:
        begin, end = map(int, copy.place.split("-"))
        with _opened(self.path) as file:
            file.seek(begin)
            lines = list(_lines(BytesIO(file.read(end - begin))))
        if lines and lines[-1] in {(blank, True) for blank in _BLANK}:
            lines.pop()
        text = (_unquoted(line) if starts else line for line, starts in lines)
        return _same(b"".join(text), copy)


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Each line, and whether it begins here: what is very long comes in pieces."""
    starts = True
    while line := file.readline(_PIECE):
        yield line, starts
        starts = line.endswith(b"\n")


def _unquoted(line: bytes) -> bytes:
    """A line of text that would have looked like the next mail (mboxrd).

    >>> _unquoted(b">From here on")
    b'From here on'
    >>> _unquoted(b"> From here on")
    b'> From here on'
    """
    return line[1:] if _QUOTED.match(line) else line


def _same(content: bytes, copy: Copy) -> bytes:
    """What was listed; a file that changes meanwhile is read by the next run."""
    if sha256(content).hexdigest() != copy.ref:
        raise GoneError(copy.ref)
    return content


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file, and nothing that would block."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 -- a descriptor, not a path
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _unreadable(path, "it is no file")
            yield file
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error


def _unreadable(path: Path, reason: str) -> SourceError:
    return SourceError(
        _("%(path)s can't be read: %(reason)s."), path=shown(path), reason=reason
    )
