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

from webhooks import dialect
from webhooks.models import Delivery, Event, EventBody
from webhooks.models.retention import days_kept
from webhooks.rows import update

BATCH = 100
# Others wait no longer for a batch than about this (SQLite has one writer).
BATCH_SECONDS = 0.05
# What the history of a thread is made of.
_KEPT = ("event", "thread_id", "timestamp", "id", "sequence", "mailbox", "domain")

State = Delivery.State


def prune(budget_seconds: float) -> int:
    """Forget what is older than the retention; says how many events. Resumable."""
    until = monotonic() + budget_seconds
    forgotten, size = 0, BATCH
    while found := _batch(size):
        begun = monotonic()
        forgotten += erase(found)
        took = monotonic() - begun
        if len(found) < size or monotonic() > until:
            break
        size = max(1, min(BATCH, 2 * size, int(size * BATCH_SECONDS / took)))
    return forgotten


def _batch(size: int) -> list[int]:
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
        .values_list("pk", flat=True)[:size]
    )


# In raw SQL: Django would load each delivery to delete its attempts.
_DELIVERIES = "SELECT d.id FROM webhooks_delivery d WHERE {of} ORDER BY d.id {locked}"
_FORGET = (
    (
        "DELETE FROM webhooks_attempt WHERE delivery_id IN"
        " (SELECT d.id FROM webhooks_delivery d WHERE d.{of})"
    ),
    "DELETE FROM webhooks_delivery WHERE {of}",
    "DELETE FROM webhooks_eventbody WHERE {of} AND format <> 'full'",
)


@transaction.atomic
def erase(events: Iterable[int]) -> int:
    """These events, whatever their age: they are told no more, nor shown in the log."""
    pks = list(events)
    keys = dialect.keys(pks)
    if locked := dialect.locked("d"):
        of = dialect.among("d.event_id")
        dialect.fetch(_DELIVERIES.format(of=of, locked=locked), keys)
    for statement in _FORGET:
        dialect.execute(statement.format(of=dialect.among("event_id")), keys)
    full = list(EventBody.objects.filter(event__in=pks))
    for body in full:
        body.body = stub(bytes(body.body))
    update(full, ["body"])
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
