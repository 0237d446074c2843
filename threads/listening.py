"""A thread for each IMAP source: pushed by IDLE, and a sweep each minute.

None waits for another's server. A connection that breaks is made anew at once; then
with growing pauses, and after a refused login no sooner than in five minutes.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime
from time import monotonic
from typing import Any

from django.db import close_old_connections, connection

from threads import outages
from threads.arrival import LostClaimError
from threads.doors import imap_door, past_of
from threads.errors import OUT_OF_REACH
from threads.models import Source
from threads.sourcelease import SourceBusyError
from threads.sources.base import Door, LoginRefusedError, SourceError
from threads.sources.imap import Imap
from threads.tally import Tally

log = logging.getLogger(__name__)

# One pass of a source; it asks now and then whether to stop.
Ingest = Callable[[Source, Door, Callable[[], bool]], Tally]

SWEEP_SECONDS = 60
# A source that another process reads is asked for again: that one may be dead, and its
# lease has an end.
BUSY_SECONDS = 5
# A server that is down is left alone for longer than our own database, which says at
# once whether it is back.
_LONGEST_PAUSE = 60
DATABASE_PAUSE = 15
_STOP_SECONDS = 30


class Listeners:
    """As many threads as there are sources; one that was changed begins anew."""

    def __init__(self, ingest: Ingest, since: datetime | None = None) -> None:
        self._ingest, self._since = ingest, since
        self._running: dict[int, _Listener] = {}

    def keep(self, sources: Iterable[Source]) -> None:
        wanted = {source.pk: _shape(source) for source in sources}
        for pk, listener in list(self._running.items()):
            if wanted.get(pk) != listener.shape or not listener.is_alive():
                # A new one waits for the lease, should this one still be busy.
                listener.stop.set()
                del self._running[pk]
        for pk in wanted.keys() - self._running.keys():
            self._running[pk] = _Listener(pk, wanted[pk], self._ingest, self._since)
            self._running[pk].start()

    def close(self) -> None:
        """The mail in hand is finished."""
        for listener in self._running.values():
            listener.stop.set()
        until = monotonic() + _STOP_SECONDS
        for listener in self._running.values():
            listener.join(max(until - monotonic(), 0))
        self._running.clear()


def _shape(source: Source) -> tuple[Any, ...]:
    """What a listener depends on; secrets as they are stored."""
    names = (
        *("mailbox_id", "location", "settings", "start", "since", "sent", "report_old"),
        *("after", "move_to", "grace_days"),
    )
    return tuple(source.__dict__[name] for name in names)


class _Listener(threading.Thread):
    def __init__(
        self,
        pk: int,
        shape: tuple[Any, ...],
        ingest: Ingest,
        since: datetime | None,
    ) -> None:
        super().__init__(name=f"imap-{pk}", daemon=True)
        self.pk, self.shape, self.ingest, self.since = pk, shape, ingest, since
        self.stop = threading.Event()
        self.failures = 0

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self._listen()
            except SourceError as error:
                self._failed(error)
            except OUT_OF_REACH:
                log.exception("The database is out of reach")
                connection.close()
                self._pause(DATABASE_PAUSE)
            except Source.DoesNotExist:
                break
            except Exception:
                # Its own trouble, and of a kind nobody thought of.
                log.exception("Source %d could not be read", self.pk)
                self._pause()
        connection.close()

    def _listen(self) -> None:
        """The life of one connection, and of the next at once if this one was well."""
        source = Source.objects.select_related("mailbox").get(pk=self.pk)
        outages.check_spared(source)
        with closing(imap_door(source, since=self.since)) as door:
            swept = -float(SWEEP_SECONDS)
            while not self.stop.is_set():
                close_old_connections()
                source.refresh_from_db()
                news = door.changed(past_of(source))
                busy = False
                if news or monotonic() - swept >= SWEEP_SECONDS:
                    busy = not self._pass(source, door)
                    swept = swept if busy else monotonic()
                connection.close()
                if busy:
                    self.stop.wait(BUSY_SECONDS)
                else:
                    door.wait(self.stop)

    def _pass(self, source: Source, door: Imap) -> bool:
        """False when somebody else is at it: then they take in what is there."""
        try:
            tally = self.ingest(source, door, self.stop.is_set)
        except (SourceBusyError, LostClaimError) as error:
            log.info("%s", error)
            return False
        if tally.outage is not None:
            raise tally.outage
        self.failures = 0
        return True

    def _failed(self, error: SourceError) -> None:
        self.failures += 1
        # The first time it may be only this connection.
        if self.failures == 1 and not error.permanent:
            log.info("%s", error)
            return
        log.warning("%s", error)
        try:
            source = Source.objects.select_related("mailbox").get(pk=self.pk)
            if not isinstance(error, outages.SparedError):
                outages.begin(source, error)
        except OUT_OF_REACH:
            connection.close()
        if isinstance(error, LoginRefusedError | outages.SparedError):
            self.stop.wait(outages.SPARED_SECONDS * random.uniform(1.01, 1.2))  # noqa: S311
        else:
            self._pause()

    def _pause(self, most: float = _LONGEST_PAUSE) -> None:
        """With jitter, so that not all come back at once to a server that was down."""
        longest = min(2.0 ** min(self.failures, 10), most)
        self.failures += 1
        self.stop.wait(random.uniform(longest / 2, longest))  # noqa: S311 -- no secret
