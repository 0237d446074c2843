"""First verdicts on a mail: who vouches for its sender, and is it a person's."""

from collections.abc import Collection, Iterator
from typing import Any

import authres

from threads.mail import limits
from threads.mail.headers import message_id
from threads.mail.mime import Part, header, unwrapped
from threads.mail.parsed import Authentication
from threads.mail.parts import content, parameter

_BULK = frozenset({"bulk", "list", "junk"})
_AUTOMATIC_PRECEDENCE = frozenset({"auto_reply", "auto-reply"})
_AUTOMATIC_HEADERS = (
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-auto-response-suppress",
)
_ENCLOSED = frozenset(
    {
        "message/rfc822", "message/rfc822-headers", "text/rfc822-headers",
        "message/global", "message/global-headers",
    }
)  # fmt: skip
_STATUSES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_RECIPIENTS = 100
_LONGEST_RESULTS = 20_000
_LONGEST_DETAIL = 500
_LONGEST_WORD = 20


def authentication(
    message: Part, sender: str, trusted: Collection[str]
) -> Authentication:
    """DMARC as the topmost Authentication-Results of a trusted server has it.

    RFC 8601 section 5: only our own servers' ids count, and only the topmost of their
    headers, for whoever sends the mail can write the ones below.
    """
    servers = {name.strip().lower() for name in trusted}
    for value in message.values("authentication-results"):
        server = value.replace("(", " ").strip().partition(";")[0].split()
        if not server or server[0].lower() not in servers:
            continue
        # A server of ours that says that much says nothing we can read in time.
        return "unknown" if len(value) > _LONGEST_RESULTS else _dmarc(value, sender)
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


def is_automatic(message: Part) -> bool:
    """RFC 3834 section 5, and the headers that older systems use instead."""
    submitted = message.first("auto-submitted").partition(";")[0].strip().lower()
    if submitted and submitted != "no":
        return True
    if any(message.first(name).strip() for name in _AUTOMATIC_HEADERS):
        return True
    return _precedence(message) in _AUTOMATIC_PRECEDENCE


def is_bulk(message: Part) -> bool:
    """Sent to many: Precedence, or a list's headers (RFC 2919, RFC 2369)."""
    return _precedence(message) in _BULK or any(
        message.first(name).strip() for name in ("list-id", "list-unsubscribe")
    )


def _precedence(message: Part) -> str:
    value = message.first("precedence") or message.first("x-precedence")
    return value.strip().lower()


def bounce(message: Part) -> dict[str, Any] | None:
    """What a delivery report says (RFC 3464), or None when this is none.

    `message_id` is the mail it is about; `recipients` all it speaks of, each with
    `address`, `action`, `status` and `detail`; `recipient`, `action`, `status` are
    those of the first that failed. What is not said is `""`. A report that only says
    delivered, delayed or relayed is no bounce.
    """
    if message.content_type != "multipart/report":
        return None
    kind = parameter(message, "content-type", "report-type").lower()
    if kind not in {"", "delivery-status"}:
        return None
    recipients = [
        recipient
        for part in message.children
        if part.content_type in _STATUSES
        for recipient in _recipients(part)
    ]
    failed = next((one for one in recipients if one["action"] == "failed"), None)
    if recipients and failed is None:
        return None
    failed = failed or {}
    return {
        "message_id": _about(message),
        "recipients": recipients,
        "recipient": failed.get("address", ""),
        "action": failed.get("action", ""),
        "status": failed.get("status", ""),
    }


def _about(report: Part) -> str:
    """The Message-ID of the mail that the report encloses."""
    for part in report.children:
        if part.content_type in _ENCLOSED:
            enclosed = Part(header(unwrapped(content(part)[: limits.HEADER_BYTES]))[0])
            if identifier := message_id(enclosed):
                return identifier
    return ""


def _recipients(part: Part) -> Iterator[dict[str, str]]:
    """The groups of fields of a status, one for each recipient (RFC 3464 section 2)."""
    status = content(part)[: limits.HEADER_BYTES]
    at = 0
    found = 0
    while at < len(status) and found < _RECIPIENTS:
        fields, end = header(status, at)
        if end == at:
            return  # not a field: what follows is no status
        at = end
        group = Part(fields)
        action = _plain(group.first("action")).lower()
        if not action:
            continue
        found += 1
        address = group.first("final-recipient") or group.first("original-recipient")
        detail = group.first("diagnostic-code").partition(";")
        yield {
            "address": _bare(address.rpartition(";")[2]),
            "action": action,
            "status": _plain(group.first("status")),
            "detail": limits.clean_line(detail[2] or detail[0], _LONGEST_DETAIL),
        }


def _plain(value: str) -> str:
    """A field's word, without the comment that often follows."""
    return limits.clean_line(value.partition("(")[0], _LONGEST_WORD)


def _bare(address: str) -> str:
    """Without the angles that some servers write around it."""
    return limits.clean_line(address.strip().strip("<>"), limits.ADDRESS)
