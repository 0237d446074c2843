"""What a mail said is forgotten: texts, people, files, the original, and what was told.

A row without content stays. By it a copy that comes in once more is known as a
duplicate, and not taken for news. Nothing can be taken back.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from threads import lifecycle
from threads.actors import Actor
from threads.errors import RefusedError
from threads.events import newest_inbound, thread_event
from threads.mail.addresses import normalise
from threads.models import (
    Attachment,
    Customer,
    IngestRecord,
    Mailbox,
    Message,
    Note,
    Original,
    Recipient,
    Reference,
    Thread,
)
from threads.serializers import etag
from webhooks import retention
from webhooks.models import Event, EventBody
from webhooks.outbox import publish

_ON_ITS_WAY = (
    Message.Status.SCHEDULED,
    Message.Status.QUEUED,
    Message.Status.SENDING,
)
# Of a message all that is anybody's. Without its id nothing finds its thread by it.
_NOTHING: dict[str, Any] = {
    **dict.fromkeys(
        (
            *("message_id", "sender", "delivered_to", "subject", "body_text"),
            *("body_html", "about", "why_evidence", "envelope_from"),
            "error_detail",
        ),
        "",
    ),
    **{name: [] for name in ("reasons", "warnings", "defects", "error_words")},
    **{name: {} for name in ("addresses", "spans")},
    **dict.fromkeys(("bounce", "complaint", "token_key"), None),
}


@dataclass(slots=True)
class Erased:
    threads: int = 0
    messages: int = 0
    # What could not be erased now, and why.
    refused: list[str] = field(default_factory=list)


@transaction.atomic
def erase_message(message_pk: int, *, actor: Actor) -> None:
    """Forget what one message said; `thread.updated` names it.

    Raises `RefusedError` with message_on_its_way.
    """
    thread = _locked(Message.objects.filter(pk=message_pk).values("thread"))
    message = Message.objects.get(pk=message_pk)
    if message.erased_at is not None:
        return
    _refuse_what_is_on_its_way([message])
    if message.is_first and thread.subject == message.subject:
        thread.subject = ""
        _forget_in_history(thread)
    _forget_what_was_told(thread, [message])
    _empty([message.pk])
    thread.updated_at = timezone.now()
    event = thread_event(
        "thread.updated",
        thread,
        actor=actor,
        newest_inbound=newest_inbound(thread),
        changes={"erased_messages": {"old": [], "new": [message.public_id]}},
    )
    thread.save()
    publish([event])


@transaction.atomic
def delete_thread(
    thread_pk: int, *, actor: Actor, if_match: Collection[str] | None = None
) -> None:
    """Forget a thread and all that was said in it; `thread.deleted` tells so.

    Raises `RefusedError` with version_mismatch or message_on_its_way.
    """
    thread = _locked(Thread.objects.filter(pk=thread_pk).values("pk"))
    if thread.deleted_at is not None:
        return
    if if_match is not None and etag(thread) not in if_match:
        raise lifecycle.version_mismatch()
    messages = list(Message.objects.kept().filter(thread=thread))
    _refuse_what_is_on_its_way(messages)
    _forget_what_was_told(thread, messages)
    names = [thread.public_id, *thread.merged_ids]
    events = Event.objects.filter(thread__in=names, erased_at=None)
    retention.erase(events.values_list("pk", flat=True))
    _empty([message.pk for message in messages])
    Note.objects.filter(thread=thread).delete()
    _forget_in_history(thread)
    if thread.customer is not None:
        theirs = Customer.objects.filter(pk=thread.customer.pk, thread_count__gt=0)
        theirs.update(thread_count=F("thread_count") - 1)
    thread.tags.clear()
    Thread.objects.filter(Q(pk=thread.pk) | Q(merged_into=thread)).update(
        subject="", participants=[], related=[], customer=None
    )
    thread = Thread.objects.with_relations().get(pk=thread.pk)
    thread.assignee = thread.team = thread.last_message = None
    thread.snoozed_until = thread.last_message_at = None
    thread.deleted_at = thread.updated_at = timezone.now()
    event = thread_event("thread.deleted", thread, actor=actor, newest_inbound=None)
    thread.save()
    publish([event])


def threads_of(address: str) -> list[int]:
    """The threads that somebody is the customer of."""
    theirs = Thread.objects.filter(
        customer__address=normalise(address), deleted_at=None, merged_into=None
    )
    return list(theirs.order_by("pk").values_list("pk", flat=True))


def messages_of(address: str) -> list[int]:
    """What somebody wrote."""
    theirs = Message.objects.kept().filter(sender=normalise(address))
    return list(theirs.order_by("pk").values_list("pk", flat=True))


def erase_person(address: str, *, actor: Actor) -> Erased:
    """The threads of a customer, and what they wrote in those of others.

    Mail of others that names them stays. One transaction for each thread or message:
    whoever is stopped goes on where that was.
    """
    erased = Erased()
    plain = normalise(address)
    for pk in Thread.objects.of_person(plain).values_list("pk", flat=True):
        _leave(pk, plain)
    for pk in threads_of(plain):
        try:
            delete_thread(pk, actor=actor)
        except RefusedError as refusal:
            erased.refused.append(_named(pk, refusal))
        else:
            erased.threads += 1
    kept = Thread.objects.exclude(pk__in=threads_of(plain))
    for pk in messages_of(plain):
        if kept.filter(messages=pk).exists():
            erase_message(pk, actor=actor)
            erased.messages += 1
    merged = Thread.objects.filter(merged_into__isnull=False)
    merged.filter(customer__address=plain).update(customer=None)
    Customer.objects.filter(address=plain, threads=None).delete()
    return erased


def _named(thread_pk: int, refusal: RefusedError) -> str:
    thread = Thread.objects.get(pk=thread_pk)
    return f"{thread.public_id}: {refusal.detail} {refusal.fix}"


def _locked(thread: Any) -> Thread:
    """Its mailbox first, as ingest does: no mail joins meanwhile."""
    where = Thread.objects.filter(pk__in=thread)
    mailbox, pk = where.values_list("mailbox", "pk").get()
    Mailbox.objects.select_for_update(no_key=True).get(pk=mailbox)
    return lifecycle.locked(pk)


def _refuse_what_is_on_its_way(messages: Iterable[Message]) -> None:
    if any(message.status in _ON_ITS_WAY for message in messages):
        raise RefusedError(
            "message_on_its_way",
            _("A reply is still on its way."),
            fix=_("Wait until it is sent, or has failed."),
        )


def _forget_what_was_told(thread: Thread, messages: Iterable[Message]) -> None:
    """Events keep the id of the thread that they were told under."""
    names = {thread.public_id, *thread.merged_ids, *thread.related}
    for name in names:
        for message in messages:
            retention.erase_message(name, message.public_id)


def _empty(pks: list[int]) -> None:
    rows = Message.objects.filter(pk__in=pks)
    records = IngestRecord.objects.filter(message__in=pks)
    originals = set(rows.values_list("original", flat=True))
    originals |= set(records.values_list("original", flat=True))
    for model in (Attachment, Reference, Recipient):
        model._base_manager.filter(message__in=pks).delete()  # noqa: SLF001 -- documented
    records.update(last_error="", error_words=[])
    rows.update(**_NOTHING, erased_at=Now())
    # The same bytes may have come to another mailbox, or still wait for a parser.
    needed = set(
        Message.objects.kept()
        .filter(original__in=originals)
        .values_list("original", flat=True)
    )
    needed |= set(
        IngestRecord.objects.filter(
            original__in=originals,
            state__in=[IngestRecord.State.SEEN, IngestRecord.State.QUARANTINED],
        ).values_list("original", flat=True)
    )
    Original.objects.filter(pk__in=originals - needed).update(content=b"")


def _forget_in_history(thread: Thread) -> None:
    """The staff site notes what a row was called when somebody changed it."""
    kind = ContentType.objects.get_for_model(Thread)
    LogEntry.objects.filter(content_type=kind, object_id=str(thread.pk)).update(
        object_repr=thread.public_id
    )


@transaction.atomic
def _leave(thread_pk: int, address: str) -> None:
    """They are no participant any more, and no event says that they were."""
    thread = lifecycle.locked(thread_pk)
    thread.participants = [
        person
        for person in thread.participants
        if normalise(person["address"]) != address
    ]
    thread.save(update_fields=["participants"])
    Thread.objects.filter(merged_into=thread).update(participants=[])
    told = EventBody.objects.filter(
        event__thread__in=[thread.public_id, *thread.merged_ids], event__erased_at=None
    )
    named = address.encode()
    retention.erase(
        {body.event_id for body in told if named in bytes(body.body).lower()}
    )
