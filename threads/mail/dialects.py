"""Failures of delivery as servers told them before, or instead of, RFC 3464.

qmail, Exim, Exchange, sendmail, GMX, Yahoo and whoever writes like them: a sentence
that says so, and below it an address on a line of its own with the reason.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from threads.mail import headers, limits
from threads.mail.mime import Part
from threads.mail.parsed import Address

_LINES = 200
_LONGEST_LINE = 1_000
_RECIPIENTS = 100
_LONGEST_DETAIL = 500
_LONGEST_QUOTE = 100_000

_SERVERS = frozenset(
    {
        "mailer-daemon", "mailerdaemon", "postmaster", "mail-daemon", "mdaemon",
        "systemadministrator",
    }
)  # fmt: skip
_SERVER_NAMES = re.compile(
    r"mail delivery (sub)?system|mailer[- ]daemon|mail delivery software"
    r"|microsoft outlook|system administrator",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"could(n't| not) be (delivered|reached)|w(asn't|as not) delivered"
    r"|unable to deliver|wasn't able to deliver|did not reach|undeliver(able|ed)"
    r"|permanent fatal errors|delivery (has )?failed|failed permanently"
    r"|address(es|\(es\))? failed|delivery to the following recipients? failed"
    r"|returned to sender|niet worden (af)?(bezorgd|geleverd)"
    r"|onbestelbaar|nicht zugestellt|unzustellbar|n'a pas pu être|non remis"
    r"|no se (ha podido|pudo) entregar|non è stato possibile consegnare",
    re.IGNORECASE,
)
_WAITING = re.compile(
    r"(has|have) been delayed|is delayed|delivery (is )?delayed|will continue to try"
    r"|will be retried|will retry|will keep trying|temporary problem"
    r"|warning message only|not yet been delivered"
    r"|do not need to resend|no action is required on your part"
    r"|weiterhin versucht|vertraagd",
    re.IGNORECASE,
)
_DELAY = re.compile(r"\(delay(?:ed)?\)|delayed mail|^warning: ", re.IGNORECASE)
# From here on it quotes the mail.
_COPY = re.compile(
    r"-{2,} ?(below this line|this is a copy|the (body|header) of the|undelivered"
    r"|original message|returned message|unsent message)"
    r"|original message( headers| follows)?\s*[.:]?\s*$|return-path: ",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"[ \t]*(?:to:[ \t]*)?<?([^\s<>@()\[\]\",;:]{1,64}@[a-z0-9.-]{1,253})>?"
    r"(?=[\s:(,]|\.{3}|\Z)[\s:]*(.*)",
    re.IGNORECASE,
)
# An address that ends the sentence.
_AT_THE_END = re.compile(
    r":[ \t]*<?([^\s<>@()\[\]\",;:]{1,64}@[a-z0-9.-]{1,253})>?$", re.IGNORECASE
)
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_MESSAGE_ID = re.compile(
    r"^[ \t>]{0,20}message-id:[ \t]{0,20}<([^<>\s]{1,255})>",
    re.IGNORECASE | re.MULTILINE,
)


def from_a_server(message: Part, from_: tuple[Address, ...]) -> bool:
    """No person's: the null sender, or a daemon's name."""
    for name in ("return-path", "x-envelope-from"):
        envelope = message.first(name).strip()
        if envelope and _is_server(envelope):
            return True
    if message.first("x-failed-recipients").strip():
        return True
    for person in from_[:1]:
        if person.address and _is_server(person.address):
            return True
        return bool(_SERVER_NAMES.search(person.name))
    return False


def sent_by_a_server(message: Part, from_: tuple[Address, ...]) -> bool:
    """The same, but where a server wrote down who sent it, that counts (RFC 3464).

    >>> person = Part([(b"return-path", b"<a@x.nl>"), (b"x-failed-recipients", b"b@x")])
    >>> sent_by_a_server(person, ())
    False
    """
    envelope = message.first("return-path").strip()
    return _is_server(envelope) if envelope else from_a_server(message, from_)


def _is_server(address: str) -> bool:
    """The null sender, or a daemon's local part."""
    local = address.strip("<>").partition("@")[0].strip('"').lower()
    return not local or local in _SERVERS


def failures(message: Part, text: str) -> list[dict[str, str]] | None:
    """Whom it did not reach, as the recipients of a report; None: it does not say so.

    >>> text = "I wasn't able to deliver your message.\\n\\n<a@x.nl>:\\nNo. 5.1.1"
    >>> failures(Part(), text)[0]["status"]
    '5.1.1'
    """
    lines = [*_head(text), ""]
    named = headers.decoded(message.first("x-failed-recipients"))
    sentences = _sentences(lines)
    begins = next((n for n, said in enumerate(sentences) if _FAILED.search(said)), None)
    if (begins is None and not named) or still_tries(message, text):
        return None
    found = {one["address"].lower(): one for one in _told(lines[begins or 0 :])}
    for address in named.split(",")[:_RECIPIENTS]:
        plain = limits.clean_line(address.strip().strip("<>"), limits.ADDRESS)
        if plain:
            found.setdefault(plain.lower(), recipient(plain, ""))
    if not found and begins is not None and (last := _AT_THE_END.search(lines[begins])):
        found[last[1]] = recipient(last[1], "")
    if len(found) == 1:
        # The reason may stand anywhere when there is only one.
        (only,) = found.values()
        status = _STATUS.search("\n".join(lines))
        only["status"] = only["status"] or (status[1] if status else "")
    return list(found.values())[:_RECIPIENTS]


def still_tries(message: Part, text: str) -> bool:
    """It was only delayed so far."""
    sentences = _sentences([*_head(text), ""])
    if any(map(_WAITING.search, sentences)):
        return True
    return bool(_DELAY.search(headers.subject(message)))


def _sentences(lines: list[str]) -> list[str]:
    """They go on in the next line."""
    return [f"{line.rstrip()} {more.lstrip()}" for line, more in pairwise(lines)]


def named(text: str) -> str:
    """The Message-ID of the mail that it quotes."""
    found = _MESSAGE_ID.search(text[:_LONGEST_QUOTE])
    return limits.message_id(found[1]) if found else ""


def _head(text: str) -> Iterator[str]:
    """What the server says itself."""
    for line in text[: _LINES * _LONGEST_LINE].split("\n", _LINES)[:_LINES]:
        if _COPY.match(line.lstrip()[:_LONGEST_LINE]):
            return
        yield line[:_LONGEST_LINE]


def _told(lines: list[str]) -> Iterator[dict[str, str]]:
    """Each address that begins a line, and what follows it as the reason."""
    address, reason = "", [""]
    for line in [*lines, ""]:
        begins = _ADDRESS.match(line)
        if begins or not line.strip():
            if address and (begins or any(reason)):
                yield recipient(address, " ".join(reason))
                address = ""
            if begins:
                address, reason = begins[1].rstrip("."), [begins[2]]
        elif address:
            reason.append(line.strip())
    if address:
        yield recipient(address, " ".join(reason))


def recipient(address: str, reason: str) -> dict[str, str]:
    """One that it did not reach, as a report has them."""
    status = _STATUS.search(reason)
    return {
        "address": limits.clean_line(address, limits.ADDRESS),
        "original": "",
        "action": "failed",
        "status": status[1] if status else "",
        "detail": limits.clean_line(reason, _LONGEST_DETAIL),
    }
