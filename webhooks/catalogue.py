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
_MEMBER = {"email": "teamlid@jouwdomein.nl", "name": "Teamlid"}
_MOMENT = "2026-02-25T10:30:00.000Z"
_QUESTION = "Hallo, ik heb een vraag over mijn factuur."
_ANSWER = "Bedankt voor je bericht. We kijken ernaar."
_OTHER_ID = "c0000sample0thread0000001"

_BOUNCE: JSON = {
    "message_id": "mb.0000sample0000@jouwdomein.nl",
    "recipients": [
        {
            "address": _CUSTOMER["address"],
            "original": _CUSTOMER["address"],
            "action": "failed",
            "status": "5.1.1",
            "detail": "550 5.1.1 User unknown",
        }
    ],
    "recipient": _CUSTOMER["address"],
    "action": "failed",
    "status": "5.1.1",
}
_ABOUT = "c0000sample0message000001"
_REASONS = [{"verdict": "auto", "evidence": "Content-Type: multipart/report"}]

# What sets one event apart from the others.
_OUTBOUND = {
    "message.sent": "sent",
    "message.failed": "failed",
    "message.in_doubt": "in_doubt",
}
_CHANGES: dict[str, JSON] = {
    "thread.closed": {"status": {"old": "open", "new": "closed"}},
    "thread.reopened": {"status": {"old": "closed", "new": "open"}},
    "thread.assigned": {"assignee": {"old": None, "new": _MEMBER}},
    "thread.unassigned": {"assignee": {"old": _MEMBER, "new": None}},
    "thread.updated": {
        "priority": {"old": "normal", "new": "high"},
        "tags": {"old": [], "new": ["factuur"]},
    },
    "thread.merged": {"merged_ids": {"old": [], "new": [_OTHER_ID]}},
    "thread.split": {
        "split_into": {"old": None, "new": _OTHER_ID},
        "moved_messages": {"old": [], "new": ["c0000sample0message000001"]},
    },
}
_ERRORS: dict[str, JSON] = {
    "message.failed": {"code": "550", "detail": "5.1.1 No such user here"},
    "message.in_doubt": {"code": "connection", "detail": "Lost after the end of DATA"},
    "webhook.disabled": {"code": "http_410", "detail": "It answered 410 Gone."},
}


def is_of_operators(kind: str) -> bool:
    """It tells the people who run the place, and belongs to no thread."""
    return kind.startswith(_OPERATOR)


def changes_of(kind: str) -> list[str]:
    """What such an event says has changed; of `thread.updated` examples."""
    return list(_CHANGES.get(kind, ()))


def sample(kind: str) -> JSON:
    """A whole event of this kind, with invented people and today's shape."""
    operator = is_of_operators(kind)
    changes = _CHANGES.get(kind)
    body = _flat(kind, operator=operator) | {
        "id": "c0000sample0event00000000",
        "sequence": 0 if operator else int(kind != "thread.created") + 1,
        "mailbox": _MAILBOX,
        "domain": "jouwdomein.nl",
        "truncated": False,
    }
    if kind == "webhook.disabled":
        # It tells of no mailbox.
        body |= {"to": "", "mailbox": "", "domain": ""}
    if not operator:
        thread = _thread()
        for name, change in (changes or {}).items():
            if name in thread:
                thread[name] = change["new"]
        if thread["status"] == "closed":
            thread["closed_at"] = _MOMENT
        body |= {"thread": thread, "message": _message(kind)}
    body["actor"] = _actor(kind)
    if changes:
        body["changes"] = changes
    if kind in _ERRORS:
        body["error"] = _ERRORS[kind]
    return body


def _flat(kind: str, *, operator: bool) -> JSON:
    if operator:
        text = "This is what a message to the people who run MailBelly looks like."
        said = {"from": "", "to": _MAILBOX, "subject": "MailBelly", "body_text": text}
    elif kind in _OUTBOUND:
        said = {"from": _MAILBOX, "to": _CUSTOMER["address"], "body_text": _ANSWER}
    else:
        said = {"from": _CUSTOMER["address"], "to": _MAILBOX, "body_text": _QUESTION}
    return {
        "event": kind,
        "thread_id": "" if operator else _THREAD_ID,
        "from": said["from"],
        "to": said["to"],
        "subject": said.get("subject", "Vraag over factuur"),
        "body_text": said["body_text"],
        "timestamp": "2026-02-25T10:30:00Z",
    }


def _actor(kind: str) -> JSON:
    if kind in _CHANGES:
        return {"type": "user", "id": _MEMBER["email"], "name": _MEMBER["name"]}
    if kind in {"thread.created", "message.received"}:
        return {"type": "customer", "id": _CUSTOMER["address"], "name": "Klant"}
    return {"type": "system", "id": "", "name": "MailBelly"}


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


def _message(kind: str) -> JSON:
    base = settings.PUBLIC_URL
    outbound = kind in _OUTBOUND
    ours = {"address": _MAILBOX, "name": ""}
    return {
        "id": _MESSAGE_ID,
        "thread_id": _THREAD_ID,
        "direction": "outbound" if outbound else "inbound",
        "is_first": not outbound,
        "from": ours if outbound else _CUSTOMER,
        "to": [_CUSTOMER if outbound else ours],
        "cc": [],
        "reply_to": [],
        "subject": "Vraag over factuur",
        "reply_text": _ANSWER if outbound else _QUESTION,
        "signature_text": "",
        "sent_at": _MOMENT,
        "received_at": _MOMENT,
        "status": _OUTBOUND.get(kind, "received"),
        "attachments": [],
        "auto": kind == "message.bounced",
        "bulk": False,
        "bounce": _BOUNCE if kind == "message.bounced" else None,
        "complaint": None,
        "about_id": _ABOUT if kind == "message.bounced" else None,
        "reasons": _REASONS if kind == "message.bounced" else [],
        "warnings": [],
        "authentication": "unknown",
        "unverified_sender": False,
        "via": "api" if outbound else "mail",
        "imported": False,
        "protection": "",
        "repaired": False,
        "message_id_reused": False,
        "why": {"rule": "new", "evidence": "refers to nothing"},
        "url": f"{base}/api/v1/messages/{_MESSAGE_ID}",
        "admin_url": f"{base}/admin/threads/message/{_MESSAGE_ID}/change/",
    }
