"""What was told is forgotten after a while: attempts, deliveries and bodies.

The log keeps that there was an event, who did it and what changed; the texts, the
people and what receivers answered go. In batches, so that nobody waits for long.
"""

import json
from collections.abc import Iterable
from datetime import timedelta
from time import monotonic

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from webhooks.models import Attempt, Delivery, Event, EventBody
from webhooks.models.retention import days_kept

BATCH = 200
# What the history of a thread is made of.
_KEPT = ("event", "thread_id", "timestamp", "id", "sequence", "mailbox", "domain")

State = Delivery.State


def prune(budget_seconds: float) -> int:
    """Forget what is older than the retention; says how many events. Resumable."""
    until = monotonic() + budget_seconds
    forgotten = 0
    while found := _batch():
        forgotten += erase(found)
        if len(found) < BATCH or monotonic() > until:
            break
    return forgotten


def _batch() -> list[int]:
    """The oldest that nothing is on its way for, and that nobody sent again lately."""
    before = Now() - timedelta(days=days_kept())
    needed = Delivery.objects.filter(
        Q(state=State.PENDING) | Q(state=State.CLAIMED) | Q(created_at__gte=before),
        event=OuterRef("pk"),
    )
    old = Event.objects.filter(erased_at=None, created_at__lt=before)
    return list(
        old.exclude(Exists(needed))
        .order_by("created_at", "pk")
        .values_list("pk", flat=True)[:BATCH]
    )


@transaction.atomic
def erase(events: Iterable[int]) -> int:
    """These events, whatever their age: they are told no more, nor shown in the log."""
    pks = list(events)
    deliveries = Delivery.objects.filter(event__in=pks)
    list(deliveries.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    Attempt.objects.filter(delivery__event__in=pks).delete()
    deliveries.delete()
    bodies = EventBody.objects.filter(event__in=pks)
    bodies.exclude(format=EventBody.Format.FULL).delete()
    full = list(bodies)
    for body in full:
        body.body = stub(bytes(body.body))
    EventBody.objects.bulk_update(full, ["body"], batch_size=BATCH)
    return Event.objects.filter(pk__in=pks, erased_at=None).update(erased_at=Now())


def erase_message(thread: str, message: str) -> int:
    """Every event of a thread that quotes this message; says how many."""
    told = EventBody.objects.filter(event__thread=thread, event__erased_at=None)
    return erase({body.event_id for body in told if _quotes(bytes(body.body), message)})


def _quotes(body: bytes, message: str) -> bool:
    return (json.loads(body).get("message") or {}).get("id") == message


def stub(body: bytes) -> bytes:
    """Who did what, without texts and without people from outside.

    >>> stub(b'{"event":"thread.closed","from":"a@b.nl","changes":{"status":1}}')
    b'{"event":"thread.closed","changes":{"status":1}}'
    """
    told = json.loads(body)
    kept = {name: told[name] for name in _KEPT if name in told}
    actor = told.get("actor") or {}
    if actor:
        outside = actor.get("type") == "customer"
        kept["actor"] = {**actor, "id": "", "name": ""} if outside else actor
    if "changes" in told:
        kept["changes"] = {
            name: change
            for name, change in told["changes"].items()
            if name != "subject"
        }
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()
