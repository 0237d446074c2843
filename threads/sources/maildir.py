"""A Maildir (https://cr.yp.to/proto/maildir.html), shared with an MTA and mail readers.

`new/` and `cur/` are both read, `tmp/` never. After the commit a mail moves from
`new/` to `cur/`; its base name, the part before `:`, stays and is its ref.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from threads.sources.base import Copy, GoneError, SourceError
from webhooks.wording import marked as _

_LONGEST_REF = 500
_GONE = {errno.ENOENT, errno.ESTALE}
# File systems without hard links.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


def shown(path: str | Path) -> str:
    """A path for people and databases: bytes that are no UTF-8 become escapes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return text.replace("\x00", "\\x00")


def reference(name: str) -> str:
    """The base name as text.

    >>> reference("1700000000.M1P2.host:2,S")
    '1700000000.M1P2.host'
    """
    base = shown(name.partition(":")[0])
    if len(base) > _LONGEST_REF:
        digest = sha256(base.encode()).hexdigest()
        base = f"{base[: _LONGEST_REF - 65]}#{digest}"
    return base


class Maildir:
    epoch = ""

    def __init__(self, path: str | Path) -> None:
        """Raises `SourceError` when `path` is no Maildir."""
        self.path = Path(path)
        self.skipped: Counter[str] = Counter()
        for name in ("new", "cur"):
            self._require(self.path / name)

    def _require(self, folder: Path) -> None:
        try:
            known = folder.is_dir()
        except PermissionError:
            known = True  # listing it will tell
        if not known:
            folders = [shown(self.path / name) for name in ("cur", "new", "tmp")]
            raise SourceError(
                _(
                    "%(path)s is not a Maildir: it has no folder %(folder)s/."
                    " Make one with: mkdir -p %(folders)s"
                ),
                permanent=True,
                path=shown(self.path),
                folder=folder.name,
                folders=" ".join(folders),
            )

    def copies(self) -> Iterator[Copy]:
        """`new/` first: what moves to `cur/` meanwhile is met there, not missed.

        One ref may come twice: met in both places, or two files whose names differ
        in their flags only.
        """
        self.skipped.clear()
        yield from sorted(self._listed("new", fresh=True), key=lambda copy: copy.ref)
        yield from sorted(self._listed("cur", fresh=False), key=lambda copy: copy.ref)

    def _listed(self, folder: str, *, fresh: bool) -> Iterator[Copy]:
        try:
            entries = os.scandir(self.path / folder)
        except OSError as error:
            raise self._unreadable(self.path / folder, error) from error
        with entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError as error:
                    if error.errno not in _GONE:
                        self.skipped["unreadable"] += 1
                    continue
                if reason := _no_mail(status):
                    self.skipped[reason] += 1
                    continue
                yield Copy(
                    ref=reference(entry.name),
                    size=status.st_size,
                    place=f"{folder}/{entry.name}",
                    fresh=fresh,
                    modified=status.st_mtime,
                )

    def look(self, copies: Iterable[Copy], known: Container[str]) -> Iterable[Copy]:
        """The listing has told it all."""
        del known
        return copies

    def close(self) -> None:
        """Nothing was kept open."""

    def read(self, copy: Copy) -> bytes:
        """Never follows a link and never blocks, whatever took the name's place.

        What has grown since it was listed may grow for ever: the next pass has its
        size.
        """
        # Text: a `Path` is taken apart each time it is asked for.
        path = f"{self.path}/{copy.place}"
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags)
        except OSError as error:
            if error.errno in _GONE:
                raise GoneError from error
            raise self._unreadable(path, error) from error
        with open(descriptor, "rb") as file:  # noqa: PTH123 -- a descriptor, not a path
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise GoneError
            try:
                content = file.read(copy.size + 1)
            except OSError as error:
                raise self._unreadable(path, error) from error
            if len(content) > copy.size:
                raise GoneError
            return content

    def done(self, copy: Copy) -> None:
        """`new/x` becomes `cur/x:2,`; a reader who was faster has done our work.

        Another mail that has that name already is never overwritten: then this one
        stays in `new/`, and the ledger knows it there.
        """
        if not copy.fresh:
            return
        name = copy.place.rpartition("/")[2]
        info = "" if ":" in name else ":2,"
        old, new = f"{self.path}/{copy.place}", f"{self.path}/cur/{name}{info}"
        try:
            with suppress(FileNotFoundError):
                _move(old, new)
        except OSError as error:
            raise SourceError(
                _(
                    "%(path)s is stored, but can't be moved to cur/: %(reason)s."
                    " Give this user write permission on the Maildir."
                ),
                path=shown(old),
                reason=error.strerror,
            ) from error

    def _unreadable(self, path: Path | str, error: OSError) -> SourceError:
        return SourceError(
            _(
                "%(path)s can't be read: %(reason)s."
                " Give this user read and write permission on the Maildir."
            ),
            path=shown(path),
            reason=error.strerror,
        )


def _move(old: str, new: str) -> None:
    """A rename that replaces nothing."""
    try:
        os.link(old, new)
    except FileExistsError:
        if not Path(new).samefile(old):
            return
    except OSError as error:
        if error.errno not in _NO_LINKS or os.path.lexists(new):
            raise
        Path(old).rename(new)
        return
    with suppress(FileNotFoundError):
        os.unlink(old)  # noqa: PTH108 -- text, as above


def _no_mail(status: os.stat_result) -> str:
    """Why this is no mail; `""` for a regular file with something in it."""
    if stat.S_ISLNK(status.st_mode):
        return "symlink"
    if stat.S_ISDIR(status.st_mode):
        return "directory"
    if stat.S_ISFIFO(status.st_mode):
        return "fifo"
    if not stat.S_ISREG(status.st_mode):
        return "special file"
    return "" if status.st_size else "empty"
