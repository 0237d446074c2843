"""Deliveries are claimed by lease: a token, and a deadline on the database's clock."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from webhooks import dialect, pace
from webhooks.leases import in_seconds
from webhooks.models import Delivery
from webhooks.pace import AHEAD_SECONDS, SLOTS_END_WITHIN, Served, Slots

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
_DUE = f"""
FROM webhooks_webhook w
WHERE w.state = 'active' AND w.deleted_at IS NULL
    AND (w.breaker_until IS NULL OR w.breaker_until <= {{then}})
    AND EXISTS (
        SELECT 1 FROM webhooks_delivery d
        WHERE d.webhook_id = w.id AND d.state = 'pending' AND d.next_at <= {{then}}
    )
    AND (
        NOT w.ordered OR ({pace.head("w.id", "next_at")}) <= {{then}}
        OR EXISTS ({pace.test("w.id", "{then}")})
    )
    AND (
        w.rate_limit IS NULL OR w.next_slot_at IS NULL OR w.next_slot_at <= {{soon}}
    )
"""  # noqa: S608 -- our own text
# Since when: one that has its turn or its slot only now could not be sent before.
_OLDEST = f"""
SELECT CASE WHEN w.ordered THEN ({pace.head("w.id", "next_at")}) ELSE (
    SELECT d.next_at FROM webhooks_delivery d
    WHERE d.webhook_id = w.id AND d.state = 'pending' ORDER BY d.next_at LIMIT 1
) END,
    CASE WHEN w.ordered THEN w.last_claim_at END,
    CASE WHEN w.rate_limit IS NOT NULL THEN w.next_slot_at END
"""  # noqa: S608 -- our own text
# Who has no room may not take the place of somebody who has; what counts is counted
# below, when it is locked.
_SERVABLE = f"""
SELECT w.id, w.max_in_flight, w.failing_since IS NOT NULL {_DUE}
    AND NOT {{busy}} AND (w.failing_since IS NULL OR %s)
    AND w.max_in_flight > (
        SELECT COUNT(*) FROM webhooks_delivery c
        WHERE c.webhook_id = w.id AND c.state = 'claimed' AND c.claimed_until > {{then}}
    )
    AND (
        NOT w.ordered OR NOT EXISTS ({pace.under_way("w.id")})
        OR EXISTS ({pace.test("w.id", "{then}")})
    )
ORDER BY w.last_claim_at NULLS FIRST, w.id
LIMIT %s {{locked}}
"""  # noqa: S608 -- our own text
# Looked at is served, too: who is at his cap may not stand in front for ever.
_SERVED = f"""
UPDATE webhooks_webhook SET last_claim_at = {{now}} WHERE {{among}}
RETURNING id, (
    SELECT COUNT(*) FROM webhooks_delivery d
    WHERE d.webhook_id = webhooks_webhook.id
        AND d.state = 'claimed' AND d.claimed_until > {{now}}
), {pace.served("webhooks_webhook.id", "{now}")}
"""  # noqa: S608 -- our own text
_TAKE = """
UPDATE webhooks_delivery SET state = 'claimed', token = %s, claimed_until = {until}
WHERE state = 'pending' AND id {walks}
RETURNING webhook_id, is_test
"""
# Each webhook by its own walk of the partial index.
_WALK = """
SELECT id FROM webhooks_delivery
WHERE webhook_id = {webhook} AND state = 'pending' AND next_at <= {now}
ORDER BY next_at, id LIMIT {count}
"""
_FIRST = "SELECT first.id FROM ({head}) AS first WHERE first.next_at <= {now}"
# PostgreSQL does them all at once.
_EACH = """
SELECT walk.id FROM unnest(%s::bigint[]{given}) AS picked (webhook{more}),
    LATERAL ({walk}) AS walk
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
    due = _DUE.format(then=dialect.after(str(then)), soon=dialect.after(str(soon)))
    return bool(dialect.fetch(f"SELECT 1 {due} LIMIT 1"))


def oldest_due() -> datetime | None:
    """For doctor and health: since when the oldest due delivery has been waiting."""
    due = _DUE.format(then=dialect.now(), soon=dialect.now())
    oldest = [
        max(dialect.moment(at) for at in row if at is not None)
        for row in dialect.fetch(_OLDEST + due)
    ]
    return min(oldest, default=None)


class Servable(NamedTuple):
    pk: int
    max_in_flight: int
    is_failing: bool


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
    servable = _SERVABLE.format(
        then=now,
        soon=dialect.after(str(AHEAD_SECONDS)),
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
    rows = dialect.fetch(_SERVED.format(now=now, among=dialect.among("id")), keys)
    clock = monotonic()
    served = {row[0]: Served.of(row) for row in rows}
    picked = _pick(webhooks, served, rooms)
    if not picked:
        return Claim()
    walks, parameters = _walks(picked, served)
    take = _TAKE.format(until=dialect.after(str(LEASE_SECONDS)), walks=walks)
    taken = dialect.fetch(take, dialect.plain(token), *parameters)
    paced = Counter(webhook for webhook, is_test in taken if not is_test)
    return Claim(len(taken), pace.take_slots(served.values(), paced, clock))


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


def _walks(
    picked: dict[int, int], served: Mapping[int, Served]
) -> tuple[str, list[Any]]:
    """So many of each webhook, the longest due first: what `id` is one of.

    Where the order is kept it is the one whose turn it is, and a test goes first.
    """
    tests = [pk for pk in picked if served[pk].has_test]
    left = Counter(picked)
    left.subtract(tests)
    heads = [pk for pk in +left if served[pk].is_ordered]
    counts = {pk: count for pk, count in (+left).items() if pk not in heads}
    if connection.vendor == "postgresql":
        return _arrays(counts, heads, tests)
    now = dialect.now()
    walk = _WALK.format(webhook="%s", count="%s", now=now)
    first = _FIRST.format(head=pace.head("%s", "id, h.next_at"), now=now)
    walks = [
        *[walk] * len(counts),
        *[first] * len(heads),
        *[pace.test("%s", now)] * len(tests),
    ]
    sql = " UNION ALL ".join(f"SELECT id FROM ({one})" for one in walks)  # noqa: S608
    numbers = [number for pair in counts.items() for number in pair]
    return f"IN ({sql})", [*numbers, *heads, *tests]


def _arrays(
    counts: dict[int, int], heads: list[int], tests: list[int]
) -> tuple[str, list[Any]]:
    """As PostgreSQL likes it.

    The array keeps the planner from joining what the walks find with the whole table.
    """
    now = dialect.now()
    walk = _WALK.format(webhook="picked.webhook", count="picked.count", now=now)
    first = _FIRST.format(head=pace.head("picked.webhook", "id, h.next_at"), now=now)
    test = pace.test("picked.webhook", now)
    walks = [_EACH.format(more=", count", given=", %s::int[]", walk=walk)]
    parameters: list[Any] = [list(counts), list(counts.values())]
    for one, webhooks in ((first, heads), (test, tests)):
        if webhooks:
            walks.append(_EACH.format(more="", given="", walk=one))
            parameters.append(webhooks)
    return f"= ANY(ARRAY({' UNION ALL '.join(walks)}))", parameters


def _pick(
    webhooks: list[Servable], served: Mapping[int, Served], rooms: Rooms
) -> dict[int, int]:
    """How many of each webhook."""
    picked: dict[int, int] = {}
    room, unknown, failing = rooms.room, rooms.unknown, rooms.failing
    for webhook in webhooks:
        mine = served[webhook.pk]
        most = min(webhook.max_in_flight - mine.in_flight, mine.able)
        if webhook.is_failing:
            free = min(most, failing)
            failing -= max(free, 0)
        elif rooms.prompt is None or webhook.pk in rooms.prompt:
            free = min(most, room)
            room -= max(free, 0)
        else:
            known = webhook.pk in rooms.slow
            free = min(most if known else min(1 - mine.in_flight, most), unknown)
            unknown -= max(free, 0)
        if free > 0:
            picked[webhook.pk] = free
    return picked
