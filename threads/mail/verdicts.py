"""First verdicts on a mail: who vouches for its sender, and is it a person's.

A verdict is the evidence for it, the header as it came; `""` is none.
"""

import re
from collections.abc import Collection, Iterator

import authres

from threads.mail import headers, limits
from threads.mail.mime import Part
from threads.mail.parsed import Authentication

# What a report tells servers; some send it without the report around it.
STATUSES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_BULK = frozenset({"bulk", "list", "junk"})
_AUTOMATIC_PRECEDENCE = frozenset({"auto_reply", "auto-reply"})
_AUTOMATIC_HEADERS = (
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-auto-response-suppress",
)
# What Outlook and Exchange put before the subject that they answer automatically.
_AUTOMATIC_SUBJECT = re.compile(
    r"(automatic reply|auto(matic)?[ -]?response|out of (the )?office"
    r"|automatisch(e)? (antwoord|beantwoording|reactie)"
    r"|afwezig(heid(sbericht|smelding)?)?"
    r"|automatische antwort|abwesenheitsnotiz|réponse automatique"
    r"|respuesta automática|risposta automatica|resposta automática"
    r"|automatiskt? svar|autosvar|automaattinen vastaus|odpowiedź automatyczna)"
    r"\s*[:：]",
    re.IGNORECASE,
)
_LONGEST_RESULTS = 20_000
_EVIDENCE = 200


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


def automatic(message: Part) -> str:
    """RFC 3834 section 5, and what older systems write instead."""
    if message.content_type in {"multipart/report", *STATUSES}:
        return f"Content-Type: {message.content_type}"
    name = next(_automatic(message), "")
    return named(message, name) if name else ""


def _automatic(message: Part) -> Iterator[str]:
    """The headers that say so."""
    submitted = message.first("auto-submitted").partition(";")[0].strip().lower()
    if submitted and submitted != "no":
        yield "auto-submitted"
    yield from (name for name in _AUTOMATIC_HEADERS if message.first(name).strip())
    for name in ("precedence", "x-precedence"):
        if message.first(name).strip().lower() in _AUTOMATIC_PRECEDENCE:
            yield name
    if message.first("return-path").strip() == "<>":
        yield "return-path"
    if answers_by_itself(message):
        yield "subject"


def answers_by_itself(message: Part) -> bool:
    """By the subject of Outlook and Exchange, on what refers to another mail.

    Exchange packs some of these as a report without a sender, like a bounce.
    """
    subject = headers.subject(message)
    if not _AUTOMATIC_SUBJECT.match(subject):
        return False
    return message.content_type == "multipart/report" or any(
        message.first(name).strip() for name in ("in-reply-to", "references")
    )


def bulk(message: Part) -> str:
    """Sent to many: Precedence, or a list's headers (RFC 2919, RFC 2369)."""
    for name in ("precedence", "x-precedence"):
        if message.first(name).strip().lower() in _BULK:
            return named(message, name)
    for name in ("list-id", "list-unsubscribe"):
        if message.first(name).strip():
            return named(message, name)
    return ""


def named(message: Part, name: str) -> str:
    """The header as it came."""
    shown = "-".join(word.capitalize() for word in name.split("-"))
    value = headers.decoded(message.first(name))
    return limits.clean_line(f"{shown}: {value}", _EVIDENCE)
