"""Which event a fact becomes (contract: the table of events).

Each function takes the next number of the thread's sequence; whoever calls it saves
the thread in the same transaction and hands the events to `publish`, in order.
"""

from collections.abc import Iterable
from typing import Any

from threads.actors import SYSTEM, Actor
from threads.models import Attachment, Mailbox, Message, Thread
from threads.serializers import message_json, thread_json
from webhooks.outbox import NewEvent

JSON = dict[str, Any]


def message_event(
    kind: str,
    message: Message,
    *,
    actor: Actor,
    tags: Iterable[str] | None = None,
    attachments: Iterable[Attachment] | None = None,
    error: JSON | None = None,
    silent: bool = False,
) -> NewEvent:
    """`message.received`, `.sent`, `.failed`, `.in_doubt` or `.bounced`."""
    thread = message.thread
    thread.sequence += 1
    inbound = message.direction == Message.Direction.INBOUND
    to = message.addresses.get("to") or [{"address": ""}]
    data: JSON = {
        "thread": thread_json(thread, tags=tags),
        "message": message_json(message, attachments=attachments, bodies=False),
        "actor": actor.json(),
    }
    if error is not None:
        data["error"] = error
    sender = message.addresses.get("from") or [{"address": ""}]
    return NewEvent(
        type=kind,
        cause=f"{kind}:{message.public_id}:{thread.sequence}",
        mailbox=thread.mailbox.address,
        domain=thread.mailbox.domain,
        thread=thread.public_id,
        sequence=thread.sequence,
        sender=sender[0]["address"],
        recipient=message.delivered_to if inbound else to[0]["address"],
        subject=message.subject,
        body_text=message.body_text,
        data=data,
        auto=message.auto or message.bulk or message.bounce is not None,
        spam=thread.status == Thread.Status.SPAM,
        silent=silent,
    )


def thread_event(
    kind: str,
    thread: Thread,
    *,
    actor: Actor,
    newest_inbound: Message | None,
    changes: JSON | None = None,
    tags: Iterable[str] | None = None,
    attachments: Iterable[Attachment] | None = None,
    auto: bool = False,
    silent: bool = False,
) -> NewEvent:
    """`thread.created`, `.closed`, `.reopened`, `.assigned`, `.updated`, `.merged`."""
    thread.sequence += 1
    data: JSON = {"thread": thread_json(thread, tags=tags)}
    if newest_inbound is not None:
        data["message"] = message_json(
            newest_inbound, attachments=attachments, bodies=False
        )
    data["actor"] = actor.json()
    if changes is not None:
        data["changes"] = changes
    return NewEvent(
        type=kind,
        cause=f"{kind}:{thread.public_id}:{thread.sequence}",
        mailbox=thread.mailbox.address,
        domain=thread.mailbox.domain,
        thread=thread.public_id,
        sequence=thread.sequence,
        sender=thread.customer.address if thread.customer else "",
        recipient=thread.mailbox.address,
        subject=thread.subject,
        body_text=newest_inbound.body_text if newest_inbound else "",
        data=data,
        auto=auto,
        silent=silent,
    )


def operator_event(
    kind: str,
    mailbox: Mailbox,
    *,
    cause: str,
    subject: str,
    text: str,
    silent: bool = False,
) -> NewEvent:
    """For the people who run MailBelly: what happened, and the mend."""
    return NewEvent(
        type=kind,
        cause=cause,
        mailbox=mailbox.address,
        domain=mailbox.domain,
        recipient=mailbox.address,
        subject=subject,
        body_text=text,
        data={"actor": SYSTEM.json()},
        silent=silent,
    )


def newest_inbound(thread: Thread) -> Message | None:
    """What the text of a thread event is taken from; never a stranger's."""
    return (
        Message.objects.with_relations()
        .kept()
        .filter(
            thread=thread,
            direction=Message.Direction.INBOUND,
            unverified_sender=False,
        )
        .order_by("-id")
        .first()
    )
