"""How it has been going: mail by day, and deliveries by day with what they took.

Days are the installation's own (TIME_ZONE). They are given to the database as ranges,
one small select each in a single statement: no function is called on a row's time, so
every count is read from an index.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import quantiles
from typing import Any

from django.db.models import Count, F, IntegerField, Q, QuerySet, Value
from django.utils import timezone

from threads.models import Message
from webhooks.models import Attempt

MAIL_DAYS = 30
DELIVERY_DAYS = 14
# Of more attempts than this every second, third … is looked at for the times.
_SAMPLE = 3000

_SUCCESS = Q(status__gte=200, status__lt=300, error="")
_RECEIVED = Q(direction=Message.Direction.INBOUND)
_SENT = Q(
    direction=Message.Direction.OUTBOUND,
    status__in=[Message.Status.SENT, Message.Status.STORED, Message.Status.BOUNCED],
)

# A day, and its two midnights.
Day = tuple[date, datetime, datetime]


@dataclass(frozen=True, slots=True)
class MailDay:
    day: date
    inbound: int
    outbound: int


@dataclass(frozen=True, slots=True)
class DeliveryDay:
    day: date
    succeeded: int
    failed: int
    # Milliseconds of the successful ones; None on a day without.
    median: int | None
    slowest: int | None  # the 95th percentile


def mail() -> list[MailDay]:
    days = _days(MAIL_DAYS)
    found = _by_day(
        Message.objects.all(),
        "received_at",
        days,
        inbound=Count("received_at", filter=_RECEIVED),
        outbound=Count("received_at", filter=_SENT),
    )
    return [
        MailDay(day, row["inbound"], row["outbound"])
        for (day, _start, _end), row in zip(days, found, strict=True)
    ]


def deliveries() -> list[DeliveryDay]:
    days = _days(DELIVERY_DAYS)
    found = _by_day(
        Attempt.objects.all(),
        "started_at",
        days,
        all=Count("started_at"),
        succeeded=Count("started_at", filter=_SUCCESS),
    )
    took = _took(days[0][1], sum(row["succeeded"] for row in found))
    result = []
    for (day, _start, _end), row in zip(days, found, strict=True):
        median, slowest = _percentiles(took.get(day, []))
        failed = row["all"] - row["succeeded"]
        result.append(DeliveryDay(day, row["succeeded"], failed, median, slowest))
    return result


def _days(count: int) -> list[Day]:
    """The last so many, oldest first, each with its midnights."""
    today = timezone.localdate()
    days = [today - timedelta(days=count - 1 - number) for number in range(count)]
    return [(day, _midnight(day), _midnight(day + timedelta(days=1))) for day in days]


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _by_day(
    rows: QuerySet[Any], column: str, days: list[Day], **counts: Count
) -> list[dict[str, int]]:
    """The counts of each of `days`, in their order; noughts for a day without rows."""
    selects = [
        rows.filter(**{f"{column}__gte": start, f"{column}__lt": end})
        .order_by()
        .values(place=Value(place, output_field=IntegerField()))
        .annotate(**counts)
        for place, (_day, start, end) in enumerate(days)
    ]
    found = {row["place"]: row for row in selects[0].union(*selects[1:], all=True)}
    nothing = dict.fromkeys(counts, 0)
    return [found.get(place, nothing) for place in range(len(days))]


def _took(since: datetime, total: int) -> dict[date, list[int]]:
    step = 1 + total // _SAMPLE
    rows = (
        Attempt.objects.filter(_SUCCESS, started_at__gte=since)
        .annotate(rest=F("id") % step)
        .filter(rest=0)
        .order_by()
        .values_list("started_at", "duration_ms")
    )
    found: dict[date, list[int]] = {}
    for started_at, duration in rows:
        found.setdefault(timezone.localdate(started_at), []).append(duration)
    return found


def _percentiles(durations: list[int]) -> tuple[int | None, int | None]:
    """The median and the 95th percentile.

    >>> _percentiles([]), _percentiles([40]), _percentiles(list(range(101)))
    ((None, None), (40, 40), (50, 95))
    """
    if not durations:
        return None, None
    if len(durations) == 1:
        return durations[0], durations[0]
    cuts = quantiles(durations, n=20, method="inclusive")
    return round(cuts[9]), round(cuts[18])
