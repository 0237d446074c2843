"""Pictures as numbers: the template draws them as SVG, and writes the words itself.

A chart is WIDTH by HEIGHT units and is stretched to the room it gets, so that on a
telephone the bars are narrow and the letters are not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from threads.dashboard.traffic import DeliveryDay, MailDay

WIDTH = 600
HEIGHT = 120


@dataclass(frozen=True, slots=True)
class Bar:
    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """A day: its bars, and the sentence that pointing at it shows."""

    x: float
    width: float
    says: str
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class Key:
    kind: str
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    top: str
    columns: list[Column]
    keys: list[Key]
    # First, middle and last day.
    days: list[str]
    empty: bool
    width: int = WIDTH
    height: int = HEIGHT


def mail(days: Sequence[MailDay]) -> Chart:
    received = sum(day.inbound for day in days)
    sent = sum(day.outbound for day in days)
    return _chart(
        _("Mail, last %d days") % len(days),
        [(day.day, [day.inbound, day.outbound]) for day in days],
        kinds=("in", "out"),
        keys=[
            Key("in", _("received"), str(received)),
            Key("out", _("sent"), str(sent)),
        ],
        say=str,
    )


def deliveries(days: Sequence[DeliveryDay]) -> Chart:
    succeeded = sum(day.succeeded for day in days)
    failed = sum(day.failed for day in days)
    return _chart(
        _("Webhook attempts, last %d days") % len(days),
        [(day.day, [day.succeeded, day.failed]) for day in days],
        kinds=("good", "bad"),
        keys=[
            Key("good", _("succeeded"), _share(succeeded, succeeded + failed)),
            Key("bad", _("failed"), str(failed)),
        ],
        say=str,
    )


def latency(days: Sequence[DeliveryDay]) -> Chart:
    """The newest day that has one stands beside the names."""
    with_times = [day for day in days if day.median is not None]
    last = with_times[-1] if with_times else None
    return _chart(
        _("Answer time of receivers, last %d days") % len(days),
        [(day.day, [day.median or 0, day.slowest or 0]) for day in days],
        kinds=("median", "slow"),
        keys=[
            Key("median", _("half within"), seconds(last.median or 0) if last else "–"),
            Key("slow", _("95% within"), seconds(last.slowest or 0) if last else "–"),
        ],
        say=seconds,
    )


def seconds(milliseconds: int) -> str:
    """As a person says it.

    >>> seconds(87), seconds(1240)
    ('87 ms', '1.2 s')
    """
    whole = 1000
    if milliseconds < whole:
        return f"{milliseconds} ms"
    return f"{number_format(milliseconds / whole, 1)} s"


def ceiling(value: int) -> int:
    """The next round number: 1, 2, 3 or 5 with noughts.

    >>> ceiling(0), ceiling(7), ceiling(180), ceiling(200), ceiling(201)
    (1, 10, 200, 200, 300)
    """
    size = 1
    while True:
        for step in (1, 2, 3, 5):
            if value <= step * size:
                return step * size
        size *= 10


def _share(part: int, whole: int) -> str:
    """Never 100 % while one failed.

    >>> _share(0, 0), _share(9999, 10000), _share(10, 10)
    ('–', '99.9%', '100%')
    """
    if not whole:
        return "–"
    if part == whole:
        return "100%"
    return f"{number_format(min(part * 1000 // whole, 999) / 10, 1)}%"


def _chart(
    title: str,
    days: Sequence[tuple[date, Sequence[int]]],
    *,
    kinds: Sequence[str],
    keys: list[Key],
    say: Callable[[int], str],
) -> Chart:
    most = max(max(values) for _day, values in days)
    top = ceiling(most)
    step = WIDTH / len(days)
    bar = step * 0.8 / len(kinds)
    columns = []
    for number, (day, values) in enumerate(days):
        left = number * step
        bars = [
            _bar(kind, left + step * 0.1 + place * bar, bar, value / top)
            for place, (kind, value) in enumerate(zip(kinds, values, strict=True))
        ]
        words = ", ".join(
            f"{key.label} {say(value)}" for key, value in zip(keys, values, strict=True)
        )
        columns.append(Column(left, step, f"{_short(day)}: {words}", bars))
    named = (days[0][0], days[len(days) // 2][0], days[-1][0])
    return Chart(
        title=title,
        top=say(top),
        columns=columns,
        keys=keys,
        days=[_short(day) for day in named],
        empty=not most,
    )


def _bar(kind: str, x: float, width: float, part: float) -> Bar:
    """One that stands for anything at all can be seen."""
    height = max(part * HEIGHT, 1.5) if part else 0
    return Bar(
        kind, round(x, 2), round(HEIGHT - height, 2), round(width, 2), round(height, 2)
    )


def _short(day: date) -> str:
    return date_format(day, "MONTH_DAY_FORMAT")
