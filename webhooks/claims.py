"""Deliveries are claimed by lease: a token, and a deadline on the database's clock."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from webhooks import dialect
from webhooks.leases import in_seconds
from webhooks.models import Delivery

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
_OLDEST = """
SELECT (
    SELECT d.next_at FROM webhooks_delivery d
    WHERE d.webhook_id = w.id AND d.state = 'pending' ORDER BY d.next_at LIMIT 1
)
"""
# Who has no room may not take the place of somebody who has; what counts is counted
# below, when it is locked.
_SERVABLE = f"""
SELECT w.id, w.max_in_flight, w.failing_since IS NOT NULL {_DUE}
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
"""
# Each webhook by its own walk of the partial index.
_WALK = """
SELECT id FROM webhooks_delivery
WHERE webhook_id = {webhook} AND state = 'pending' AND next_at <= {now}
ORDER BY next_at, id LIMIT {count}
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
    due = _DUE.format(then=dialect.after(str(float(within))))
    return bool(dialect.fetch(f"SELECT 1 {due} LIMIT 1"))


def oldest_due() -> datetime | None:
    """For doctor and health: since when the oldest due delivery has been waiting."""
    due = _DUE.format(then=dialect.now())
    oldest = [dialect.moment(at) for (at,) in dialect.fetch(_OLDEST + due)]
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


@transaction.atomic
def claim(token: UUID, rooms: Rooms) -> int:
    """Take due deliveries under `token`; says how many.

    Two steps: the first locks the webhooks, and only the second, with a snapshot of
    its own, counts what is in flight. One clever statement exceeds the cap.
    """
    now = dialect.now()
    locked = dialect.locked("w", skip=True)
    servable = _SERVABLE.format(then=now, busy=dialect.among("w.id"), locked=locked)
    webhooks = [
        Servable(*row)
        for row in dialect.fetch(
            servable, dialect.keys(rooms.busy), rooms.failing > 0, WEBHOOKS_AT_ONCE
        )
    ]
    if not webhooks:
        return 0
    keys = dialect.keys(webhook.pk for webhook in webhooks)
    served = _SERVED.format(now=now, among=dialect.among("id"))
    in_flight = dict(dialect.fetch(served, keys))
    picked = _pick(webhooks, in_flight, rooms)
    if not picked:
        return 0
    walks, parameters = _walks(picked)
    take = _TAKE.format(until=dialect.after(str(LEASE_SECONDS)), walks=walks)
    return dialect.execute(take, dialect.plain(token), *parameters)


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


def _walks(picked: dict[int, int]) -> tuple[str, list[Any]]:
    """So many of each webhook, the longest due first: what `id` is one of."""
    if connection.vendor == "postgresql":
        # The array keeps the planner from joining what the walks find with the whole
        # table.
        walk = _WALK.format(
            webhook="picked.webhook", count="picked.count", now=dialect.now()
        )
        return (
            "= ANY(ARRAY(SELECT walk.id FROM unnest(%s::bigint[], %s::int[])"  # noqa: S608 -- our own names
            f" AS picked (webhook, count), LATERAL ({walk}) AS walk))"
        ), [list(picked), list(picked.values())]
    walk = _WALK.format(webhook="%s", count="%s", now=dialect.now())
    walks = " UNION ALL ".join([f"SELECT id FROM ({walk})"] * len(picked))  # noqa: S608
    return f"IN ({walks})", [number for pair in picked.items() for number in pair]


def _pick(
    webhooks: list[Servable], in_flight: dict[int, int], rooms: Rooms
) -> dict[int, int]:
    """How many of each webhook."""
    picked: dict[int, int] = {}
    room, unknown, failing = rooms.room, rooms.unknown, rooms.failing
    for webhook in webhooks:
        busy = in_flight.get(webhook.pk, 0)
        if webhook.is_failing:
            free = min(webhook.max_in_flight - busy, failing)
            failing -= max(free, 0)
        elif rooms.prompt is None or webhook.pk in rooms.prompt:
            free = min(webhook.max_in_flight - busy, room)
            room -= max(free, 0)
        else:
            cap = webhook.max_in_flight if webhook.pk in rooms.slow else 1
            free = min(cap - busy, unknown)
            unknown -= max(free, 0)
        if free > 0:
            picked[webhook.pk] = free
    return picked
