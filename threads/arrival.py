"""The second commit: parsed mails become messages of threads, with their events.

One transaction for up to fifty mails: message, thread, events, deliveries and the
ledger's `done`, all or nothing. It begins by locking its mailbox, so that a parent
and its reply, stored by two writers, meet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from threads import bounces
from threads.actors import SYSTEM, Actor
from threads.candidates import (
    Candidates,
    candidates,
    card_of,
    is_by_hand,
    outside,
)
from threads.customers import Customers, customer_of
from threads.events import message_event, thread_event
from threads.house import House
from threads.lifecycle import set_status
from threads.mail.addresses import normalise
from threads.mail.parsed import Address, ParsedMail
from threads.matching import Card, Verdict
from threads.models import (
    Attachment,
    IngestRecord,
    Mailbox,
    Message,
    Recipient,
    Reference,
    Tag,
    Thread,
    User,
)
from threads.place import Place, move_rows
from threads.reading import columns, person
from threads.serializers import LIST_LIMIT
from webhooks import dialect, faults
from webhooks.outbox import NewEvent, publish
from webhooks.rows import insert, new, take_keys, update

_CLOSED = {"id": "bigint", "state": "text", "message": "bigint"}
_CLOSE = """
UPDATE threads_ingestrecord SET state = new.state, message_id = new.message,
    token = NULL, claimed_until = NULL, last_error = '', error_words = '[]',
    updated_at = {now}
FROM {new}
WHERE threads_ingestrecord.id = new.id
    AND threads_ingestrecord.state = 'seen' AND token = %s
"""


class LostClaimError(Exception):
    """Another process has taken over these mails; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Incoming:
    record: IngestRecord
    mail: ParsedMail
    imported: bool = False
    silent: bool = False
    # It lay where the team's own mail programs keep what they sent.
    sent: bool = False


@dataclass(slots=True)
class Stored:
    messages: int = 0
    duplicates: int = 0


def store(
    mailbox: Mailbox, batch: Sequence[Incoming], *, house: House, token: UUID
) -> Stored:
    """Store a batch, told and done. Raises `LostClaimError`; then nothing changed."""
    with transaction.atomic():
        mailbox = Mailbox.objects.select_for_update(no_key=True).get(pk=mailbox.pk)
        return _Arrival(mailbox, batch, house).write(token)


class _Arrival:
    """One batch on its way into the database."""

    def __init__(
        self, mailbox: Mailbox, batch: Sequence[Incoming], house: House
    ) -> None:
        self.mailbox = mailbox
        self.house = house
        self.batch = batch = [_vouched(incoming) for incoming in batch]
        self.now = timezone.now()
        self.cards = [card_of(incoming.mail, house) for incoming in batch]
        for incoming, card in zip(batch, self.cards, strict=True):
            if self._is_by_hand(incoming, card):
                card.send_by_hand()
        keys = [incoming.mail.dedupe_key for incoming in batch]
        self.found: Candidates = candidates(mailbox, self.cards, keys, house)
        self.places: list[Place] = list(self.found.places.values())
        senders = [sender for i in batch for sender in i.mail.from_]
        self.customers = Customers(
            mailbox.domain,
            [*senders, *filter(None, map(self._customer, batch, self.cards))],
            self.now,
            known=[place.thread.customer_id for place in self.places],
        )
        # One object for each, so that all events of a batch count alike.
        for place in self.places:
            if place.thread.customer_id is not None:
                place.thread.customer = self.customers.by_key[place.thread.customer_id]
        self.messages: dict[str, Message] = {}
        self.attachments: list[Attachment] = []
        self.references: list[Reference] = []
        self.events: list[NewEvent] = []
        self.recipients: list[Recipient] = []

    def write(self, token: UUID) -> Stored:
        tally = Stored()
        fates: list[tuple[IngestRecord, Message | int, str]] = []
        for incoming, card in zip(self.batch, self.cards, strict=True):
            key = incoming.mail.dedupe_key
            known = self.found.known(key, card)
            twin = known or self.messages.get(key)
            if twin is not None:
                tally.duplicates += 1
                fates.append((incoming.record, twin, IngestRecord.State.DUPLICATE))
            else:
                tally.messages += 1
                message = self._admit(incoming, card)
                fates.append((incoming.record, message, IngestRecord.State.DONE))
        self._save()
        faults.step("arrival.messages")
        self._close_ledger(fates, token)
        faults.step("arrival.ledger")
        publish(self.events)
        faults.step("arrival.events")
        return tally

    # --- One mail -------------------------------------------------------------

    def _admit(self, incoming: Incoming, card: Card) -> Message:
        verdict = self.found.book.verdict(card)
        mail = incoming.mail
        attachments: list[Attachment] = []
        events: list[NewEvent] = []
        actor = Actor(
            type="customer",
            id=card.sender,
            name=mail.from_[0].name if mail.from_ else "",
        )
        by_hand = self._is_by_hand(incoming, card)
        is_new = (
            not by_hand
            and bool(mail.from_)
            and self.customers.meet(mail.from_[0].address)
        )
        place, merged = self._place_for(card, verdict, incoming, is_new=is_new)
        thread = place.thread
        message = self._message(incoming, card, verdict, place, attachments)
        if by_hand:
            actor = replace(actor, type="user")
            place.welcome(self._send_by_hand(message, mail, card))
        elif not card.leaf:
            place.welcome(self._lent_people(mail, card))
        thread.message_count += 1
        thread.last_message_at = thread.updated_at = self.now
        place.messages.append(message)
        place.changed = True
        self._relate(card, place)
        automatic = mail.auto or mail.bulk or mail.bounce is not None
        message.about = self.found.book.about(card) if automatic else ""
        # A person of the conversation writes: strangers have no influence on it.
        wakes = not (automatic or by_hand or card.leaf)
        if wakes:
            thread.snoozed_until = None  # it is awake
        if merged:
            events.append(
                thread_event(
                    "thread.merged",
                    thread,
                    actor=SYSTEM,
                    newest_inbound=None if by_hand else message,
                    changes=merged,
                    tags=place.tags,
                    attachments=attachments,
                    silent=incoming.silent,
                )
            )
        if message.is_first or (wakes and thread.status == Thread.Status.CLOSED):
            events.append(
                self._thread_news(message, actor, place, attachments, incoming)
            )
        kind = "message.sent" if by_hand else "message.received"
        if bounces.mark(self.mailbox, mail):
            kind = "message.bounced"
        events.append(
            message_event(
                kind,
                message,
                actor=actor,
                tags=place.tags,
                attachments=attachments,
                silent=incoming.silent,
            )
        )
        self.events += events
        self.attachments += attachments
        self.messages[mail.dedupe_key] = message
        card.place = place
        self.found.book.add(card)
        self.found.message_ids.add(card.message_id)
        return message

    def _thread_news(
        self,
        message: Message,
        actor: Actor,
        place: Place,
        attachments: list[Attachment],
        incoming: Incoming,
    ) -> NewEvent:
        """The thread begins, or a person's mail opens it again."""
        kind, changes = "thread.created", None
        if not message.is_first:
            old = place.thread.status
            set_status(place.thread, Thread.Status.OPEN)
            kind = "thread.reopened"
            changes = {"status": {"old": old, "new": place.thread.status}}
        return thread_event(
            kind,
            place.thread,
            actor=actor,
            newest_inbound=None if message.via == Message.Via.MAILBOX else message,
            changes=changes,
            tags=place.tags,
            attachments=attachments,
            auto=message.auto or message.bulk or message.bounce is not None,
            silent=incoming.silent,
        )

    def _place_for(
        self,
        card: Card,
        verdict: Verdict,
        incoming: Incoming,
        *,
        is_new: bool,
    ) -> tuple[Place, dict[str, Any]]:
        """The thread a mail goes to: an old one, several become one, or its own.

        With it, what a merge changed; empty without one.
        """
        reached = self.found.reached(card, verdict)
        if not reached:
            return self._begin(incoming, card, is_new=is_new), {}
        survivor, *losers = reached
        return survivor, self._join(survivor, losers)

    def _join(self, survivor: Place, losers: list[Place]) -> dict[str, Any]:
        if not losers:
            return {}
        told, status = list(survivor.thread.merged_ids), survivor.thread.status
        for loser in losers:
            survivor.absorb(loser)
            self.customers.end_thread(loser.thread.customer)
        merged = {"merged_ids": {"old": told, "new": survivor.thread.merged_ids}}
        if survivor.thread.status != status:
            merged["status"] = {"old": status, "new": survivor.thread.status}
        return merged

    def _begin(self, incoming: Incoming, card: Card, *, is_new: bool) -> Place:
        customer = self._customer(incoming, card)
        address = customer.address if customer else ""
        if not self._is_by_hand(incoming, card):
            is_new = self.customers.meet(address) or is_new
        thread = new(
            Thread,
            mailbox=self.mailbox,
            subject=incoming.mail.subject,
            customer=self.customers.begin_thread(address),
            customer_is_new=is_new,
            created_at=self.now,
            updated_at=self.now,
        )
        place = Place(thread=thread, birth=len(self.places))
        if customer and normalise(address) not in self.house.own:
            place.welcome([person(customer)])
        self.places.append(place)
        return place

    def _message(
        self,
        incoming: Incoming,
        card: Card,
        verdict: Verdict,
        place: Place,
        attachments: list[Attachment],
    ) -> Message:
        mail = incoming.mail
        message = new(
            Message,
            mailbox=self.mailbox,
            thread=place.thread,
            direction=Message.Direction.INBOUND,
            original_id=incoming.record.original_id,
            delivered_to=self.house.delivered_to(
                [
                    *(a.address for a in (*mail.to, *mail.cc)),
                    *mail.delivered_to,
                ],
                self.mailbox,
            ),
            received_at=self.now,
            created_at=self.now,
            unverified_sender=card.leaf,
            imported=incoming.imported,
            message_id_reused=card.message_id in self.found.message_ids - {""},
            is_first=place.thread.message_count == 0,
            why_rule=verdict.rule,
            why_evidence=verdict.evidence[:500],
            **columns(mail, self.house),
        )
        attachments += [
            new(
                Attachment,
                message=message,
                part=a.part,
                filename=a.filename,
                content_type=a.content_type,
                size=a.size,
                inline=a.inline,
                content_id=a.content_id,
                sha256=a.sha256,
            )
            for a in mail.attachments
        ]
        self.references += [
            new(
                Reference,
                mailbox_id=self.mailbox.pk,
                message=message,
                position=position,
                referenced=reference,
            )
            for position, reference in enumerate(reversed(card.references))
        ]
        return message

    # --- What the team sent with a mail program -----------------------------------

    def _is_by_hand(self, incoming: Incoming, card: Card) -> bool:
        return is_by_hand(incoming.mail, card, self.house, sent=incoming.sent)

    def _outside(self, mail: ParsedMail) -> list[Address]:
        return outside(mail, self.house)

    def _customer(self, incoming: Incoming, card: Card) -> Address | None:
        """Who writes; of what we sent, the first it was sent to."""
        if self._is_by_hand(incoming, card):
            to = [a for a in incoming.mail.to if a in self._outside(incoming.mail)]
            return (to or self._outside(incoming.mail))[0]
        return customer_of(incoming.mail, self.house)

    def _send_by_hand(
        self, message: Message, mail: ParsedMail, card: Card
    ) -> list[dict[str, str]]:
        """Outbound, and sent already; with it, whom it brings into the thread."""
        message.direction = Message.Direction.OUTBOUND
        message.via = Message.Via.MAILBOX
        message.status = Message.Status.SENT
        message.author = User.objects.filter(email=card.sender).first()
        message.actor = {"type": "user", "id": card.sender, "name": ""}
        message.envelope_from = card.sender
        message.delivered_to = self._outside(mail)[0].address
        self.recipients += [
            new(
                Recipient,
                message=message,
                address=normalise(one.address),
                state=Recipient.State.SENT,
            )
            for one in self._outside(mail)[:LIST_LIMIT]
        ]
        return [person(one) for one in self._outside(mail)]

    def _lent_people(self, mail: ParsedMail, card: Card) -> list[dict[str, str]]:
        everyone = (*mail.from_, *mail.reply_to, *mail.to, *mail.cc)
        return [person(a) for a in everyone if normalise(a.address) in card.lends]

    def _relate(self, card: Card, place: Place) -> None:
        """Threads that refer to each other without a link stay visible as related."""
        for cited in self.found.book.cited(card):
            if isinstance(cited, Place) and cited.standing() is not place:
                place.relate(cited.standing())
        for citing in self.found.book.citing(card):
            if isinstance(citing, Place) and citing.standing() is not place:
                citing.standing().relate(place)

    # --- The rows ---------------------------------------------------------------

    def _save(self) -> None:
        self.customers.save()
        messages = list(self.messages.values())
        # A thread names its newest message, and each message its thread.
        take_keys(messages)
        for place in self.places:
            if place.messages:
                place.thread.last_message = place.messages[-1]
        fresh = [place for place in self.places if place.thread.pk is None]
        insert([place.thread for place in fresh])
        for place in self.places:
            for message in place.messages:
                message.thread = place.thread
        insert(messages)
        insert(self.references)
        insert(self.attachments)
        insert(self.recipients)
        self._save_threads(fresh)

    def _save_threads(self, fresh: list[Place]) -> None:
        changed = [place for place in self.places if place.changed]
        for place in changed:
            if place.merged_into is not None:
                self._save_merge(place, place.standing())
            if place.tagged:
                place.thread.tags.set(Tag.objects.filter(name__in=place.tags))
        stale = [
            place.thread
            for place in changed
            if place not in fresh or place.merged_into is not None
        ]
        update(
            stale,
            [
                "status",
                "priority",
                "assignee",
                "participants",
                "related",
                "merged_ids",
                "merged_into",
                "message_count",
                "sequence",
                "last_message",
                "last_message_at",
                "updated_at",
                "closed_at",
                "snoozed_until",
            ],
        )

    def _save_merge(self, loser: Place, survivor: Place) -> None:
        loser.thread.merged_into = survivor.thread
        move_rows(loser.thread, survivor.thread)

    def _close_ledger(
        self, fates: list[tuple[IngestRecord, Message | int, str]], token: UUID
    ) -> None:
        """Fenced: it counts only while every record is still ours."""
        sql = _CLOSE.format(now=dialect.now(), new=dialect.table(_CLOSED))
        rows = dialect.rows(
            _CLOSED,
            (
                (record.pk, state, m.pk if isinstance(m, Message) else m)
                for record, m, state in fates
            ),
        )
        closed = dialect.execute(sql, rows, dialect.plain(token))
        if closed != len(fates):
            raise LostClaimError


def _vouched(incoming: Incoming) -> Incoming:
    """What lies in a Sent folder needs no server to vouch for it."""
    if not incoming.sent:
        return incoming
    mail = replace(incoming.mail, authentication="pass")
    return replace(incoming, mail=mail)
