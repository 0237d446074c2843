"""What JSON a thread and a message are: the API's answer and the event's body alike."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.conf import settings

from threads.models import Attachment, Message, Note, Thread, User

JSON = dict[str, Any]

# Lists in JSON are cut here; the rest is in the original.
LIST_LIMIT = 100


def timestamp(moment: datetime | None) -> str | None:
    """UTC with three decimals and `Z`, as every time of the API.

    >>> timestamp(datetime(2026, 2, 25, 11, 30, tzinfo=UTC))
    '2026-02-25T11:30:00.000Z'
    """
    if moment is None:
        return None
    if moment.tzinfo is not UTC:  # as the database gives it; it is asked for often
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def etag(thread: Thread, messages: list[JSON] | None = None) -> str:
    """A digest of what GET /threads/:id shows (RFC 9110 section 8.8.3).

    `messages`, its newest ones, newest first, as JSON; given: no statement.
    """
    if messages is None:
        newest = Message.objects.kept().with_relations().filter(thread=thread)
        messages = [message_json(m) for m in newest.order_by("-pk")[:LIST_LIMIT]]
    shown = json.dumps([thread_json(thread), messages], sort_keys=True)
    return f'"{sha256(shown.encode()).hexdigest()[:32]}"'


def user_json(user: User | None) -> JSON | None:
    if user is None:
        return None
    return {"email": user.email, "name": user.get_full_name() or user.email}


def thread_json(thread: Thread, *, tags: Iterable[str] | None = None) -> JSON:
    """`thread` from `with_relations()`, or `tags` given: no statement."""
    mailbox, customer = thread.mailbox, thread.customer
    return thread_like(
        thread,
        assignee=user_json(thread.assignee),
        team=thread.team.name if thread.team else None,
        tags=tags if tags is not None else (tag.name for tag in thread.tags.all()),
        mailbox=(mailbox.address, mailbox.domain),
        customer=(customer.address, customer.name, customer.thread_count)
        if customer
        else _NOBODY,
    )


# Without a customer (a mail without sender) every value is empty, not absent.
_NOBODY = ("", "", 0)


def thread_like(
    thread: Any,
    *,
    assignee: JSON | None,
    team: str | None,
    tags: Iterable[str],
    mailbox: tuple[str, str],
    customer: tuple[str, str, int],
) -> JSON:
    """`thread`: whatever has the columns of one."""
    identifier = thread.public_id
    address, name, thread_count = customer
    return {
        "id": identifier,
        "subject": thread.subject,
        "status": thread.status,
        "priority": thread.priority,
        "assignee": assignee,
        "team": team,
        "tags": sorted(tags),
        "mailbox": mailbox[0],
        "domain": mailbox[1],
        "customer": {
            "address": address,
            "name": name,
            "is_new": thread.customer_is_new,
            "thread_count": thread_count,
        },
        "participants": thread.participants[:LIST_LIMIT],
        "message_count": thread.message_count,
        "sequence": thread.sequence,
        "last_message_at": timestamp(thread.last_message_at),
        "created_at": timestamp(thread.created_at),
        "updated_at": timestamp(thread.updated_at),
        "closed_at": timestamp(thread.closed_at),
        "snoozed_until": timestamp(thread.snoozed_until),
        "merged_ids": thread.merged_ids[:LIST_LIMIT],
        "related": thread.related[:LIST_LIMIT],
        "url": f"{settings.PUBLIC_URL}/api/v1/threads/{identifier}",
        "admin_url": f"{settings.PUBLIC_URL}/admin/threads/thread/{identifier}/change/",
    }


def note_json(note: Note) -> JSON:
    """An internal note; `author` is null when a key wrote it, `actor` says who did."""
    return {
        "id": note.public_id,
        "thread_id": note.thread.public_id,
        "body": note.body,
        "author": user_json(note.author),
        "actor": note.actor,
        "created_at": timestamp(note.created_at),
    }


def attachment_json(attachment: Attachment) -> JSON:
    identifier = attachment.public_id
    return {
        "id": identifier,
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "size": attachment.size,
        "inline": attachment.inline,
        "content_id": attachment.content_id,
        "url": f"{settings.PUBLIC_URL}/api/v1/attachments/{identifier}",
    }


def message_json(
    message: Message,
    *,
    attachments: Iterable[Attachment] | None = None,
    bodies: bool = True,
) -> JSON:
    """`message` from `with_relations()`, or `attachments` given: no statement.

    `bodies=False` is the shape within events: without body_text, body_html and
    quoted_text.
    """
    if attachments is None:
        attachments = message.attachment_set.all()
    people = message.addresses
    texts: JSON = {"body_text": message.body_text, "body_html": message.body_html}
    quoted: JSON = {"quoted_text": message.span_text("quoted")}
    return {
        "id": message.public_id,
        "thread_id": message.thread.public_id,
        "direction": message.direction,
        "is_first": message.is_first,
        "from": (people.get("from") or [{"address": "", "name": ""}])[0],
        "to": people.get("to", [])[:LIST_LIMIT],
        "cc": people.get("cc", [])[:LIST_LIMIT],
        "reply_to": people.get("reply_to", [])[:LIST_LIMIT],
        "subject": message.subject,
        **(texts if bodies else {}),
        "reply_text": message.span_text("reply"),
        **(quoted if bodies else {}),
        "signature_text": message.span_text("signature"),
        "sent_at": timestamp(message.sent_at),
        "received_at": timestamp(message.received_at),
        "status": message.status,
        "attachments": [attachment_json(a) for a in attachments][:LIST_LIMIT],
        "auto": message.auto,
        "bulk": message.bulk,
        "bounce": message.bounce,
        "complaint": message.complaint,
        "about_id": message.about or None,
        "reasons": message.reasons,
        "warnings": message.warnings,
        "authentication": message.authentication,
        "unverified_sender": message.unverified_sender,
        "via": message.via,
        "imported": message.imported,
        "protection": message.protection,
        "repaired": message.repaired,
        "message_id_reused": message.message_id_reused,
        "why": {"rule": message.why_rule, "evidence": message.why_evidence},
        "url": f"{settings.PUBLIC_URL}/api/v1/messages/{message.public_id}",
        "admin_url": (
            f"{settings.PUBLIC_URL}/admin/threads/message/{message.public_id}/change/"
        ),
    }
