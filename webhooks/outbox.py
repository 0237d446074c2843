"""Events are told: the one door through which other rooms reach the post office.

`publish` is the last statement of a transaction. It writes the events, their frozen
bodies and a delivery for each webhook that listens at that moment, and rings once;
the change and its events are committed together, or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from webhooks import bell, dialect
from webhooks.catalogue import sample
from webhooks.envelope import render, timestamp
from webhooks.leases import clock
from webhooks.models import Delivery, Event, EventBody, Webhook
from webhooks.rows import insert, new

# One number for "whoever appends to the log" (pg_advisory_xact_lock).
_LOG_LOCK = 0x4D61696C42656C
_NO_EVENT = "publish belongs inside a transaction, as its last statement."

Format = EventBody.Format


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """A fact to tell. `sender` and `recipient` are the flat keys from and to."""

    type: str
    cause: str
    mailbox: str = ""
    domain: str = ""
    thread: str = ""
    sequence: int = 0
    sender: str = ""
    recipient: str = ""
    subject: str = ""
    body_text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    auto: bool = False
    spam: bool = False
    silent: bool = False


def publish(events: Sequence[NewEvent]) -> list[Event]:
    """Log the events and address their deliveries; a constant number of statements.

    Raises `TransactionManagementError` outside a transaction, `IntegrityError` when
    an event with the same cause was told before.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(_NO_EVENT)
    if not events:
        return []
    last, due = _last_position()
    now = timezone.now()
    rows = [
        new(
            Event,
            type=told.type,
            thread=told.thread,
            mailbox=told.mailbox,
            domain=told.domain,
            sequence=told.sequence,
            position=last + number,
            cause=told.cause,
            silent=told.silent,
            created_at=now,
        )
        for number, told in enumerate(events, start=1)
    ]
    insert(rows)
    webhooks = list(Webhook.objects.present())
    listeners = [[w for w in webhooks if listens(w, told)] for told in events]
    bodies = _write_bodies(list(zip(rows, events, listeners, strict=True)), now)
    deliveries = [
        _delivery(row, webhook, bodies, due)
        for row, heard_by in zip(rows, listeners, strict=True)
        for webhook in heard_by
    ]
    insert(deliveries)
    if any(d.state == Delivery.State.PENDING for d in deliveries):
        bell.ring()
    return rows


def listens(webhook: Webhook, event: NewEvent) -> bool:
    """Whether a webhook is to hear of an event."""
    return (
        not event.silent
        and event.type in webhook.events
        and webhook.hears(mailbox=event.mailbox, domain=event.domain)
        and (webhook.include_auto or not event.auto)
        and (webhook.include_spam or not event.spam)
    )


class NotTellableError(Exception):
    """The webhook is deleted, or not switched on: nothing would arrive."""


class NotHeardError(NotTellableError):
    """The webhook was narrowed to other mailboxes or domains."""


@transaction.atomic
def test(webhook: Webhook, event_type: str) -> Delivery:
    """Send one webhook a sample of an event, marked `"test": true`; not in the log.

    Raises `NotTellableError` unless the webhook is active.
    """
    _locked(webhook, states=(Webhook.State.ACTIVE,))
    now = timezone.now()
    fact = sample(event_type)
    row = Event.objects.create(
        type=event_type,
        mailbox=fact["mailbox"],
        domain=fact["domain"],
        cause=f"test:{uuid4()}",
        created_at=now,
    )
    body = {**fact, "id": row.public_id, "timestamp": timestamp(now), "test": True}
    flat = {key: str(body.pop(key)) for key in _FLAT}
    beside = {key: body.pop(key) for key in _BESIDE}
    bare = not webhook.include_body
    stored = EventBody.objects.create(
        event=row,
        format=Format.BARE if bare else Format.FULL,
        body=render(flat, beside, body, bare=bare),
    )
    delivery = Delivery.objects.create(
        event=row, webhook=webhook, body=stored, is_test=True
    )
    bell.ring()
    return delivery


@transaction.atomic
def replay(delivery: Delivery) -> Delivery:
    """The same event to the same webhook once more: same id, same bytes.

    Held while the webhook is paused or off. Raises `NotTellableError` when it is gone,
    `NotHeardError` when it was narrowed.
    """
    webhook = _locked(delivery.webhook, states=Webhook.State.values)
    if not Delivery.objects.heard_by(webhook).filter(pk=delivery.pk).exists():
        raise NotHeardError(
            _(
                "The webhook no longer hears this event: its mailboxes or domains were"
                " changed."
            )
        )
    newest = Delivery.objects.filter(
        event=delivery.event_id, webhook=webhook
    ).aggregate(last=Max("replay_no"))["last"]
    active = webhook.state == Webhook.State.ACTIVE
    again = Delivery.objects.create(
        event_id=delivery.event_id,
        webhook=webhook,
        body_id=delivery.body_id,
        replay_no=newest + 1,
        is_test=delivery.is_test,
        state=Delivery.State.PENDING if active else Delivery.State.HELD,
    )
    if active:
        bell.ring()
    return again


def _locked(webhook: Webhook, *, states: Sequence[str]) -> Webhook:
    found = (
        Webhook.objects.present()
        .select_for_update(no_key=True)
        .filter(pk=webhook.pk)
        .first()
    )
    if found is None:
        raise NotTellableError(_("The webhook is deleted."))
    if found.state not in states:
        raise NotTellableError(_("The webhook is not active; switch it on first."))
    return found


_FLAT = ("event", "thread_id", "from", "to", "subject", "body_text", "timestamp")
_BESIDE = ("id", "sequence", "mailbox", "domain")


def _last_position() -> tuple[int, datetime]:
    """The end of the log, and the database's clock.

    Nobody else appends until we commit.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s), statement_timestamp()", [_LOG_LOCK]
            )
            due = cursor.fetchone()[1]
    else:
        due = clock()
    ((last,),) = dialect.fetch("SELECT MAX(position) FROM webhooks_event")
    return last or 0, due


def _write_bodies(
    told: list[tuple[Event, NewEvent, list[Webhook]]], now: datetime
) -> dict[tuple[int, str], EventBody]:
    """The full body of each event, and the bare one where a webhook wants that."""
    rows = []
    for row, event, listeners in told:
        flat = {
            "event": event.type,
            "thread_id": event.thread,
            "from": event.sender,
            "to": event.recipient,
            "subject": event.subject,
            "body_text": event.body_text,
            "timestamp": timestamp(now),
        }
        beside = {
            "id": row.public_id,
            "sequence": event.sequence,
            "mailbox": event.mailbox,
            "domain": event.domain,
        }
        formats = [Format.FULL]
        if not all(webhook.include_body for webhook in listeners):
            formats.append(Format.BARE)
        rows += [
            new(
                EventBody,
                event_id=row.pk,
                format=kind,
                body=render(flat, beside, event.data, bare=kind == Format.BARE),
            )
            for kind in formats
        ]
    insert(rows)
    return {(row.event_id, row.format): row for row in rows}


def _delivery(
    event: Event,
    webhook: Webhook,
    bodies: dict[tuple[int, str], EventBody],
    due: datetime,
) -> Delivery:
    kind = Format.FULL if webhook.include_body else Format.BARE
    active = webhook.state == Webhook.State.ACTIVE
    return new(
        Delivery,
        event_id=event.pk,
        webhook_id=webhook.pk,
        body_id=bodies[event.pk, kind].pk,
        state=Delivery.State.PENDING if active else Delivery.State.HELD,
        next_at=due,
        created_at=due,
    )
