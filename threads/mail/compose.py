"""A mail of ours, frozen: the bytes that are stored, sent, and sent again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from threads.mail import limits
from threads.mail.addresses import normalise
from threads.mail.parsed import Address

# Folded and encoded for every relay: no line over 998, CRLF only, ASCII headers.
_POLICY = SMTP.clone(cte_type="7bit", max_line_length=78)
_REFERENCES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    from_: Address
    to: Sequence[Address]
    subject: str
    body_text: str
    message_id: str
    date: datetime
    cc: Sequence[Address] = ()
    body_html: str = ""
    in_reply_to: str = ""
    references: Sequence[str] = ()
    # Written by a rule or a timer, not by a person (RFC 3834).
    auto: bool = False


def compose(mail: Outgoing) -> bytes:
    """MIME with CRLF line ends; Bcc never stands in it. Raises `ValueError`."""
    built = EmailMessage(policy=_POLICY)
    built["From"] = _header(mail.from_)
    built["To"] = tuple(_header(person) for person in mail.to)
    if mail.cc:
        built["Cc"] = tuple(_header(person) for person in mail.cc)
    built["Subject"] = limits.clean_line(mail.subject, limits.SUBJECT)
    built["Date"] = format_datetime(mail.date)
    if mail.auto:
        built["Auto-Submitted"] = "auto-generated"
        built["X-Auto-Response-Suppress"] = "All"
    built.set_content(_lines(mail.body_text), cte="quoted-printable")
    if mail.body_html:
        built.add_alternative(
            _lines(mail.body_html), subtype="html", cte="quoted-printable"
        )
    identity = (
        _ids("Message-ID", [mail.message_id])
        + _ids("In-Reply-To", [mail.in_reply_to])
        + _ids("References", mail.references)
    )
    return identity + built.as_bytes()


def reply_subject(subject: str) -> str:
    """`Re: ` once, however the other side's program says it.

    >>> reply_subject("AW: RE: Vraag")
    'Re: Vraag'
    """
    plain = subject.strip()
    while True:
        prefix, colon, rest = plain.partition(":")
        if not colon or prefix.strip().lower() not in _REPLY_PREFIXES:
            return f"Re: {plain}".strip()
        plain = rest.strip()


_REPLY_PREFIXES = frozenset({"re", "aw", "antw", "antwoord", "betr", "sv", "vs", "odp"})


def reference_chain(references: Sequence[str]) -> list[str]:
    """Each once, the first and the newest: a header of ids may not grow without end."""
    chain = list(dict.fromkeys(one for one in references if one))
    if len(chain) > _REFERENCES:
        return [chain[0], *chain[1 - _REFERENCES :]]
    return chain


def _ids(name: str, ids: Sequence[str]) -> bytes:
    """One id a line (RFC 5322 section 3.6.4), as it came.

    The library would turn a long one into encoded words, which nobody recognises; an
    id that is not ASCII can't stand in a header at all.
    """
    clean = [limits.message_id(one) for one in ids]
    kept = [f"<{one}>" for one in clean if one and one.isascii()]
    folded = "\r\n ".join(kept)
    return f"{name}: {folded}\r\n".encode() if kept else b""


def _header(person: Address) -> HeaderAddress:
    local, _, domain = normalise(person.address).rpartition("@")
    if not local or not local.isascii():
        raise ValueError(
            f"{person.address!r} is not an address that can be written to."
        )
    return HeaderAddress(
        display_name=limits.clean_line(person.name, limits.NAME),
        username=local,
        domain=domain,
    )


def _lines(text: str) -> str:
    """LF only, and one at the end: a lone CR can smuggle a second mail."""
    return limits.clean_text(text).rstrip("\n") + "\n"
