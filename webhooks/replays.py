"""Everything that a webhook missed since a moment goes out again: a job in a row.

A few at a time, so that the receiver is not flooded; what was sent and how far the job
came are one transaction, so that a death neither loses nor doubles any.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, QuerySet
from django.db.models.functions import Now

from webhooks import bell
from webhooks.models import Delivery, Replay, Webhook

BATCH = 100
# No more are added while so many of the webhook wait.
MOST_WAITING = 200

State = Delivery.State


@transaction.atomic
def begin(
    webhook: Webhook,
    *,
    since: datetime,
    until: datetime | None = None,
    states: Sequence[str] = (State.EXHAUSTED,),
    domains: Sequence[str] = (),
) -> Replay:
    """Of each event the newest delivery counts: what arrived is not sent again."""
    job = Replay(
        webhook=webhook,
        since=since,
        until=until,
        states=list(states),
        domains=list(domains),
    )
    wanted = missed(job)
    job.last = wanted.aggregate(last=Max("pk"))["last"] or 0
    job.total = wanted.count()
    job.save()
    bell.ring("webhooks.tasks.look_after")
    return job


def missed(job: Replay) -> QuerySet[Delivery]:
    """What the job is about, as it is now."""
    newer = Delivery.objects.filter(
        event=OuterRef("event"),
        webhook=OuterRef("webhook"),
        replay_no__gt=OuterRef("replay_no"),
    )
    found = Delivery.objects.heard_by(job.webhook).filter(
        ~Exists(newer),
        state__in=job.states,
        created_at__gte=job.since,
    )
    if job.until is not None:
        found = found.filter(created_at__lt=job.until)
    if job.domains:
        found = found.filter(event__domain__in=job.domains)
    return found


def advance() -> None:
    """A step of each job that is not done; its webhook may be paused meanwhile."""
    for pk in Replay.objects.filter(finished_at=None).values_list("pk", flat=True):
        while _step(pk):
            pass


@transaction.atomic
def _step(pk: int) -> bool:
    """Whether there may be more to do at once."""
    job = (
        Replay.objects.select_for_update(no_key=True)
        .filter(pk=pk, finished_at=None)
        .first()
    )
    if job is None:
        return False
    webhook = Webhook.objects.select_for_update(no_key=True).get(pk=job.webhook_id)
    job.webhook = webhook
    active = webhook.state == Webhook.State.ACTIVE
    waiting = Delivery.objects.filter(webhook=webhook, state=State.PENDING)
    if active and waiting.count() >= MOST_WAITING:
        return False
    batch: list[Delivery] = []
    if webhook.deleted_at is None:
        wanted = missed(job).filter(pk__gt=job.cursor, pk__lte=job.last)
        batch = list(wanted.order_by("pk")[:BATCH])
    Delivery.objects.bulk_create(
        Delivery(
            event_id=one.event_id,
            webhook=webhook,
            body_id=one.body_id,
            replay_no=one.replay_no + 1,
            is_test=one.is_test,
            state=State.PENDING if active else State.HELD,
        )
        for one in batch
    )
    mine = Replay.objects.filter(pk=pk)
    if not batch:
        mine.update(finished_at=Now())
        return False
    mine.update(cursor=batch[-1].pk, sent=F("sent") + len(batch))
    bell.ring()
    return True
