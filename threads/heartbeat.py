"""That a process is alive and gets on with its work, written where all can read it."""

import socket
from os import getpid
from time import monotonic

from django.db import connection
from django.db.models.functions import Now

from webhooks import leases
from webhooks.models import Heartbeat

BEAT_SECONDS = 10
# The longest that a watcher is busy with one mail, and some patience.
ALIVE_SECONDS = 120
# Whoever was killed leaves its row, for a while.
FORGET_SECONDS = 7 * 86_400


class Heart:
    """Beats when it is asked to, at most once in `BEAT_SECONDS`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.name = f"{_here(kind)}{getpid()}"
        self._beaten: float | None = None

    def resting(self) -> bool:
        return self._beaten is not None and monotonic() - self._beaten < BEAT_SECONDS

    def beat(self) -> None:
        """Raises what the database raises when it is gone."""
        if self.resting() or connection.in_atomic_block:
            return
        first = self._beaten is None
        self._beaten = monotonic()
        Heartbeat.objects.update_or_create(
            name=self.name, defaults={"kind": self.kind, "at": Now()}
        )
        if first:
            long_gone = Heartbeat.objects.filter(kind=self.kind).exclude(name=self.name)
            long_gone.filter(at__lt=leases.in_seconds(-FORGET_SECONDS)).delete()

    def stop(self) -> None:
        Heartbeat.objects.filter(name=self.name).delete()


def beats(kind: str) -> bool:
    """Whether a process of this kind on this machine was at work just now."""
    recent = Heartbeat.objects.filter(at__gt=leases.in_seconds(-ALIVE_SECONDS))
    return recent.filter(name__startswith=_here(kind)).exists()


def _here(kind: str) -> str:
    return f"{kind}:{socket.gethostname()}:"
