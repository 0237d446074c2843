"""What the post office keeps."""

from webhooks.models.delivery import Attempt, Delivery
from webhooks.models.event import Event, EventBody
from webhooks.models.lease import DrainLease, Heartbeat
from webhooks.models.replay import Replay
from webhooks.models.retention import Retention
from webhooks.models.webhook import Secret, Webhook

__all__ = [
    "Attempt",
    "Delivery",
    "DrainLease",
    "Event",
    "EventBody",
    "Heartbeat",
    "Replay",
    "Retention",
    "Secret",
    "Webhook",
]
