"""How a webhook has fared: success and answer times of the last day and month."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import quantiles

from django.utils import timezone

from webhooks.models import Attempt, Delivery, Webhook

# Of more deliveries than this, the newest are looked at.
NEWEST = 5_000
_DAY, _MONTH = timedelta(days=1), timedelta(days=30)
HEIGHT = 40


@dataclass(frozen=True, slots=True)
class Column:
    """A stretch of time as a bar: heights of at most `HEIGHT`."""

    x: int
    good: int
    bad: int
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    attempts: int
    succeeded: int
    # Milliseconds of the successful ones; None without any.
    median: int | None
    slowest: int | None  # the 95th percentile
    columns: list[Column]

    @property
    def share(self) -> int:
        """Percent; never 100 while one failed."""
        return 100 * self.succeeded // self.attempts if self.attempts else 0

    @property
    def width(self) -> int:
        return 10 * len(self.columns)


_Row = tuple[datetime, int | None, str, int]


def of(webhook: Webhook) -> tuple[Record, Record]:
    """Of the last day by the hour, and of the last month by the day."""
    now = timezone.now()
    newest = (
        Delivery.objects.filter(webhook=webhook, created_at__gte=now - _MONTH)
        .order_by("-pk")
        .values("pk")[:NEWEST]
    )
    rows: list[_Row] = list(
        Attempt.objects.filter(
            delivery__in=newest,
            started_at__gte=now - _MONTH,
        )
        .order_by()
        .values_list("started_at", "status", "error", "duration_ms")
    )
    today = [row for row in rows if row[0] >= now - _DAY]
    return _record(today, now, 24, _DAY), _record(rows, now, 30, _MONTH)


def _record(rows: list[_Row], now: datetime, places: int, span: timedelta) -> Record:
    took = sorted(ms for _at, _status, error, ms in rows if not error)
    good, bad = [0] * places, [0] * places
    for at, _status, error, _ms in rows:
        place = places - 1 - int((now - at) / (span / places))
        (bad if error else good)[min(max(place, 0), places - 1)] += 1
    median, slowest = _times(took)
    return Record(
        attempts=len(rows),
        succeeded=len(took),
        median=median,
        slowest=slowest,
        columns=list(_columns(good, bad)),
    )


def _columns(good: list[int], bad: list[int]) -> Iterable[Column]:
    most = max(map(sum, zip(good, bad, strict=True)), default=0) or 1
    for place, (well, ill) in enumerate(zip(good, bad, strict=True)):
        # One that stands for anything at all can be seen.
        height = max(HEIGHT * ill // most, 2) if ill else 0
        yield Column(
            10 * place, min(HEIGHT * well // most, HEIGHT - height), height, well, ill
        )


def _times(took: list[int]) -> tuple[int | None, int | None]:
    """The median and the 95th percentile.

    >>> _times([]), _times([40]), _times(list(range(101)))
    ((None, None), (40, 40), (50, 95))
    """
    if len(took) < 2:  # noqa: PLR2004 -- what `quantiles` asks for
        return (took[0], took[0]) if took else (None, None)
    cuts = quantiles(took, n=20, method="inclusive")
    return round(cuts[9]), round(cuts[18])
