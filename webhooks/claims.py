"""Deliveries are claimed by lease: a token, and a deadline on the database's clock."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Exists, F, Min, OuterRef, Q, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from webhooks.leases import in_seconds
from webhooks.models import Delivery, Webhook

LEASE_SECONDS = 60
WEBHOOKS_AT_ONCE = 32
LOST_LEASES = 5

State = Delivery.State


def due() -> Q:
    return Q(state=State.PENDING, next_at__lte=Now())


def servable(within: float = 0) -> Q:
    """Webhooks that may be told something now, or within so many seconds."""
    return Q(
        Q(breaker_until=None) | Q(breaker_until__lte=in_seconds(within)),
        state=Webhook.State.ACTIVE,
        deleted_at=None,
    )


def recover() -> int:
    """Leases that ran out: due again at once; after five, given up as lost."""
    lost = Q(state=State.CLAIMED, claimed_until__lt=Now())
    pks = list(Delivery.objects.filter(lost).values_list("pk", flat=True)[:500])
    if not pks:
        return 0
    again = Delivery.objects.filter(lost, pk__in=pks)
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
    waiting = Delivery.objects.filter(
        webhook=OuterRef("pk"), state=State.PENDING, next_at__lte=in_seconds(within)
    )
    return Webhook.objects.filter(Exists(waiting), servable(within)).exists()


def oldest_due() -> datetime | None:
    """For doctor and health: since when the oldest due delivery has been waiting."""
    first = Delivery.objects.filter(due(), webhook=OuterRef("pk")).order_by("next_at")
    since: datetime | None = Webhook.objects.filter(servable()).aggregate(
        since=Min(Subquery(first.values("next_at")[:1]))
    )["since"]
    return since


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


@transaction.atomic
def claim(token: UUID, rooms: Rooms) -> int:
    """Take due deliveries under `token`; says how many.

    Two steps: the first locks the webhooks, and only the second, with a snapshot of
    its own, counts what is in flight. One clever statement exceeds the cap.
    """
    waiting = Delivery.objects.filter(due(), webhook=OuterRef("pk"))
    webhooks = list(
        Webhook.objects.filter(Exists(waiting), servable())
        .order_by(F("last_claim_at").asc(nulls_first=True), "pk")
        .select_for_update(skip_locked=True, no_key=True, of=("self",))
        .only("pk", "max_in_flight", "failing_since")[:WEBHOOKS_AT_ONCE]
    )
    if not webhooks:
        return 0
    in_flight = dict(
        Delivery.objects.filter(
            webhook__in=webhooks, state=State.CLAIMED, claimed_until__gt=Now()
        )
        .order_by()
        .values_list("webhook")
        .annotate(count=Count("pk"))
    )
    # Looked at is served, too: who is at his cap may not stand in front for ever.
    Webhook.objects.filter(pk__in=[webhook.pk for webhook in webhooks]).update(
        last_claim_at=Now()
    )
    picked = _pick(webhooks, in_flight, rooms)
    if not picked:
        return 0
    return Delivery.objects.filter(_oldest(picked), state=State.PENDING).update(
        state=State.CLAIMED, token=token, claimed_until=in_seconds(LEASE_SECONDS)
    )


def claim_one(delivery: Delivery, token: UUID) -> bool:
    """Take this very delivery, whatever its webhook's caps: a person waits for it."""
    mine = Delivery.objects.filter(due(), pk=delivery.pk)
    return bool(
        mine.update(
            state=State.CLAIMED, token=token, claimed_until=in_seconds(LEASE_SECONDS)
        )
    )


# Each webhook by its own walk of the partial index. The array keeps the planner from
# joining what the walks find with the whole table.
_WALKS = """
SELECT unnest(ARRAY(
    SELECT walk.id
    FROM unnest(%s::bigint[], %s::int[]) AS picked (webhook, count),
    LATERAL (
        SELECT id FROM {table}
        WHERE webhook_id = picked.webhook
            AND state = 'pending' AND next_at <= statement_timestamp()
        ORDER BY next_at, id LIMIT picked.count
    ) AS walk
))
"""


def _oldest(picked: dict[int, int]) -> Q:
    """So many of each webhook, the longest due first."""
    if connection.vendor == "postgresql":
        sql = _WALKS.format(table=Delivery._meta.db_table)  # noqa: SLF001 -- Django's public way to it
        return Q(pk__in=RawSQL(sql, (list(picked), list(picked.values()))))  # noqa: S611 -- our own names
    walks = (
        Delivery.objects.filter(due(), webhook=pk)
        .order_by("next_at", "pk")
        .values("pk")[:count]
        for pk, count in picked.items()
    )
    return reduce(or_, (Q(pk__in=walk) for walk in walks))


def _pick(
    webhooks: list[Webhook], in_flight: dict[int, int], rooms: Rooms
) -> dict[int, int]:
    """How many of each webhook."""
    picked: dict[int, int] = {}
    room, unknown, failing = rooms.room, rooms.unknown, rooms.failing
    for webhook in webhooks:
        busy = in_flight.get(webhook.pk, 0)
        if webhook.failing_since is not None:
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
