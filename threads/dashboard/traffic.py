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
_LEFT_US = (Message.Status.SENT, Message.Status.STORED, Message.Status.BOUNCED)


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
    selects = []
    for way, counted in enumerate((_inbound(), _outbound())):
        for number, (_day, start, end) in enumerate(days):
            rows = counted.filter(received_at__gte=start, received_at__lt=end)
            selects.append(_count(rows, number, way))
    found = {(row["place"], row["way"]): row["count"] for row in _together(selects)}
    return [
        MailDay(day, found.get((number, 0), 0), found.get((number, 1), 0))
        for number, (day, _start, _end) in enumerate(days)
    ]


def deliveries() -> list[DeliveryDay]:
    days = _days(DELIVERY_DAYS)
    selects = []
    for number, (_day, start, end) in enumerate(days):
        rows = Attempt.objects.filter(started_at__gte=start, started_at__lt=end)
        selects.append(
            _count(rows, number, 0, succeeded=Count("started_at", filter=_SUCCESS))
        )
    found = {row["place"]: row for row in _together(selects)}
    nothing = {"count": 0, "succeeded": 0}
    total = sum(row["succeeded"] for row in found.values())
    took = _took(days[0][1], total)
    result = []
    for number, (day, _start, _end) in enumerate(days):
        row = found.get(number, nothing)
        median, slowest = _percentiles(took.get(day, []))
        failed = row["count"] - row["succeeded"]
        result.append(DeliveryDay(day, row["succeeded"], failed, median, slowest))
    return result


def _inbound() -> QuerySet[Message]:
    return Message.objects.filter(direction=Message.Direction.INBOUND)


def _outbound() -> QuerySet[Message]:
    rows = Message.objects.filter(direction=Message.Direction.OUTBOUND)
    return rows.filter(status__in=_LEFT_US)


def _days(count: int) -> list[tuple[date, datetime, datetime]]:
    """The last so many, oldest first, each with its midnights."""
    today = timezone.localdate()
    days = [today - timedelta(days=count - 1 - number) for number in range(count)]
    return [(day, _midnight(day), _midnight(day + timedelta(days=1))) for day in days]


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _count(rows: QuerySet[Any], number: int, way: int, **more: Count) -> QuerySet[Any]:
    numbers = {
        "place": Value(number, output_field=IntegerField()),
        "way": Value(way, output_field=IntegerField()),
    }
    constants: QuerySet[Any] = rows.order_by().values(**numbers)
    counted: QuerySet[Any] = constants.annotate(count=Count("*"), **more)
    return counted


def _together(selects: list[QuerySet[Any]]) -> QuerySet[Any]:
    together: QuerySet[Any] = selects[0].union(*selects[1:], all=True)
    return together


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
