"""What servers report of a mail: not delivered (RFC 3464), unwanted (RFC 5965)."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from threads.mail import dialects, limits, oddities, verdicts
from threads.mail.addresses import normalise
from threads.mail.headers import message_id
from threads.mail.mime import Part, header, unwrapped
from threads.mail.parsed import Address
from threads.mail.parts import beginning, parameter, walk

_ENCLOSED = frozenset(
    {
        "message/rfc822", "message/rfc822-headers", "text/rfc822-headers",
        "message/global", "message/global-headers",
    }
)  # fmt: skip
# Feedback that complains of nobody (RFC 5965 section 7.3, RFC 6591).
_NO_COMPLAINT = frozenset({"not-spam", "auth-failure", "dkim"})
# What some servers write for RFC 3464's word.
_FAILED = {"failure": "failed", "error": "failed"}
_RECIPIENTS = 100
_LONGEST_DETAIL = 500
_LONGEST_WORD = 20
_LONGEST_AGENT = 100


def bounce(
    message: Part, from_: tuple[Address, ...], text: str, raw: bytes
) -> dict[str, Any] | None:
    """What a delivery report says (RFC 3464), or None when this is none.

    `message_id` is the mail it is about; `recipients` all it speaks of, each with
    `address`, `original` (whom the mail was sent to, where a server sent it on),
    `action`, `status` and `detail`; `recipient`, `action`, `status` are
    those of the first that failed. What is not said is `""`. A report that only says
    delivered, delayed or relayed is no bounce. `text` is what a person reads of it:
    servers that know no report say it there; `raw` the mail as it came.
    """
    report = message.content_type in {"multipart/report", *verdicts.STATUSES}
    if report:
        kind = parameter(message, "content-type", "report-type").lower()
        if kind not in {"", "delivery-status"}:
            return None
    if not report and not dialects.from_a_server(message, from_):
        return None
    everybody = chain.from_iterable(
        map(_recipients, _parts(message, verdicts.STATUSES))
    )
    recipients = list(islice(everybody, _RECIPIENTS))
    if not recipients:
        if verdicts.answers_by_itself(message):
            return None
        told = dialects.failures(message, text)
        waits = dialects.still_tries(message, text)
        known = [] if waits else oddities.recipients(raw)
        if told is None and not known and not report:
            return None
        recipients = told or []
        if known:
            reasons = {one["address"].lower(): one for one in recipients}
            recipients = [
                reasons.get(address.lower()) or dialects.recipient(address, "")
                for address in known
            ]
    failed = next((one for one in recipients if one["action"] == "failed"), None)
    if recipients and failed is None:
        return None
    failed = failed or {}
    return {
        "message_id": _about(message) or dialects.named(text),
        "recipients": recipients,
        "recipient": failed.get("address", ""),
        "action": failed.get("action", ""),
        "status": failed.get("status", ""),
    }


def complaint(message: Part) -> dict[str, str] | None:
    """What a feedback report says (ARF, RFC 5965), or None when this is none.

    `message_id` is the mail that somebody did not want, `type` why (`abuse`, `fraud`,
    `opt-out`, …), `recipient` who, `agent` the program that reports it.
    """
    if message.content_type != "multipart/report":
        return None
    for part in _parts(message, {"message/feedback-report"}):
        fields, _ = header(beginning(part, limits.HEADER_BYTES))
        group = Part(fields)
        kind = _plain(group.first("feedback-type")).lower()
        if not kind or kind in _NO_COMPLAINT:
            return None
        return {
            "message_id": _about(message),
            "type": kind,
            "recipient": _bare(group.first("original-rcpt-to").rpartition(";")[2]),
            "agent": limits.clean_line(group.first("user-agent"), _LONGEST_AGENT),
        }
    return None


def _parts(message: Part, types: "frozenset[str] | set[str]") -> Iterator[Part]:
    return (part for _, part in walk(message) if part.content_type in types)


def _about(report: Part) -> str:
    """The Message-ID of the mail that the report encloses."""
    for part in _parts(report, _ENCLOSED):
        enclosed = Part(header(unwrapped(beginning(part, limits.HEADER_BYTES)))[0])
        if identifier := message_id(enclosed):
            return identifier
    return ""


def _recipients(part: Part) -> Iterator[dict[str, str]]:
    """The groups of fields of a status, one for each recipient (RFC 3464 section 2)."""
    status = beginning(part, limits.HEADER_BYTES)
    at = 0
    found = 0
    while at < len(status) and found < _RECIPIENTS:
        fields, end = header(status, at)
        if end == at:
            return  # not a field: what follows is no status
        at = end
        group = Part(fields)
        action = _plain(group.first("action")).lower()
        action = _FAILED.get(action, action)
        if not action:
            continue
        found += 1
        final, original = (
            _bare(group.first(name).rpartition(";")[2])
            for name in ("final-recipient", "original-recipient")
        )
        detail = group.first("diagnostic-code").partition(";")
        yield {
            "address": original if original and not normalise(final) else final,
            "original": original,
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
