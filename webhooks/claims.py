"""Deliveries are claimed by lease: a token, and a deadline on the database's clock."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from webhooks import dialect, pace
from webhooks.leases import in_seconds
from webhooks.models import Delivery
from webhooks.pace import AHEAD_SECONDS, SLOTS_END_WITHIN, Pace, Slots
from webhooks.walks import walks_of

LEASE_SECONDS = 60
WEBHOOKS_AT_ONCE = 32
LOST_LEASES = 5

State = Delivery.State


# In raw SQL because each round of a drain asks them, and because SQLite uses a partial
# index only where the state stands in the text. Times are the database's.
_LOST = """
SELECT id FROM webhooks_delivery
WHERE state = 'claimed' AND claimed_until < {now}
ORDER BY claimed_until LIMIT 500
"""
_DUE = """
FROM webhooks_webhook w
WHERE w.state = 'active' AND w.deleted_at IS NULL
    AND (w.breaker_until IS NULL OR w.breaker_until <= {then})
    AND EXISTS (
        SELECT 1 FROM webhooks_delivery d
        WHERE d.webhook_id = w.id AND d.state = 'pending' AND d.next_at <= {then}
    )
"""
# With a pace of its own, it is not enough that something is due.
_HAS_TURN = f"""
    AND (
        NOT w.ordered OR ({pace.head("w.id", "head.next_at")}) <= {{then}}
        OR EXISTS ({pace.due_test("w.id", "{then}")})
    )
    AND (
        w.rate_limit IS NULL OR w.next_slot_at IS NULL OR w.next_slot_at <= {{soon}}
    )
"""
_HAS_TURN_NOW = f"""{_HAS_TURN}
    AND (
        NOT w.ordered OR NOT EXISTS ({pace.under_way("w.id")})
        OR EXISTS ({pace.due_test("w.id", "{then}")})
    )
"""
# Where nobody has a pace, planning all this would cost more than asking it.
_HAS_NO_PACE = "AND NOT w.ordered AND w.rate_limit IS NULL"
# Since when: one that has its turn or its slot only now could not be sent before.
_OLDEST = f"""
SELECT CASE WHEN w.ordered THEN (
    SELECT MIN(first.next_at) FROM (
        {pace.head("w.id", "head.next_at")}
        UNION ALL SELECT one.next_at
        FROM ({pace.due_test("w.id", "{then}", "test.next_at")}) AS one
    ) AS first
) ELSE (
    SELECT d.next_at FROM webhooks_delivery d
    WHERE d.webhook_id = w.id AND d.state = 'pending' ORDER BY d.next_at LIMIT 1
) END,
    CASE WHEN w.ordered THEN w.last_claim_at END,
    CASE WHEN w.rate_limit IS NOT NULL THEN w.next_slot_at END
"""  # noqa: S608 -- our own text
# Who has no room may not take the place of somebody who has; what counts is counted
# below, when it is locked.
_SERVABLE = f"""
SELECT w.id, w.max_in_flight, w.failing_since IS NOT NULL,
    w.ordered OR w.rate_limit IS NOT NULL
{_DUE} {{turn}}
    AND NOT {{busy}} AND (w.failing_since IS NULL OR %s)
    AND w.max_in_flight > (
        SELECT COUNT(*) FROM webhooks_delivery c
        WHERE c.webhook_id = w.id AND c.state = 'claimed' AND c.claimed_until > {{then}}
    )
ORDER BY w.last_claim_at NULLS FIRST, w.id
LIMIT %s {{locked}}
"""  # noqa: S608 -- our own text
# Looked at is served, too: who is at his cap may not stand in front for ever.
_SERVED = """
UPDATE webhooks_webhook SET last_claim_at = {now} WHERE {among}
RETURNING id, (
    SELECT COUNT(*) FROM webhooks_delivery d
    WHERE d.webhook_id = webhooks_webhook.id
        AND d.state = 'claimed' AND d.claimed_until > {now}
)
"""
_TAKE = """
UPDATE webhooks_delivery SET state = 'claimed', token = %s, claimed_until = {until}
WHERE state = 'pending' AND id {walks}
RETURNING webhook_id, is_test
"""


def recover() -> int:
    """Leases that ran out: due again at once; after five, given up as lost."""
    pks = [pk for (pk,) in dialect.fetch(_LOST.format(now=dialect.now()))]
    if not pks:
        return 0
    again = Delivery.objects.filter(
        pk__in=pks, state=State.CLAIMED, claimed_until__lt=Now()
    )
    counted = {
        "token": None,
        "claimed_until": None,
        "lost_leases": F("lost_leases") + 1,
        "attempts": F("attempts") + 1,
    }
    with transaction.atomic():
        again.filter(lost_leases__gte=LOST_LEASES - 1).update(
            state=State.EXHAUSTED, finished_at=Now(), **counted
        )
        again.update(state=State.PENDING, next_at=Now(), **counted)
        Delivery.objects.filter(pk__in=pks).settle()
    return len(pks)


def work(within: float = 0) -> bool:
    """Whether anything can be sent now, or within so many seconds."""
    then, soon = float(within), within + SLOTS_END_WITHIN
    due = (_DUE + _HAS_TURN).format(
        then=dialect.after(str(then)), soon=dialect.after(str(soon))
    )
    return bool(dialect.fetch(f"SELECT 1 {due} LIMIT 1"))


def oldest_due() -> datetime | None:
    """For doctor and health: since when the oldest due delivery has been waiting."""
    asked = _OLDEST + _DUE + _HAS_TURN
    rows = dialect.fetch(asked.format(then=dialect.now(), soon=dialect.now()))
    oldest = [max(dialect.moment(at) for at in row if at is not None) for row in rows]
    return min(oldest, default=None)


class Servable(NamedTuple):
    pk: int
    max_in_flight: int
    is_failing: bool
    has_pace: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """How many sends may be added, by what is known of the receivers.

    `prompt` are the webhooks that answered well and at once: they share `room`. The
    `slow` answered well, and have room of their own with those that are not known yet,
    of which each has one send at a time. Those that fail share their own few. So
    whoever hangs hurts only himself.
    """

    room: int
    unknown: int
    failing: int
    prompt: Collection[int] | None = None
    slow: Collection[int] = ()
    # Known to have no room of their own.
    busy: Collection[int] = ()
    # Whether those with a pace of their own are served, too.
    paced: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """How many were taken; of webhooks with a rate limit, their slots."""

    count: int = 0
    slots: Mapping[int, Slots] = field(default_factory=dict)


@transaction.atomic
def claim(token: UUID, rooms: Rooms) -> Claim:
    """Take due deliveries under `token`.

    Two steps: the first locks the webhooks, and only the second, with a snapshot of
    its own, counts what is in flight. One clever statement exceeds the cap.
    """
    now = dialect.now()
    soon = dialect.after(str(AHEAD_SECONDS))
    has_turn = _HAS_TURN_NOW.format(then=now, soon=soon)
    servable = _SERVABLE.format(
        then=now,
        turn=has_turn if rooms.paced else _HAS_NO_PACE,
        busy=dialect.among("w.id"),
        locked=dialect.locked("w", skip=True),
    )
    webhooks = [
        Servable(*row)
        for row in dialect.fetch(
            servable, dialect.keys(rooms.busy), rooms.failing > 0, WEBHOOKS_AT_ONCE
        )
    ]
    if not webhooks:
        return Claim()
    keys = dialect.keys(webhook.pk for webhook in webhooks)
    served = _SERVED.format(now=now, among=dialect.among("id"))
    in_flight = dict(dialect.fetch(served, keys))
    paces = pace.of([webhook.pk for webhook in webhooks if webhook.has_pace])
    picked = _pick(webhooks, in_flight, paces, rooms)
    if not picked:
        return Claim()
    walks, parameters = walks_of(picked, paces)
    take = _TAKE.format(until=dialect.after(str(LEASE_SECONDS)), walks=walks)
    taken = dialect.fetch(take, dialect.plain(token), *parameters)
    paced = Counter(webhook for webhook, is_test in taken if not is_test)
    return Claim(len(taken), pace.take_slots(paces, paced))


def claim_one(delivery: Delivery, token: UUID) -> bool:
    """Take this very delivery, whatever its webhook's caps: a person waits for it."""
    mine = Delivery.objects.filter(
        pk=delivery.pk, state=State.PENDING, next_at__lte=Now()
    )
    return bool(
        mine.update(
            state=State.CLAIMED, token=token, claimed_until=in_seconds(LEASE_SECONDS)
        )
    )


def _pick(
    webhooks: list[Servable],
    in_flight: Mapping[int, int],
    paces: Mapping[int, Pace],
    rooms: Rooms,
) -> dict[int, int]:
    """How many of each webhook."""
    picked: dict[int, int] = {}
    room, unknown, failing = rooms.room, rooms.unknown, rooms.failing
    for webhook in webhooks:
        busy = in_flight.get(webhook.pk, 0)
        most = webhook.max_in_flight - busy
        if webhook.pk in paces:
            most = min(most, paces[webhook.pk].able)
        if webhook.is_failing:
            free = min(most, failing)
            failing -= max(free, 0)
        elif rooms.prompt is None or webhook.pk in rooms.prompt:
            free = min(most, room)
            room -= max(free, 0)
        else:
            known = webhook.pk in rooms.slow
            free = min(most, unknown) if known else min(most, 1 - busy, unknown)
            unknown -= max(free, 0)
        if free > 0:
            picked[webhook.pk] = free
    return picked
