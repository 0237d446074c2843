"""What the answers of v1 look like, as JSON Schema: the components of the document.

Nothing is computed from these; the tests hold every answer to them.
"""

from typing import Any

from threads.models import Message, Thread
from webhooks.catalogue import EVENTS, TEST
from webhooks.models import Delivery, Webhook

JSON = dict[str, Any]

_TEXT: JSON = {"type": "string"}
_NUMBER: JSON = {"type": "integer"}
_FLAG: JSON = {"type": "boolean"}
_TIME: JSON = {
    "type": "string",
    "format": "date-time",
    "examples": ["2026-02-25T10:30:00.000Z"],
}
_ID: JSON = {
    "type": "string",
    "pattern": "^c[a-z0-9]{24}$",
    "examples": ["cmm1k0v2h3q8w5n1x7z4p6r0t"],
}
_URL: JSON = {"type": "string", "format": "uri"}


def ref(name: str) -> JSON:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: JSON) -> JSON:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(schema: JSON) -> JSON:
    return {"type": "array", "items": schema}


def _one_of(values: Any, text: str = "") -> JSON:
    """A list that may grow: the known values are examples of what a client meets."""
    found: JSON = {"type": "string", "enum": list(values)}
    return {**found, "description": text} if text else found


def _object(text: str = "", **fields: JSON) -> JSON:
    """All fields are always there; more may come."""
    names = {name.removesuffix("_"): schema for name, schema in fields.items()}
    found: JSON = {"type": "object", "properties": names, "required": list(names)}
    return {**found, "description": text} if text else found


def page_of(name: str) -> JSON:
    """A page of a list; follow `next` and `previous` as they are."""
    return _object(
        next=_or_null(_URL), previous=_or_null(_URL), results=_list(ref(name))
    )


def log_of(name: str) -> JSON:
    """A stretch of a log, oldest first."""
    return _object(results=_list(ref(name)), next_after=_or_null(_TEXT), has_more=_FLAG)


_WHY = _object(
    "Which rule put the message into its thread.", rule=_TEXT, evidence=_TEXT
)
_PERSON = ref("Person")

_THREAD_FIELDS: JSON = {
    "id": _ID,
    "subject": _TEXT,
    "status": _one_of(Thread.Status.values),
    "priority": _one_of(Thread.Priority.values),
    "assignee": _or_null(ref("User")),
    "team": _or_null(_TEXT),
    "tags": _list(_TEXT),
    "mailbox": _TEXT,
    "domain": _TEXT,
    "customer": ref("Customer"),
    "participants": _list(_PERSON),
    "message_count": _NUMBER,
    "sequence": {**_NUMBER, "description": "The number of its newest event."},
    "last_message_at": _or_null(_TIME),
    "created_at": _TIME,
    "updated_at": _TIME,
    "closed_at": _or_null(_TIME),
    "snoozed_until": _or_null(_TIME),
    "merged_ids": _list(_TEXT),
    "related": _list(_TEXT),
    "url": _URL,
    "admin_url": _URL,
}
_BOUNCE = _object(
    "What a delivery report says (RFC 3464); what it does not say is empty.",
    message_id={**_TEXT, "description": "The mail that it is about."},
    recipients=_list(
        _object(
            address=_TEXT,
            original={**_TEXT, "description": "Whom it was sent to, if told."},
            action={**_TEXT, "examples": ["failed", "delayed", "delivered"]},
            status={**_TEXT, "examples": ["5.1.1"]},
            detail={**_TEXT, "description": "In the words of the remote server."},
        )
    ),
    recipient={**_TEXT, "description": "The first that failed; so are the next two."},
    action=_TEXT,
    status=_TEXT,
)
_COMPLAINT = _object(
    "What a feedback report says (RFC 5965).",
    message_id={**_TEXT, "description": "The mail that somebody did not want."},
    type={**_TEXT, "examples": ["abuse", "fraud", "opt-out"]},
    recipient=_TEXT,
    agent=_TEXT,
)
_TOLD_FIELDS: JSON = {
    "id": _ID,
    "thread_id": _ID,
    "direction": _one_of(Message.Direction.values),
    "is_first": _FLAG,
    "from_": _PERSON,
    "to": _list(_PERSON),
    "cc": _list(_PERSON),
    "reply_to": _list(_PERSON),
    "subject": _TEXT,
    "signature_text": _TEXT,
    "sent_at": _or_null({**_TIME, "description": "The sender's claim."}),
    "received_at": _TIME,
    "status": _one_of(Message.Status.values),
    "attachments": _list(ref("Attachment")),
    "auto": _FLAG,
    "bulk": _FLAG,
    "bounce": _or_null(_BOUNCE),
    "complaint": _or_null(_COMPLAINT),
    "about_id": _or_null(
        {**_ID, "description": "Our mail that a report or automatic answer is about."}
    ),
    "reasons": _list(
        _object(
            "What speaks for a verdict, as it stands in the mail.",
            verdict={**_TEXT, "examples": ["auto", "bulk"]},
            evidence={**_TEXT, "examples": ["Auto-Submitted: auto-replied"]},
        )
    ),
    "warnings": _list(
        _object(
            "What is odd about the sender's name or domain.",
            code={**_TEXT, "examples": ["display_name_address", "lookalike_domain"]},
            evidence=_TEXT,
        )
    ),
    "authentication": _one_of(["pass", "fail", "unknown"]),
    "unverified_sender": _FLAG,
    "via": _one_of(Message.Via.values),
    "imported": _FLAG,
    "protection": {
        **_one_of(["", "signed", "encrypted"]),
        "description": "S/MIME or PGP; told, not checked.",
    },
    "repaired": _FLAG,
    "message_id_reused": _FLAG,
    "why": _WHY,
    "url": _URL,
    "admin_url": _URL,
}
_BODY_FIELDS: JSON = {
    "body_text": _TEXT,
    "body_html": {**_TEXT, "description": "Sanitised."},
    "reply_text": {**_TEXT, "description": "Without quotes and signature."},
    "quoted_text": _TEXT,
}

_WEBHOOK_FIELDS: JSON = {
    "id": _ID,
    "url": _URL,
    "events": _list(_one_of(EVENTS)),
    "mailboxes": _list(_TEXT),
    "domains": _list(_TEXT),
    "state": _one_of(Webhook.State.values),
    "headers": {**_list(_TEXT), "description": "Names only."},
    "timeout": _NUMBER,
    "rate_limit": {
        **_or_null(_NUMBER),
        "description": "At most so many deliveries a second; null: no limit.",
    },
    "ordered": {
        **_FLAG,
        "description": "One at a time, in the order of the events.",
    },
    "include_auto": _FLAG,
    "include_spam": _FLAG,
    "include_body": _FLAG,
    "created_at": _TIME,
    "last_success_at": _or_null(_TIME),
    "failing_since": _or_null(_TIME),
}

SHAPES: dict[str, JSON] = {
    "Person": _object(address=_TEXT, name=_TEXT),
    "User": _object(email=_TEXT, name=_TEXT),
    "Team": _object(name=_TEXT),
    "Customer": _object(address=_TEXT, name=_TEXT, is_new=_FLAG, thread_count=_NUMBER),
    "Attachment": _object(
        id=_ID,
        filename=_TEXT,
        content_type=_TEXT,
        size={**_NUMBER, "description": "Bytes."},
        inline=_FLAG,
        content_id=_TEXT,
        url=_URL,
    ),
    "Thread": _object("One conversation.", **_THREAD_FIELDS),
    "ThreadWithMessages": _object(
        "With its newest 100 messages, oldest first.",
        **_THREAD_FIELDS,
        messages=_list(ref("Message")),
        messages_next=_or_null(_URL),
    ),
    "Message": _object("One mail of a thread.", **_TOLD_FIELDS, **_BODY_FIELDS),
    "ToldMessage": _object("As events carry it.", **_TOLD_FIELDS),
    "Event": {
        **_object(
            "Seven flat keys first, always strings; the rest only where it applies.",
            event=_one_of([*EVENTS, TEST]),
            thread_id=_TEXT,
            from_=_TEXT,
            to=_TEXT,
            subject=_TEXT,
            body_text=_TEXT,
            timestamp={**_TIME, "examples": ["2026-02-25T10:30:00Z"]},
            id=_ID,
            sequence=_NUMBER,
            mailbox=_TEXT,
            domain=_TEXT,
            truncated=_FLAG,
        ),
    },
    "Schema": _object(
        "JSON Schema 2020-12.",
        **{
            "$schema": _URL,
            "$id": _URL,
            "title": _TEXT,
            "type": _TEXT,
            "properties": {"type": "object"},
            "required": _list(_TEXT),
            "$defs": {"type": "object"},
        },
    ),
    "Note": _object(
        "Internal; never mailed.",
        id=_ID,
        thread_id=_ID,
        body=_TEXT,
        author=_or_null(ref("User")),
        actor=_object(type=_TEXT, id=_TEXT, name=_TEXT),
        created_at=_TIME,
    ),
    "Webhook": _object(**_WEBHOOK_FIELDS),
    "WebhookWithSecret": _object(
        "The secret is shown this once.", **_WEBHOOK_FIELDS, secret=_TEXT
    ),
    "NewWebhook": _object(
        "The secret is shown this once.",
        **_WEBHOOK_FIELDS,
        secret=_TEXT,
        warnings=_list(_TEXT),
    ),
    "Attempt": _object(
        number=_NUMBER,
        started_at=_TIME,
        duration_ms=_NUMBER,
        status=_or_null(_NUMBER),
        error=_TEXT,
        response_excerpt=_TEXT,
    ),
    "Delivery": _object(
        id=_ID,
        event_id=_ID,
        event=_TEXT,
        webhook_id=_ID,
        state=_one_of(Delivery.State.values),
        replay_no=_NUMBER,
        next_at=_or_null(_TIME),
        created_at=_TIME,
        attempts=_list(ref("Attempt")),
    ),
    "Replay": _object(
        "A job that sends again what a webhook missed.",
        id=_ID,
        webhook_id=_ID,
        since=_TIME,
        until=_or_null(_TIME),
        state=_one_of(Delivery.State.values),
        total=_NUMBER,
        sent=_NUMBER,
        finished_at=_or_null(_TIME),
    ),
    "Mailbox": _object(
        id=_ID, address=_TEXT, name=_TEXT, aliases=_list(_TEXT), domain=_TEXT
    ),
    "Me": _object(
        name=_TEXT, scopes=_list(_TEXT), domains=_list(_TEXT), rate_limit=_NUMBER
    ),
    "Health": _object(
        status=_one_of(["ok", "degraded"]),
        reasons=_list(
            _object(
                code={**_TEXT, "examples": ["source_lag", "heartbeat", "disk"]},
                detail=_TEXT,
            )
        ),
    ),
    "Problem": _object(
        "RFC 9457.",
        type=_URL,
        title=_TEXT,
        status=_NUMBER,
        detail=_TEXT,
        code={**_TEXT, "description": "Stable: see docs/api.md."},
        fix=_TEXT,
        request_id=_TEXT,
        errors=_list(_object(field=_TEXT, code=_TEXT, detail=_TEXT)),
    ),
}
SHAPES["Event"]["properties"] |= {
    "thread": ref("Thread"),
    "message": ref("ToldMessage"),
    "actor": _object(type=_TEXT, id=_TEXT, name=_TEXT),
    "changes": {"type": "object"},
    "error": _object(code=_TEXT, detail=_TEXT),
    "test": _FLAG,
}
for _name in ("Mailbox", "User", "Team", "Webhook", "Thread", "Message", "Delivery"):
    SHAPES[f"{_name}Page"] = page_of(_name)
SHAPES["ThreadPage"]["properties"]["count"] = {
    **_NUMBER,
    "description": "Of all pages; only with `count=true`.",
}
SHAPES["ThreadList"] = _object(results=_list(ref("Thread")))
SHAPES["EventLog"] = log_of("Event")
SHAPES["NoteLog"] = log_of("Note")
