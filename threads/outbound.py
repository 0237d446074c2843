"""A mail of ours is accepted: frozen as bytes, with its own Message-ID, and due.

What is accepted is sent once, or says that it may not have been: the bytes and the
Message-ID never change again, whatever happens on the way.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from threads import lifecycle
from threads.actors import Actor
from threads.addressees import chosen, refuse_what_is_no_address
from threads.errors import RefusedError
from threads.events import thread_event
from threads.house import House
from threads.mail import tokens
from threads.mail.addresses import normalise
from threads.mail.compose import (
    Enclosure,
    Outgoing,
    compose,
    reference_chain,
    reply_subject,
)
from threads.mail.identity import dedupe_key
from threads.mail.limits import clean_line, clean_text
from threads.mail.markup import sanitised
from threads.mail.parse import parse
from threads.mail.parsed import Address
from threads.mailserver import SEND_DUE, server_of
from threads.models import (
    Attachment,
    Customer,
    Mailbox,
    Message,
    Original,
    Recipient,
    Reference,
    Thread,
    User,
)
from threads.place import Place
from threads.recipients import answered_message
from webhooks import bell, faults
from webhooks.outbox import publish

ATTACHMENT_LIMIT = 20
# In base64 a third more: many servers take no mail over 25 MB.
ATTACHMENT_BYTES = 17_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a reply says and to whom; without `to` the thread decides."""

    body: str
    body_html: str = ""
    to: Sequence[str] = ()
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_all: bool = False
    close: bool = False
    assignee: User | lifecycle.Unset | None = lifecycle.UNSET
    attachments: Sequence[Enclosure] = ()


def reply(
    thread_pk: int,
    wanted: Reply,
    *,
    actor: Actor,
    author: User | None = None,
    via: str = Message.Via.API,
    once: str = "",
    seen: int | None = None,
) -> Message:
    """Accept a reply; it is on its way when this returns.

    The same `once` in the same thread is the same reply: it is answered again.
    `seen` is how many messages the thread had for who wrote it: when it has more by
    now, that is said before anything is sent.
    Raises `RefusedError` with thread_is_spam, smtp_not_configured, no_recipient,
    invalid_recipient, too_many_recipients, too_many_attachments,
    attachments_too_large or answered_meanwhile.
    """
    with transaction.atomic():
        thread = lifecycle.locked(thread_pk)
        if once and (sent := _accepted_before(thread, once)):
            return sent
        if seen is not None and thread.message_count > seen:
            raise RefusedError(
                "answered_meanwhile", "The thread has messages that were not seen."
            )
        stored_only = _refuse_what_cannot_be_sent(thread)
        message = _accept(thread, wanted, actor, author, via=via, once=once)
        _send_later(message, stored_only=stored_only)
        publish(lifecycle.apply(thread, _wanted_of(wanted), actor))
        faults.step("reply.accepted")
    if stored_only:
        _write_to_outbox(message)
    return message


def begin(mailbox: Mailbox, subject: str, wanted: Reply, *, actor: Actor) -> Thread:
    """Start a conversation; its first mail is on its way when this returns.

    The customer is who stands first in To. Raises `RefusedError` as `reply` does.
    """
    refuse_what_is_no_address(wanted)
    with transaction.atomic():
        thread = _new_thread(mailbox, clean_line(subject, 998), wanted)
        stored_only = _refuse_what_cannot_be_sent(thread)
        message = _accept(thread, wanted, actor, None, via=Message.Via.API, begins=True)
        _send_later(message, stored_only=stored_only)
        created = thread_event(
            "thread.created", thread, actor=actor, newest_inbound=None
        )
        thread.save(update_fields=["sequence"])
        publish([created, *lifecycle.apply(thread, _wanted_of(wanted), actor)])
        faults.step("thread.begun")
    if stored_only:
        _write_to_outbox(message)
    return thread


def _new_thread(mailbox: Mailbox, subject: str, wanted: Reply) -> Thread:
    Mailbox.objects.select_for_update(no_key=True).get(pk=mailbox.pk)
    customer = None
    if wanted.to:
        customer, _new = Customer.objects.get_or_create(
            domain=mailbox.domain, address=normalise(wanted.to[0])
        )
        Customer.objects.filter(pk=customer.pk).update(
            thread_count=F("thread_count") + 1
        )
    made = Thread.objects.create(mailbox=mailbox, subject=subject, customer=customer)
    return Thread.objects.with_relations().get(pk=made.pk)


def _send_later(message: Message, *, stored_only: bool) -> None:
    if stored_only:
        message.status = Message.Status.STORED
        message.next_at = None
        message.save(update_fields=["status", "next_at"])
    else:
        bell.ring(SEND_DUE)


def _wanted_of(wanted: Reply) -> lifecycle.Changes:
    closed = Thread.Status.CLOSED if wanted.close else lifecycle.UNSET
    return lifecycle.Changes(status=closed, assignee=wanted.assignee)


@transaction.atomic
def preview(thread_pk: int, wanted: Reply, *, actor: Actor) -> bytes:
    """The mail that such a reply would be, to the byte but for its id and its date.

    Nothing is kept. Raises `RefusedError` as `reply` does, but for want of a server.
    """
    thread = lifecycle.locked(thread_pk)
    _refuse_spam(thread)
    message = _accept(thread, wanted, actor, None, via=Message.Via.API, once="")
    if message.original is None:  # `_accept` has made it
        raise TypeError(message)
    frozen = bytes(message.original.content)
    transaction.set_rollback(True)
    return frozen


def _refuse_what_cannot_be_sent(thread: Thread) -> bool:
    """True when the mail will only be written to a file (the try-out)."""
    _refuse_spam(thread)
    if server_of(thread.mailbox):
        return False
    if settings.DEBUG:
        return True
    raise RefusedError(
        "smtp_not_configured",
        _("No SMTP server is configured for %s.") % thread.mailbox.address,
        fix=_(
            "Set SMTP on the mailbox in the admin, or EMAIL_HOST in the environment."
        ),
    )


def _refuse_spam(thread: Thread) -> None:
    if thread.status == Thread.Status.SPAM:
        raise RefusedError(
            "thread_is_spam",
            _("The thread is marked as spam; its sender gets no answer."),
            fix=_("Set its status to open first."),
        )


def _accepted_before(thread: Thread, once: str) -> Message | None:
    """Under the thread's lock: two clicks at the same moment are one reply."""
    ours = Message.objects.filter(
        thread=thread, direction=Message.Direction.OUTBOUND, actor__once=once
    )
    return ours.first()


def _accept(
    thread: Thread,
    wanted: Reply,
    actor: Actor,
    author: User | None,
    *,
    via: str,
    once: str = "",
    begins: bool = False,
) -> Message:
    refuse_too_much(len(wanted.attachments), _size(wanted.attachments))
    house = House.of(thread.mailbox)
    answered = answered_message(thread)
    recipients = chosen(thread, wanted, answered, house)
    parent = (
        answered
        or Message.objects.kept()
        .filter(thread=thread)
        .exclude(status=Message.Status.DRAFT)
        .order_by("-id")
        .first()
    )
    now = timezone.now()
    message_id = f"mb.{secrets.token_hex(16)}@{thread.mailbox.domain}"
    chain = _chain(parent)
    token = _token(thread)
    marked, marked_html = _marked(wanted, token if thread.mailbox.body_marker else "")
    mail = Outgoing(
        from_=Address(thread.mailbox.address, thread.mailbox.name),
        to=recipients.to,
        cc=recipients.cc,
        subject=thread.subject
        if begins
        else reply_subject(parent.subject if parent else thread.subject),
        reply_to=_answer_address(thread.mailbox, token),
        body_text=marked,
        body_html=marked_html,
        message_id=message_id,
        in_reply_to=parent.message_id if parent else "",
        references=chain,
        attachments=wanted.attachments,
        date=now,
    )
    frozen = compose(mail)
    text = clean_text(wanted.body)
    message = Message.objects.create(
        mailbox=thread.mailbox,
        thread=thread,
        direction=Message.Direction.OUTBOUND,
        dedupe_key=dedupe_key(frozen),
        original=_original(frozen),
        message_id=message_id,
        token_key=token or None,
        sender=thread.mailbox.address,
        addresses={
            "from": [_json(mail.from_)],
            "to": [_json(person) for person in recipients.to],
            "cc": [_json(person) for person in recipients.cc],
            "reply_to": [_json(person) for person in mail.reply_to],
        },
        delivered_to=recipients.to[0].address,
        subject=mail.subject,
        body_text=text,
        spans={"reply": [[0, len(text)]], "quoted": [], "signature": []},
        body_html=sanitised(wanted.body_html) if wanted.body_html else "",
        sent_at=now,
        received_at=now,
        created_at=now,
        authentication="pass",
        via=via,
        is_first=begins,
        why_rule="new" if begins else "reply",
        why_evidence=(
            f"written here as an answer to <{mail.in_reply_to}>"[:500]
            if mail.in_reply_to
            else "written here"
        ),
        status=Message.Status.QUEUED,
        author=author,
        actor={**actor.json(), **({"once": once} if once else {})},
        envelope_from=thread.mailbox.address,
        # A later failure opens it again, if this reply is what closed it.
        closes=wanted.close and thread.status != Thread.Status.CLOSED,
        next_at=now,
    )
    Reference.objects.bulk_create(
        [
            Reference(
                mailbox=thread.mailbox,
                message=message,
                position=position,
                referenced=referenced,
            )
            for position, referenced in enumerate(chain)
        ]
    )
    if wanted.attachments:
        _keep_attachments(message, frozen)
    everybody = [*recipients.to, *recipients.cc, *(Address(a) for a in wanted.bcc)]
    addresses = dict.fromkeys(normalise(person.address) for person in everybody)
    Recipient.objects.bulk_create(
        [Recipient(message=message, address=address) for address in addresses]
    )
    place = Place(thread)
    place.welcome(
        _json(person)
        for person in (*recipients.to, *recipients.cc)
        if not house.is_ours(person.address)
    )
    thread.message_count += 1
    thread.last_message = message
    thread.last_message_at = thread.updated_at = now
    thread.save()
    return message


def _token(thread: Thread) -> str:
    """The token of this thread's mail, made with its first; "" where none is wanted."""
    if not (thread.mailbox.reply_addresses or thread.mailbox.body_marker):
        return ""
    used = Message.objects.filter(thread=thread, token_key__isnull=False)
    newest = used.order_by("-pk").values_list("token_key", flat=True).first()
    return newest or tokens.new_token()


def _answer_address(mailbox: Mailbox, token: str) -> tuple[Address, ...]:
    """Where answers are to go, when that is not where the mail is from."""
    if not (token and mailbox.reply_addresses):
        return ()
    address = tokens.answer_address(mailbox.address, token)
    return (Address(address, mailbox.name),) if address else ()


def _marked(wanted: Reply, token: str) -> tuple[str, str]:
    """Text and HTML, with the marker below."""
    html = sanitised(wanted.body_html) if wanted.body_html else ""
    if not token:
        return wanted.body, html
    line = tokens.marker(token)
    below = f'<p style="color:#999;font-size:smaller">{line}</p>'
    return f"{wanted.body.rstrip()}\n\n{line}\n", html and f"{html}{below}"


def refuse_too_much(count: int, size: int) -> None:
    """Also before they are read into memory. Raises `RefusedError`."""
    if count > ATTACHMENT_LIMIT:
        raise RefusedError(
            "too_many_attachments",
            _("A reply has at most %d attachments.") % ATTACHMENT_LIMIT,
            fix=_("Put them in one archive, or send several replies."),
            field="attachments",
        )
    if size > ATTACHMENT_BYTES:
        raise RefusedError(
            "attachments_too_large",
            _("The attachments of a reply are at most %d MB together.")
            % (ATTACHMENT_BYTES // 1_000_000),
            fix=_("Send fewer, or a link to them."),
            field="attachments",
        )


def _size(attachments: Sequence[Enclosure]) -> int:
    return sum(len(one.content) for one in attachments)


def _keep_attachments(message: Message, frozen: bytes) -> None:
    """Found as in any mail: by number, in the bytes that are sent."""
    Attachment.objects.bulk_create(
        Attachment(
            message=message,
            part=found.part,
            filename=found.filename,
            content_type=found.content_type,
            size=found.size,
            inline=found.inline,
            content_id=found.content_id,
            sha256=found.sha256,
        )
        for found in parse(frozen).attachments
    )


def _chain(parent: Message | None) -> list[str]:
    """The parent's own references, then the parent (RFC 5322 section 3.6.4)."""
    if parent is None:
        return []
    known = parent.references.order_by("position").values_list("referenced", flat=True)
    older = [one for one in known if one != parent.message_id]
    return reference_chain([*older, parent.message_id])


def _original(frozen: bytes) -> Original:
    digest = sha256(frozen).hexdigest()
    return Original.objects.create(sha256=digest, size=len(frozen), content=frozen)


def _write_to_outbox(message: Message) -> None:
    """The try-out has no mail server: here is what it would have sent."""
    folder = settings.DATA_DIR / "outbox"
    folder.mkdir(parents=True, exist_ok=True)
    if message.original is not None:
        (folder / f"{message.public_id}.eml").write_bytes(message.original.content)


def _json(person: Address) -> dict[str, str]:
    return {"address": person.address, "name": person.name}
