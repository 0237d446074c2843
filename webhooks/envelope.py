"""The very bytes of an event: seven flat keys first, for ever. Pure."""

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

TEXT_BYTES = 65_536
BODY_BYTES = 262_144
LIST_ITEMS = 100


def cut(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, cut at a character.

    >>> cut("aé", 2)
    'a'
    """
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return text
    return raw[:limit].decode("utf-8", "ignore")


def timestamp(moment: datetime) -> str:
    """Whole seconds, UTC.

    >>> timestamp(datetime(2026, 2, 25, 10, 30, tzinfo=UTC))
    '2026-02-25T10:30:00Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def render(
    flat: Mapping[str, str],
    beside: Mapping[str, Any],
    data: Mapping[str, Any],
    *,
    bare: bool = False,
) -> bytes:
    """UTF-8 JSON of at most 262,144 bytes.

    `flat` are the seven keys in their order; `beside` id, sequence, mailbox and
    domain; `data` thread, message, actor, changes, error. `bare` has no text: an
    empty body_text and no reply_text.
    """
    text = "" if bare else cut(flat["body_text"], TEXT_BYTES)
    rest = deepcopy(dict(data))
    message = rest.get("message")
    reply = ""
    if isinstance(message, dict):
        reply = "" if bare else cut(message.get("reply_text", ""), TEXT_BYTES)
        if bare:
            message.pop("reply_text", None)
        for key, value in message.items():
            if isinstance(value, list):
                message[key] = value[:LIST_ITEMS]
    truncated = not bare and text != flat["body_text"]

    def body() -> bytes:
        if isinstance(message, dict) and not bare:
            message["reply_text"] = reply
        whole = {
            **flat,
            "body_text": text,
            **beside,
            "truncated": truncated,
            **rest,
        }
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )

    if isinstance(message, dict) and not bare:
        truncated = truncated or reply != data["message"].get("reply_text", "")
    rendered = body()
    while len(rendered) > BODY_BYTES and (reply or text):
        # JSON escapes make text longer than its bytes: halve until it fits.
        truncated = True
        if reply:
            reply = cut(reply, len(reply.encode()) // 2)
        else:
            text = cut(text, len(text.encode()) // 2)
        rendered = body()
    return rendered
