"""What JSON a webhook, a delivery and an attempt are."""

import json
from datetime import UTC, datetime
from typing import Any

from webhooks.models import Attempt, Delivery, Replay, Secret, Webhook

JSON = dict[str, Any]


def _timestamp(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def webhook_json(webhook: Webhook, *, secret: Secret | None = None) -> JSON:
    """Header values and basic auth are write-only; the secret is shown at creation."""
    shown = {
        "id": webhook.public_id,
        "url": webhook.url,
        "events": webhook.events,
        "mailboxes": webhook.mailboxes,
        "domains": webhook.domains,
        "state": webhook.state,
        "headers": sorted(webhook.headers or {}),
        "timeout": webhook.timeout,
        "rate_limit": webhook.rate_limit,
        "ordered": webhook.ordered,
        "include_auto": webhook.include_auto,
        "include_spam": webhook.include_spam,
        "include_body": webhook.include_body,
        "created_at": _timestamp(webhook.created_at),
        "last_success_at": _timestamp(webhook.last_success_at),
        "failing_since": _timestamp(webhook.failing_since),
    }
    if secret is not None:
        shown["secret"] = secret.value
    return shown


def attempt_json(attempt: Attempt) -> JSON:
    """The answer of a private address is not for whoever holds a key."""
    return {
        "number": attempt.number,
        "started_at": _timestamp(attempt.started_at),
        "duration_ms": attempt.duration_ms,
        "status": attempt.status,
        "error": attempt.error,
        "response_excerpt": attempt.response_excerpt if attempt.peer_public else "",
    }


def delivery_json(delivery: Delivery) -> JSON:
    """From a query with `event`, `webhook` and `attempt_set` at hand."""
    return {
        "id": delivery.public_id,
        "event_id": delivery.event.public_id,
        "event": delivery.event.type,
        "webhook_id": delivery.webhook.public_id,
        "state": delivery.state,
        "replay_no": delivery.replay_no,
        "next_at": _timestamp(delivery.next_at)
        if delivery.state in {Delivery.State.PENDING, Delivery.State.CLAIMED}
        else None,
        "created_at": _timestamp(delivery.created_at),
        "attempts": [attempt_json(a) for a in delivery.attempt_set.all()],
    }


def replay_json(job: Replay) -> JSON:
    """A job: how many there were when it began, and how many went out."""
    return {
        "id": job.public_id,
        "webhook_id": job.webhook.public_id,
        "since": _timestamp(job.since),
        "until": _timestamp(job.until),
        "state": job.states[0],
        "total": job.total,
        "sent": job.sent,
        "finished_at": _timestamp(job.finished_at),
    }


def event_json(body: bytes) -> JSON:
    """The event as it was told: the stored bytes, read."""
    read: JSON = json.loads(body)
    return read
