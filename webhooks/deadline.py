"""One hard deadline for a whole conversation, however slowly the other side talks.

A client's timeout counts between two reads, so a byte a second keeps it waiting for
ever. Here a watchdog shuts the socket down, and whatever blocks on it wakes up.
"""

import contextlib
import os
import socket
import threading
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Self

_WATCH_SECONDS = 0.05


@dataclass(slots=True)
class Deadline:
    """`at` is on the monotonic clock."""

    at: float
    expired: bool = False
    _watched: socket.socket | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def left(self) -> float:
        return self.at - monotonic()

    def shorten(self, seconds: float) -> None:
        """At most so many seconds from now."""
        self.at = min(self.at, monotonic() + seconds)

    def watch(self, connection: socket.socket) -> None:
        """Shut this one down when it is late.

        Through a descriptor of our own: TLS detaches the socket that it wraps.
        """
        with self._lock:
            self._close()
            self._watched = socket.socket(fileno=os.dup(connection.fileno()))
        if self.expired or self.left() <= 0:
            self.expire()

    def expire(self) -> None:
        with self._lock:
            self.expired = True
            if self._watched is not None:
                with contextlib.suppress(OSError):
                    self._watched.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        _watchdog().add(self)
        return self

    def __exit__(self, *_: object) -> None:
        _watchdog().remove(self)
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._watched is not None:
            self._watched.close()
            self._watched = None


class _Watchdog(threading.Thread):
    """Ends what is overdue. One for all, because a thread each would cost more."""

    def __init__(self) -> None:
        super().__init__(name="webhook-watchdog", daemon=True)
        self.pid = os.getpid()
        self._known: dict[int, Deadline] = {}
        self._busy = threading.Event()

    def add(self, deadline: Deadline) -> None:
        self._known[id(deadline)] = deadline
        self._busy.set()

    def remove(self, deadline: Deadline) -> None:
        self._known.pop(id(deadline), None)

    def run(self) -> None:
        while True:
            self._busy.wait()
            self._busy.clear()
            while self._known:
                for deadline in list(self._known.values()):
                    if deadline.left() <= 0:
                        deadline.expire()
                        self.remove(deadline)
                sleep(_WATCH_SECONDS)


_watchdogs: list[_Watchdog] = []
_watchdogs_lock = threading.Lock()


def _watchdog() -> _Watchdog:
    """This process's own: threads do not survive a fork."""
    with _watchdogs_lock:
        if not _watchdogs or _watchdogs[0].pid != os.getpid():
            _watchdogs[:] = [_Watchdog()]
            _watchdogs[0].start()
        return _watchdogs[0]
