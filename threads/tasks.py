"""What the bell calls. Paths are stable for ever: old rings may still wait."""

from threads import smtp
from threads.outbound import SEND_DUE
from webhooks import bell

SCHEDULES = {
    "deliveries": bell.DRAIN,
    "replies": SEND_DUE,
}


def send_due() -> None:
    """Send the replies that are due."""
    bell.answered(SEND_DUE)
    smtp.send_due()
