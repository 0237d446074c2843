"""Webhooks with a pace of their own: so many a second, or one after the other.

With a rate limit each send has a slot, and the webhook's row says when the next one
begins. Whoever claims takes slots under the lock of that row, by the database's clock:
so the limit holds over all machines. Slots are taken a little ahead, and a delivery
waits for its own in memory: no claim's or flush's time shows in the pace.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor
from time import monotonic
from typing import NamedTuple

from django.utils import timezone

from webhooks import dialect
from webhooks.jobs import Job
from webhooks.models import Delivery

# So far ahead slots are taken. The last one taken ends within a second and a half.
AHEAD_SECONDS = 0.5
SLOTS_END_WITHIN = 2.0
# Who comes later than this, or than the next slot, gives his own back: what was held
# up must not leave in a crowd.
LATE_SECONDS = 0.2
# A limit that was reached no longer ago keeps others waiting.
_LATELY = timedelta(seconds=5)
# More than anybody's cap.
_ALL = 1_000

# Whose turn it is, where the order is kept: that of the events, whenever each is due.
# The first of all from there on, which may be another webhook's: no other index than
# the one for it gives them in this order, and PostgreSQL is led into none.
_HEAD = """
SELECT {columns} FROM (
    SELECT h.webhook_id, h.id, h.next_at FROM webhooks_delivery h
    WHERE h.state = 'pending' AND NOT h.is_test
        AND (h.webhook_id, h.id) >= ({webhook}, 0)
    ORDER BY h.webhook_id, h.id LIMIT 1
) AS head
WHERE head.webhook_id = {webhook}
"""
# Among all tests first, or SQLite would look for one among all that is due.
_TEST = """
SELECT {columns} FROM (
    SELECT t.id, t.next_at FROM webhooks_delivery t
    WHERE t.webhook_id = {webhook} AND t.state = 'pending' AND t.is_test
    ORDER BY t.id LIMIT 100
) AS test
WHERE test.next_at <= {then} LIMIT 1
"""
# Also when its lease ran out: it comes back as the first. Each has one; that it is said
# leads SQLite to the index of the few that are in flight.
_UNDER_WAY = """
SELECT u.id FROM webhooks_delivery u
WHERE u.webhook_id = {webhook} AND u.state = 'claimed' AND NOT u.is_test
    AND u.claimed_until IS NOT NULL
"""


def head(webhook: str, columns: str) -> str:
    """SQL for the delivery whose turn it is, unless one is under way."""
    return _HEAD.format(webhook=webhook, columns=columns)


def due_test(webhook: str, then: str, columns: str = "test.id") -> str:
    """SQL for a test that is due."""
    return _TEST.format(webhook=webhook, then=then, columns=columns)


def under_way(webhook: str) -> str:
    """SQL for what is being sent, tests apart."""
    return _UNDER_WAY.format(webhook=webhook)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Of a webhook under its lock, by a snapshot taken since."""

    now: datetime
    rate_limit: int | None
    next_slot_at: datetime | None
    is_ordered: bool
    is_under_way: bool
    has_test: bool
    # `now` on the monotonic clock.
    clock: float

    @property
    def turns(self) -> int:
        """How many may go, tests apart."""
        turns = _ALL
        if self.is_ordered:
            turns = 0 if self.is_under_way else 1
        if self.rate_limit:
            left = AHEAD_SECONDS - (self.first_slot - self.now).total_seconds()
            turns = min(turns, max(floor(left * self.rate_limit) + 1, 0))
        return turns

    @property
    def able(self) -> int:
        """How many it may have more."""
        return self.turns + self.has_test

    @property
    def first_slot(self) -> datetime:
        return max(self.next_slot_at or self.now, self.now)


_ANY = """
SELECT 1 FROM webhooks_webhook w
WHERE w.state = 'active' AND w.deleted_at IS NULL
    AND (w.ordered OR w.rate_limit IS NOT NULL)
LIMIT 1
"""


def is_kept_by_any() -> bool:
    """Whether any webhook has a pace of its own."""
    return bool(dialect.fetch(_ANY))


_PACES = """
SELECT w.id, {now}, w.rate_limit, w.next_slot_at, w.ordered,
    CASE WHEN w.ordered THEN EXISTS ({under_way}) ELSE FALSE END, EXISTS ({test})
FROM webhooks_webhook w WHERE {among}
"""


def of(webhooks: Collection[int]) -> dict[int, Pace]:
    """The paces of these webhooks, which are locked."""
    if not webhooks:
        return {}
    now = dialect.now()
    asked = _PACES.format(
        now=now,
        under_way=under_way("w.id"),
        test=due_test("w.id", now),
        among=dialect.among("w.id"),
    )
    rows = dialect.fetch(asked, dialect.keys(webhooks))
    clock = monotonic()
    return {
        pk: Pace(
            now=dialect.moment(then),
            rate_limit=rate_limit,
            next_slot_at=None if slot is None else dialect.moment(slot),
            is_ordered=bool(is_ordered),
            is_under_way=bool(is_under_way),
            has_test=bool(has_test),
            clock=clock,
        )
        for pk, then, rate_limit, slot, is_ordered, is_under_way, has_test in rows
    }


class Slots(NamedTuple):
    """Of a webhook's claimed deliveries: the first, on the monotonic clock."""

    first: float
    gap: float


_SLOTS = {"id": "bigint", "at": "timestamptz"}
_ADVANCE = """
UPDATE webhooks_webhook SET next_slot_at = new.at FROM {new}
WHERE webhooks_webhook.id = new.id
"""


def take_slots(paces: Mapping[int, Pace], taken: Mapping[int, int]) -> dict[int, Slots]:
    """Slots for so many of each webhook."""
    slots: dict[int, Slots] = {}
    ends: list[tuple[int, datetime]] = []
    for webhook, pace in paces.items():
        count = taken.get(webhook, 0)
        if not pace.rate_limit or not count:
            continue
        first, gap = pace.first_slot, 1 / pace.rate_limit
        wait = (first - pace.now).total_seconds()
        slots[webhook] = Slots(pace.clock + wait, gap)
        ends.append((webhook, first + timedelta(seconds=count * gap)))
    if ends:
        sql = _ADVANCE.format(new=dialect.table(_SLOTS))
        dialect.execute(sql, dialect.rows(_SLOTS, ends))
    return slots


def place(jobs: Iterable[Job], slots: Mapping[int, Slots], now: float) -> None:
    """Give each job the slot that was taken for it."""
    placed = Counter[int]()
    for job in jobs:
        mine = slots.get(job.webhook_pk)
        if mine is None or job.is_test:
            continue
        number = placed[job.webhook_pk]
        placed[job.webhook_pk] += 1
        job.not_before = mine.first + number * mine.gap
        # The first is late only by itself, however long the claim took.
        begins = job.not_before if number else max(job.not_before, now)
        job.not_after = begins + max(mine.gap, LATE_SECONDS)


def limits(delivery: Delivery) -> bool:
    """Whether it is due, and the rate limit of its webhook is being reached."""
    slot, now = delivery.webhook.next_slot_at, timezone.now()
    if delivery.webhook.rate_limit is None or slot is None:
        return False
    return slot > now - _LATELY and delivery.next_at <= now


_FIRST = "SELECT MIN(id) FROM ({under_way} UNION ALL {head}) AS first"


def before(delivery: Delivery) -> Delivery | None:
    """What has to be finished first, where its webhook keeps the order."""
    if not delivery.webhook.ordered or delivery.is_test:
        return None
    sql = _FIRST.format(under_way=under_way("%s"), head=head("%s", "head.id"))
    ((first,),) = dialect.fetch(sql, *[delivery.webhook_id] * 3)
    return Delivery.objects.filter(pk=first, pk__lt=delivery.pk).first()
