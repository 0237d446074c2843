"""First verdicts on a mail: who vouches for its sender, and is it a person's."""

import re
from collections.abc import Collection
from email.message import Message
from typing import Any

import authres

from threads.mail import limits
from threads.mail.headers import first, message_id, raw_values
from threads.mail.parsed import Authentication
from threads.mail.parts import children, content, content_type, parameter, tree

_BULK = frozenset({"bulk", "list", "junk"})
_AUTOMATIC_PRECEDENCE = frozenset({"auto_reply", "auto-reply"})
_AUTOMATIC_HEADERS = (
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-auto-response-suppress",
)
_ENCLOSED = frozenset({"message/rfc822", "text/rfc822-headers", "message/global"})


def authentication(
    message: Message, sender: str, trusted: Collection[str]
) -> Authentication:
    """DMARC as the topmost Authentication-Results of a trusted server has it.

    RFC 8601 section 5: only our own servers' ids count, and only the topmost of their
    headers, for whoever sends the mail can write the ones below.
    """
    servers = {name.strip().lower() for name in trusted}
    for value in raw_values(message, "authentication-results"):
        server = value.replace("(", " ").strip().partition(";")[0].split()
        if not server or server[0].lower() not in servers:
            continue
        return _dmarc(value, sender)
    return "unknown"


def _dmarc(value: str, sender: str) -> Authentication:
    try:
        header = authres.AuthenticationResultsHeader.parse(
            f"Authentication-Results: {value}"
        )
    except Exception:  # noqa: BLE001 -- authres raises whatever its parser met
        return "unknown"
    results = [one for one in header.results or [] if one.method.lower() == "dmarc"]
    if any(one.result.lower() == "fail" for one in results):
        return "fail"
    if len(results) != 1 or results[0].result.lower() != "pass" or not sender:
        return "unknown"
    domain = sender.rpartition("@")[2]
    checked = [
        str(p.value).lower().rstrip(".")
        for p in results[0].properties
        if (p.type.lower(), p.name.lower()) == ("header", "from")
    ]
    aligned = [one.rpartition("@")[2] == domain for one in checked]
    return "pass" if aligned and all(aligned) else "unknown"


def is_automatic(message: Message) -> bool:
    """RFC 3834 section 5, and the headers that older systems use instead."""
    submitted = first(message, "auto-submitted").partition(";")[0].strip().lower()
    if submitted and submitted != "no":
        return True
    if any(first(message, name).strip() for name in _AUTOMATIC_HEADERS):
        return True
    return _precedence(message) in _AUTOMATIC_PRECEDENCE


def is_bulk(message: Message) -> bool:
    """Sent to many: Precedence, or a list's headers (RFC 2919, RFC 2369)."""
    return _precedence(message) in _BULK or any(
        first(message, name).strip() for name in ("list-id", "list-unsubscribe")
    )


def _precedence(message: Message) -> str:
    value = first(message, "precedence") or first(message, "x-precedence")
    return value.strip().lower()


def bounce(message: Message) -> dict[str, Any] | None:
    """What a delivery report says (RFC 3464), or None when this is none.

    A report that only says delivered, delayed or relayed is no bounce.
    """
    if content_type(message) != "multipart/report":
        return None
    if parameter(message, "content-type", "report-type").lower() not in {
        "",
        "delivery-status",
    }:
        return None
    found: dict[str, Any] = {}
    actions: list[str] = []
    for part in children(message):
        kind = content_type(part)
        if kind in {"message/delivery-status", "message/global-delivery-status"}:
            actions += _status(part, found)
        elif kind in _ENCLOSED and "message_id" not in found:
            enclosed = tree(content(part)[: limits.HEADER_BYTES])[0]
            if identifier := message_id(enclosed):
                found["message_id"] = identifier
    if actions and "failed" not in actions:
        return None
    return found


def _status(part: Message, found: dict[str, Any]) -> list[str]:
    """Per-recipient fields; the first failed recipient is the one that is told."""
    actions = []
    for block in re.split(rb"\r?\n\r?\n", content(part)):
        fields, _ = tree(block + b"\n\n")
        action = first(fields, "action").strip().lower()
        if not action:
            continue
        actions.append(action)
        if action == "failed" and "recipient" not in found:
            recipient = first(fields, "final-recipient").rpartition(";")[2]
            found["recipient"] = limits.clean_line(recipient, limits.ADDRESS)
            found["status"] = limits.clean_line(first(fields, "status"), 20)
            found["action"] = action
    return actions
