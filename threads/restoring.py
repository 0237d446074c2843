"""A backup is a moment that has passed: what was on its way then may have arrived."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django_q.models import OrmQ

from threads import lifecycle
from threads.actors import SYSTEM
from threads.events import message_event
from threads.models import IngestRecord, Message, Source
from webhooks.models import Delivery, DrainLease, Heartbeat
from webhooks.outbox import publish
from webhooks.wording import Sentence, kept
from webhooks.wording import marked as _

_MAYBE_SENT = Sentence(
    _("Restored from a backup: it may have been sent since that was made.")
)


@dataclass(frozen=True, slots=True)
class Held:
    deliveries: int
    replies: int


@transaction.atomic
def hold_back() -> Held:
    """Send nothing of it by itself: deliveries are held, replies are in doubt.

    Leases and rings were of processes that are gone.
    """
    state = Delivery.State
    waiting = Delivery.objects.filter(Q(state=state.PENDING) | Q(state=state.CLAIMED))
    deliveries = waiting.update(state=state.HELD, token=None, claimed_until=None)
    status = Message.Status
    unsent = Message.objects.filter(
        status__in=[status.SCHEDULED, status.QUEUED, status.SENDING]
    )
    pks = list(unsent.order_by("pk").values_list("pk", flat=True))
    for pk in pks:
        _doubt(pk)
    Source.objects.update(token=None, leased_until=None)
    IngestRecord.objects.filter(token__isnull=False).update(
        token=None, claimed_until=None
    )
    for model in (OrmQ, DrainLease, Heartbeat):
        model._default_manager.all().delete()  # noqa: SLF001 -- documented
    return Held(deliveries, len(pks))


def _doubt(message_pk: int) -> None:
    thread = lifecycle.locked_with(message_pk)
    text = str(_MAYBE_SENT)
    Message.objects.filter(pk=message_pk).update(
        status=Message.Status.IN_DOUBT,
        next_at=None,
        token=None,
        claimed_until=None,
        error_code="restored",
        error_detail=text,
        error_words=[kept(_MAYBE_SENT)],
    )
    message = Message.objects.with_relations().get(pk=message_pk)
    message.thread = thread
    event = message_event(
        "message.in_doubt",
        message,
        actor=SYSTEM,
        error={"code": "restored", "detail": text},
    )
    thread.save(update_fields=["sequence"])
    publish([event])
