"""`ingest --watch`: pushed by inotify, and a sweep each minute for what it missed.

IMAP sources have a thread each (`listening`); here are the Maildirs.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from time import monotonic

from django.db import close_old_connections, connection
from watchfiles import watch
from watchfiles._rust_notify import WatchfilesRustInternalError

from threads import outages
from threads.arrival import LostClaimError
from threads.doors import open_door
from threads.errors import OUT_OF_REACH
from threads.heartbeat import Heart
from threads.listening import (
    BUSY_SECONDS,
    DATABASE_PAUSE,
    SWEEP_SECONDS,
    Ingest,
    Listeners,
)
from threads.models import Source
from threads.sourcelease import SourceBusyError
from threads.sources.base import SourceError
from threads.tally import Tally

log = logging.getLogger(__name__)

# How often the list of sources is read again, so that a new one in the admin counts.
SOURCES_SECONDS = 5


def run(
    sources: Callable[[], Iterable[Source]],
    ingest: Ingest,
    stop: threading.Event,
    *,
    since: datetime | None = None,
) -> None:
    """Until `stop`. A source in trouble never keeps another one waiting for long."""
    heart = Heart("watch")
    listeners = Listeners(ingest, since)

    def stopped() -> bool:
        """Asked between mails, so a long pass shows that it gets on."""
        heart.beat()
        return stop.is_set()

    pause = 1.0
    while not stop.is_set():
        try:
            _watch(_Watched(sources, listeners), _pass_by(ingest, stopped), stop, heart)
            pause = 1.0
        except OUT_OF_REACH:
            log.exception("The database is out of reach; trying again in %.0f s", pause)
            connection.close()
            stop.wait(pause)
            pause = min(pause * 2, DATABASE_PAUSE)
    listeners.close()
    try:
        heart.stop()
    except OUT_OF_REACH:
        log.warning("The database is out of reach; the heartbeat stays.")


def _pass_by(ingest: Ingest, stopped: Callable[[], bool]) -> Callable[[Source], Tally]:
    def one(source: Source) -> Tally:
        try:
            door = open_door(source)
        except SourceError as error:
            outages.begin(source, error)
            raise
        return ingest(source, door, stopped)

    return one


class _Watched:
    """The configured sources that inotify is for; the others are listened to."""

    def __init__(
        self, sources: Callable[[], Iterable[Source]], listeners: Listeners
    ) -> None:
        self._sources, self._listeners = sources, listeners

    def __call__(self) -> list[Source]:
        found = list(self._sources())
        imap = Source.Kind.IMAP
        self._listeners.keep([source for source in found if source.kind == imap])
        return [source for source in found if source.kind != imap]


def _watch(
    sources: Callable[[], Iterable[Source]],
    ingest: Callable[[Source], Tally],
    stop: threading.Event,
    heart: Heart,
) -> None:
    """One set of folders, until the set changes."""
    heart.beat()
    listed = list(sources())
    folders = {folder: source for source in listed for folder in _folders(source)}
    busy: list[Source] = []
    listed_at = asked = monotonic()
    # Swept at once, but not before we watch: what comes during the first pass, which
    # may be a long one, is pushed.
    swept = listed_at - SWEEP_SECONDS
    for touched in _touched(folders, stop):
        close_old_connections()
        heart.beat()
        now = monotonic()
        if now - swept >= SWEEP_SECONDS:
            touched, swept = listed, now  # noqa: PLW2901 -- a sweep reads them all
        if now - asked >= BUSY_SECONDS:
            touched, asked = _joined(touched, busy), now  # noqa: PLW2901
        for source in touched:
            if stop.is_set():
                return
            if _one(source, ingest):
                busy = [one for one in busy if one.pk != source.pk]
            else:
                busy = _joined(busy, [source])
        if now - listed_at >= SOURCES_SECONDS:
            listed_at = now
            if _signature(sources()) != _signature(listed):
                return


def _signature(sources: Iterable[Source]) -> list[tuple[int, str, str]]:
    return sorted((source.pk, source.kind, source.location) for source in sources)


def _joined(some: list[Source], others: list[Source]) -> list[Source]:
    return list({source.pk: source for source in (*some, *others)}.values())


def _one(source: Source, ingest: Callable[[Source], Tally]) -> bool:
    """False when another process is reading it, or was and died."""
    try:
        source.refresh_from_db()
        ingest(source)
    except SourceBusyError as error:
        log.info("%s", error)
        return False
    except (SourceError, LostClaimError) as error:
        # The pass has said so in the source's own row; the next sweep tries again.
        log.warning("%s", error)
    except OUT_OF_REACH:
        raise
    except Exception:
        # Its own trouble, and of a kind nobody thought of: the others go on.
        log.exception("%s could not be read", source)
    return True


def _folders(source: Source) -> list[Path]:
    """What inotify can watch; without any, only the sweep looks."""
    if source.handed_over:
        return []
    try:
        open_door(source)
    except SourceError as error:
        outages.begin(source, error)
        log.warning("%s", error)
        return []
    root = Path(source.location).resolve()
    return [root / "new", root / "cur"]


def _touched(
    folders: dict[Path, Source], stop: threading.Event
) -> Iterator[list[Source]]:
    """Batches of sources with news; an empty list at least once a second."""
    if not folders:
        while not stop.wait(1.0):
            yield []
        return
    try:
        yield from _pushed(folders, stop)
    except (OSError, WatchfilesRustInternalError) as error:
        # Too many watches or instances for this user, or a folder that is gone: then
        # only the sweep looks, until the next one tries again.
        log.warning("inotify can't watch the Maildirs: %s", error)
        until = monotonic() + SWEEP_SECONDS
        while monotonic() < until and not stop.wait(1.0):
            yield []


def _pushed(
    folders: dict[Path, Source], stop: threading.Event
) -> Iterator[list[Source]]:
    for changes in watch(
        *folders,
        stop_event=stop,
        debounce=50,
        step=10,
        rust_timeout=1000,
        yield_on_timeout=True,
        recursive=False,
        raise_interrupt=False,
        # A mail may be named as other programs name what is not worth watching.
        watch_filter=None,
    ):
        touched = {Path(path).parent for _, path in changes}
        yield list(
            {
                source.pk: source for f, source in folders.items() if f in touched
            }.values()
        )
