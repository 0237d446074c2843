"""Every event there is, and a sample of each that works on an empty installation."""

from typing import Any

from django.conf import settings

JSON = dict[str, Any]

EVENTS = (
    "thread.created",
    "message.received",
    "thread.closed",
    "thread.assigned",
    "thread.reopened",
    "thread.unassigned",
    "thread.updated",
    "thread.merged",
    "thread.split",
    "thread.deleted",
    "message.sent",
    "message.failed",
    "message.in_doubt",
    "message.bounced",
    "mail.quarantined",
    "message.oversize",
    "mailbox.error",
    "mailbox.recovered",
    "mailbox.reset",
    "webhook.disabled",
)
TEST = "webhook.test"
# They tell the people who run the place, and belong to no thread.
_OPERATOR = ("mail.", "mailbox.", "webhook.", "message.oversize")

_THREAD_ID = "c0000sample0thread0000000"
_MESSAGE_ID = "c0000sample0message000000"
_CUSTOMER = {"address": "klant@bedrijf.nl", "name": "Klant"}
_MAILBOX = "support@jouwdomein.nl"
_MOMENT = "2026-02-25T10:30:00.000Z"


def sample(kind: str) -> JSON:
    """A whole event of this kind, with invented people and today's shape."""
    operator = kind.startswith(_OPERATOR)
    body: JSON = {
        "event": kind,
        "thread_id": "" if operator else _THREAD_ID,
        "from": "" if operator else _CUSTOMER["address"],
        "to": _MAILBOX,
        "subject": "MailBelly" if operator else "Vraag over factuur",
        "body_text": (
            "This is what a message to the people who run MailBelly looks like."
            if operator
            else "Hallo, ik heb een vraag over mijn factuur."
        ),
        "timestamp": "2026-02-25T10:30:00Z",
        "id": "c0000sample0event00000000",
        "sequence": 0 if operator else 2,
        "mailbox": _MAILBOX,
        "domain": "jouwdomein.nl",
        "truncated": False,
    }
    if not operator:
        body |= {"thread": _thread(), "message": _message()}
    body["actor"] = {"type": "system", "id": "", "name": "MailBelly"}
    return body


def _thread() -> JSON:
    return {
        "id": _THREAD_ID,
        "subject": "Vraag over factuur",
        "status": "open",
        "priority": "normal",
        "assignee": None,
        "team": None,
        "tags": [],
        "mailbox": _MAILBOX,
        "domain": "jouwdomein.nl",
        "customer": {**_CUSTOMER, "is_new": True, "thread_count": 1},
        "participants": [_CUSTOMER],
        "message_count": 1,
        "sequence": 2,
        "last_message_at": _MOMENT,
        "created_at": _MOMENT,
        "updated_at": _MOMENT,
        "closed_at": None,
        "snoozed_until": None,
        "merged_ids": [],
        "related": [],
        "url": f"{settings.PUBLIC_URL}/api/v1/threads/{_THREAD_ID}",
        "admin_url": f"{settings.PUBLIC_URL}/admin/threads/thread/{_THREAD_ID}/change/",
    }


def _message() -> JSON:
    base = settings.PUBLIC_URL
    return {
        "id": _MESSAGE_ID,
        "thread_id": _THREAD_ID,
        "direction": "inbound",
        "is_first": True,
        "from": _CUSTOMER,
        "to": [{"address": _MAILBOX, "name": ""}],
        "cc": [],
        "reply_to": [],
        "subject": "Vraag over factuur",
        "reply_text": "Hallo, ik heb een vraag over mijn factuur.",
        "signature_text": "",
        "sent_at": _MOMENT,
        "received_at": _MOMENT,
        "status": "received",
        "attachments": [],
        "auto": False,
        "bulk": False,
        "bounce": None,
        "authentication": "unknown",
        "unverified_sender": False,
        "via": "mail",
        "imported": False,
        "repaired": False,
        "message_id_reused": False,
        "why": {"rule": "new", "evidence": "refers to nothing"},
        "url": f"{base}/api/v1/messages/{_MESSAGE_ID}",
        "admin_url": f"{base}/admin/threads/message/{_MESSAGE_ID}/change/",
    }
