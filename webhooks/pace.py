"""Webhooks with a pace of their own: so many a second, or one after the other.

With a rate limit each send has a slot, and the webhook's row says when the next one
begins. Whoever claims takes slots under the lock of that row, by the database's clock:
so the limit holds over all machines. Slots are taken a little ahead, and a delivery
waits for its own in memory: no claim's or flush's time shows in the pace.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor
from typing import Any, NamedTuple

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
_HEAD = """
SELECT h.{column} FROM webhooks_delivery h
WHERE h.webhook_id = {webhook} AND h.state = 'pending' AND NOT h.is_test
ORDER BY h.id LIMIT 1
"""
# Among all tests first, or SQLite would look for one among all that is due.
_TEST = """
SELECT one.id FROM (
    SELECT t.id, t.next_at FROM webhooks_delivery t
    WHERE t.webhook_id = {webhook} AND t.state = 'pending' AND t.is_test
    ORDER BY t.id LIMIT 100
) AS one
WHERE one.next_at <= {then} LIMIT 1
"""
# Also when its lease ran out: it comes back as the first.
_UNDER_WAY = """
SELECT u.id FROM webhooks_delivery u
WHERE u.webhook_id = {webhook} AND u.state = 'claimed' AND NOT u.is_test
"""


def head(webhook: str, column: str) -> str:
    """SQL for a column of the delivery whose turn it is; not one under way."""
    return _HEAD.format(webhook=webhook, column=column)


def test(webhook: str, then: str) -> str:
    """SQL for a test that is due."""
    return _TEST.format(webhook=webhook, then=then)


def under_way(webhook: str) -> str:
    """SQL for what is being sent, tests apart."""
    return _UNDER_WAY.format(webhook=webhook)


class Served(NamedTuple):
    """A webhook as it is under its lock, by a snapshot taken since."""

    pk: int
    in_flight: int
    now: datetime
    rate_limit: int | None
    next_slot_at: datetime | None
    is_ordered: bool
    is_under_way: bool
    has_test: bool

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> "Served":
        pk, in_flight, now, rate_limit, slot, *flags = row
        next_slot_at = None if slot is None else dialect.moment(slot)
        is_ordered, is_under_way, has_test = map(bool, flags)
        return cls(
            pk,
            in_flight,
            dialect.moment(now),
            rate_limit,
            next_slot_at,
            is_ordered,
            is_under_way,
            has_test,
        )

    @property
    def turns(self) -> int:
        """How many may go by its pace, tests apart."""
        turns = _ALL
        if self.is_ordered:
            turns = 0 if self.is_under_way else 1
        if self.rate_limit:
            left = AHEAD_SECONDS - (self.first_slot - self.now).total_seconds()
            turns = min(turns, max(floor(left * self.rate_limit) + 1, 0))
        return turns

    @property
    def able(self) -> int:
        """How many it may have more, by its pace."""
        return self.turns + self.has_test

    @property
    def first_slot(self) -> datetime:
        return max(self.next_slot_at or self.now, self.now)


# Of a webhook without a pace nothing more is looked up.
_SERVED = """
{now}, rate_limit, next_slot_at, ordered,
    CASE WHEN ordered THEN EXISTS ({under_way}) ELSE FALSE END,
    CASE WHEN ordered OR rate_limit IS NOT NULL THEN EXISTS ({test}) ELSE FALSE END
"""


def served(webhook: str, now: str) -> str:
    """SQL for what `Served` has beside the key and what is in flight."""
    return _SERVED.format(
        now=now, under_way=under_way(webhook), test=test(webhook, now)
    )


class Slots(NamedTuple):
    """Of a webhook's claimed deliveries: the first, on the monotonic clock."""

    first: float
    gap: float


_SLOTS = {"id": "bigint", "at": "timestamptz"}
_ADVANCE = """
UPDATE webhooks_webhook SET next_slot_at = new.at FROM {new}
WHERE webhooks_webhook.id = new.id
"""


def take_slots(
    served: Iterable[Served], taken: Mapping[int, int], now: float
) -> dict[int, Slots]:
    """Slots for so many of each webhook; `now` is its `Served.now`, monotonic."""
    slots: dict[int, Slots] = {}
    ends: list[tuple[int, datetime]] = []
    for webhook in served:
        count = taken.get(webhook.pk, 0)
        if not webhook.rate_limit or not count:
            continue
        first, gap = webhook.first_slot, 1 / webhook.rate_limit
        slots[webhook.pk] = Slots(now + (first - webhook.now).total_seconds(), gap)
        ends.append((webhook.pk, first + timedelta(seconds=count * gap)))
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


@dataclass(frozen=True, slots=True)
class Before:
    """A delivery that another one of its webhook waits for."""

    pk: int
    public_id: str


def limits(delivery: Delivery) -> bool:
    """Whether it is due, and the rate limit of its webhook is being reached."""
    slot, now = delivery.webhook.next_slot_at, timezone.now()
    is_reached = slot is not None and slot > now - _LATELY
    return (
        delivery.webhook.rate_limit is not None
        and is_reached
        and delivery.next_at <= now
    )


_BEFORE = """
SELECT d.id, d.public_id FROM webhooks_delivery d
WHERE d.webhook_id = %s AND d.state = '{state}' AND NOT d.is_test AND d.id < %s
ORDER BY d.id LIMIT 1
"""


def before(delivery: Delivery) -> Before | None:
    """What has to be finished first, where its webhook keeps the order."""
    if not delivery.webhook.ordered or delivery.is_test:
        return None
    found = [
        Before(*row)
        for state in (Delivery.State.CLAIMED, Delivery.State.PENDING)
        for row in dialect.fetch(
            _BEFORE.format(state=state.value), delivery.webhook_id, delivery.pk
        )
    ]
    return min(found, key=lambda one: one.pk, default=None)
