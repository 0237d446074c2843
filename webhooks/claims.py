"""Deliveries are claimed by lease: a token, and a deadline on the database's clock."""

from datetime import datetime
from functools import reduce
from operator import or_
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Exists, F, Min, OuterRef, Q, Subquery
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


@transaction.atomic
def claim(token: UUID, *, room: int, unhealthy_room: int) -> int:
    """Take up to `room` due deliveries under `token`; says how many.

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
    picked = _pick(webhooks, in_flight, room, unhealthy_room)
    if not picked:
        return 0
    claimed = Delivery.objects.filter(_oldest(picked), state=State.PENDING).update(
        state=State.CLAIMED, token=token, claimed_until=in_seconds(LEASE_SECONDS)
    )
    Webhook.objects.filter(pk__in=picked).update(last_claim_at=Now())
    return claimed


def _oldest(picked: dict[int, int]) -> Q:
    """So many of each webhook, each by its own walk of the partial index."""
    walks = [
        Delivery.objects.filter(due(), webhook=pk)
        .order_by("next_at", "pk")
        .values("pk")[:count]
        for pk, count in picked.items()
    ]
    if connection.features.supports_slicing_ordering_in_compound:
        return Q(pk__in=walks[0].union(*walks[1:], all=True))
    # PostgreSQL plans an OR of subqueries as a scan of the table; SQLite does not.
    return reduce(or_, (Q(pk__in=walk) for walk in walks))


def _pick(
    webhooks: list[Webhook],
    in_flight: dict[int, int],
    room: int,
    unhealthy_room: int,
) -> dict[int, int]:
    """How many of each webhook: its cap, and the senders that are free."""
    picked: dict[int, int] = {}
    for webhook in webhooks:
        free = min(webhook.max_in_flight - in_flight.get(webhook.pk, 0), room)
        if webhook.failing_since is not None:
            free = min(free, unhealthy_room)
            unhealthy_room -= max(free, 0)
        if free > 0:
            picked[webhook.pk] = free
            room -= free
    return picked
