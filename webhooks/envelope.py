"""The very bytes of an event: seven flat keys first, for ever. Pure."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

TEXT_BYTES = 65_536
BODY_BYTES = 262_144
LIST_ITEMS = 100
# What a message says, beside the flat body_text; bytes of UTF-8.
_MESSAGE_TEXTS = {"reply_text": TEXT_BYTES, "signature_text": 4_096}
_FIRST_CUT = ("signature_text", "reply_text", "body_text")


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
    empty body_text, no reply_text and no signature_text.
    """
    rest = dict(data)
    message = rest.get("message")
    texts = {"body_text": "" if bare else cut(flat["body_text"], TEXT_BYTES)}
    full = {"body_text": flat["body_text"]}
    if isinstance(message, dict):
        # A copy: it is changed here, and nothing within it.
        rest["message"] = message = dict(message)
        for name, limit in _MESSAGE_TEXTS.items():
            full[name] = message.pop(name, "")
            texts[name] = "" if bare else cut(full[name], limit)
        for key, value in message.items():
            if isinstance(value, list):
                message[key] = value[:LIST_ITEMS]

    def body() -> bytes:
        if isinstance(message, dict) and not bare:
            message.update((name, texts[name]) for name in _MESSAGE_TEXTS)
        whole = {
            **flat,
            "body_text": texts["body_text"],
            **beside,
            "truncated": not bare and texts != full,
            **rest,
        }
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )

    rendered = body()
    while len(rendered) > BODY_BYTES:
        # JSON escapes make text longer than its bytes: halve until it fits.
        longest = next((name for name in _FIRST_CUT if texts.get(name)), "")
        if not longest:
            break
        texts[longest] = cut(texts[longest], len(texts[longest].encode()) // 2)
        rendered = body()
    return rendered
