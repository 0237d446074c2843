"""What the bell calls. Paths are stable for ever: old rings may still wait."""

import os
import socket

from threads import lifecycle, smtp
from threads.mailserver import SEND_DUE
from webhooks import bell
from webhooks.leases import Lease

# As long as a task may run: nothing renews it while a server is slow.
LEASE_SECONDS = 120

SCHEDULES = {
    "deliveries": bell.DRAIN,
    "replies": SEND_DUE,
    "snoozed threads": "threads.tasks.wake",
    "webhooks": "webhooks.tasks.look_after",
}


def wake() -> None:
    """Bring back the threads that were snoozed until now."""
    lifecycle.wake()


def send_due() -> None:
    """Send the replies that are due. One such task a cluster, as with the drain."""
    bell.answered(SEND_DUE)
    cluster = f"smtp:{socket.gethostname()}:{os.getppid()}"
    lease = Lease(cluster, LEASE_SECONDS)
    if lease.hold():
        try:
            smtp.send_due()
        finally:
            lease.give_back()
