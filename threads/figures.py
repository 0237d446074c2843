"""How delivery is doing at this moment: the numbers of /metrics and of the System page.

Each by a statement that is bounded: by a partial index of what is not finished yet, by
the last minutes, or by so many of the newest rows.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Now
from django.utils import timezone

from threads.models import Message
from webhooks import dialect
from webhooks.delivery import waiting_since
from webhooks.leases import LEASE_SECONDS
from webhooks.models import Attempt, Delivery, Event

MINUTES = 5
NEWEST = 10_000
# Of the mails that were told in the last minutes, so many are looked at.
_SAMPLE = 1_000
QUANTILES = (0.5, 0.95, 0.99)

State = Delivery.State
# The states that have an index of their own, which is all that is read.
STATES = (State.PENDING, State.CLAIMED, State.HELD, State.EXHAUSTED)


_LAST_SEEN = """
SELECT
    (SELECT MAX(until) FROM webhooks_drainlease WHERE name LIKE 'drain:%%'),
    (SELECT MAX(at) FROM webhooks_heartbeat WHERE kind = 'worker')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Ages and latencies in seconds; None where there is nothing to say."""

    due_age: float | None
    states: dict[str, int]
    in_flight: dict[str, int]
    # By class of answer, `2xx` … `5xx`, or the error; in the last minutes.
    attempts: dict[str, int]
    blocked: int
    latency: dict[float, float | None]
    told: int
    lost_leases: int
    drain_age: float | None
    worker_age: float | None


def now() -> Figures:
    attempts = _attempts()
    took = sorted(_latencies())
    drained, worker = _last_seen()
    return Figures(
        due_age=_age(waiting_since()),
        states=_states(),
        in_flight=_in_flight(),
        attempts=dict(attempts),
        blocked=attempts["address_refused"],
        latency={share: quantile(took, share) for share in QUANTILES},
        told=len(took),
        lost_leases=_lost_leases(),
        drain_age=_age(drained),
        worker_age=_age(worker),
    )


def _last_seen() -> tuple[datetime | None, datetime | None]:
    """When a drain last held its lease, and when a worker last said that it lives."""
    (row,) = dialect.fetch(_LAST_SEEN)
    drained, worker = (None if at is None else dialect.moment(at) for at in row)
    return drained and drained - timedelta(seconds=LEASE_SECONDS), worker


def quantile(ordered: list[float], share: float) -> float | None:
    """The nearest rank.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5), quantile([], 0.5)
    (2.0, None)
    """
    if not ordered:
        return None
    rank = -(-len(ordered) * round(share * 100) // 100)
    return ordered[max(rank, 1) - 1]


def kind_of(status: int | None, error: str) -> str:
    """The class of an answer, or what went wrong before there was one.

    >>> kind_of(503, "http_503"), kind_of(None, "timeout"), kind_of(204, "")
    ('5xx', 'timeout', '2xx')
    """
    if error and not error.startswith("http_"):
        return error
    return f"{(status or 0) // 100}xx"


def _age(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return max((timezone.now() - moment).total_seconds(), 0.0)


def _states() -> dict[str, int]:
    """In the words of the partial indexes: OR, and one select for each."""
    selects = [
        Delivery.objects.filter(condition)
        .order_by()
        .values("state")
        .annotate(count=Count("pk"))
        for condition in (
            Q(state=State.PENDING),
            Q(state=State.CLAIMED),
            Q(state=State.HELD) | Q(state=State.EXHAUSTED),
        )
    ]
    found = {row["state"]: row["count"] for row in selects[0].union(*selects[1:])}
    return {str(state): found.get(state, 0) for state in STATES}


def _in_flight() -> dict[str, int]:
    rows = (
        Delivery.objects.filter(state=State.CLAIMED, claimed_until__gt=Now())
        .order_by()
        .values_list("webhook__public_id")
        .annotate(count=Count("pk"))
    )
    return dict(rows)


def _attempts() -> Counter[str]:
    since = Now() - timedelta(minutes=MINUTES)
    rows = (
        Attempt.objects.filter(started_at__gte=since)
        .order_by()
        .values_list("status", "error")
        .annotate(count=Count("pk"))
    )
    found: Counter[str] = Counter()
    for status, error, count in rows:
        found[kind_of(status, error)] += count
    return found


def _latencies() -> list[float]:
    """Seconds from a mail's arrival to the receiver's 2xx, of the newest of them."""
    since = Now() - timedelta(minutes=MINUTES)
    newest = list(
        Attempt.objects.filter(
            started_at__gte=since, status__gte=200, status__lt=300, error=""
        )
        .order_by("-started_at")
        .values_list("delivery__event", "started_at", "duration_ms")[:_SAMPLE]
    )
    causes = dict(
        Event.objects.filter(
            pk__in={event for event, _at, _ms in newest}, type="message.received"
        ).values_list("pk", "cause")
    )
    # threads.events: what such an event tells of stands in its cause.
    mails = {
        pk: cause.partition(":")[2].partition(":")[0] for pk, cause in causes.items()
    }
    arrived = dict(
        Message.objects.filter(public_id__in=set(mails.values())).values_list(
            "public_id", "received_at"
        )
    )
    return [
        (began - arrived[mails[event]]).total_seconds() + took / 1000
        for event, began, took in newest
        if mails.get(event) in arrived
    ]


def _lost_leases() -> int:
    """Of the newest deliveries: what a worker had in hand when it died."""
    newest = Delivery.objects.order_by("-pk").values("lost_leases")[:NEWEST]
    total: dict[str, Any] = newest.aggregate(total=Sum(F("lost_leases")))
    return total["total"] or 0
