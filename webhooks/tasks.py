"""What the bell calls. Paths are stable for ever: old rings may still wait."""

import os
import socket

from webhooks import bell, delivery, health, replays, retention

DRAIN_SECONDS = 45
PRUNE_SECONDS = 20


def drain() -> None:
    """Send what is due. One drain a cluster: the other workers stay free for mail."""
    bell.answered(bell.DRAIN)
    cluster = f"drain:{socket.gethostname()}:{os.getppid()}"
    delivery.drain(budget_seconds=DRAIN_SECONDS, lease=cluster)


def look_after() -> None:
    """What is due by the minute: who fails for long, jobs, and what is too old."""
    bell.answered("webhooks.tasks.look_after")
    health.look_after()
    replays.advance()
    retention.prune(PRUNE_SECONDS)
