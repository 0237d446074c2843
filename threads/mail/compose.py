"""A mail of ours, frozen: the bytes that are stored, sent, and sent again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import SMTP, compat32
from email.utils import format_datetime, quote

from threads.mail import limits
from threads.mail.addresses import normalise
from threads.mail.limits import storable
from threads.mail.mime import safe_type
from threads.mail.parsed import Address
from threads.mail.parts import safe_name

# Folded and encoded for every relay: no line over 998, CRLF only, ASCII headers.
_POLICY = SMTP.clone(cte_type="7bit", max_line_length=78)
_REFERENCES = 20
# Their parts may not be base64 (RFC 2045 section 6.4).
_NEVER_ENCODED = ("multipart/", "message/")
# A longer one can't be folded, and is encoded for that.
_LONGEST_WORD = 60
_SPECIAL = re.compile(r"[^A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A file that goes along; its name and type are whatever somebody claims."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    from_: Address
    to: Sequence[Address]
    subject: str
    body_text: str
    message_id: str
    date: datetime
    cc: Sequence[Address] = ()
    reply_to: Sequence[Address] = ()
    body_html: str = ""
    in_reply_to: str = ""
    references: Sequence[str] = ()
    attachments: Sequence[Enclosure] = ()
    # Written by a rule or a timer, not by a person (RFC 3834).
    auto: bool = False


def compose(mail: Outgoing) -> bytes:
    """MIME with CRLF line ends; Bcc never stands in it. Raises `ValueError`.

    Headers are written here: the library decodes what looks like an encoded word in
    plain text, and with it line ends that a stranger hid in his name.
    """
    subject = limits.clean_line(mail.subject, limits.SUBJECT)
    lines = [
        _ids("Message-ID", [mail.message_id]),
        _ids("In-Reply-To", [mail.in_reply_to]),
        _ids("References", mail.references),
        _people("From", [mail.from_]),
        _people("To", mail.to),
        _people("Cc", mail.cc),
        _people("Reply-To", mail.reply_to),
        f"Subject: {_words('Subject', subject)}",
        f"Date: {format_datetime(mail.date)}",
    ]
    if mail.auto:
        lines += ["Auto-Submitted: auto-generated", "X-Auto-Response-Suppress: All"]
    lines = [line for line in lines if line]
    composed = "".join(f"{line}\r\n" for line in lines).encode("ascii") + _body(mail)
    wanted = [line.partition(":")[0] for line in lines]
    found = BytesHeaderParser(policy=compat32).parsebytes(composed).keys()
    if [name for name in found if not name.startswith(("Content-", "MIME-"))] != wanted:
        raise ValueError("The mail's headers would say more than was asked.")
    return composed


def _body(mail: Outgoing) -> bytes:
    """The headers of MIME, a blank line, and the text."""
    built = EmailMessage(policy=_POLICY)
    built.set_content(_lines(mail.body_text), cte="quoted-printable")
    if mail.body_html:
        built.add_alternative(
            _lines(mail.body_html), subtype="html", cte="quoted-printable"
        )
    for file in mail.attachments:
        kind = safe_type(file.content_type)
        if kind.startswith(_NEVER_ENCODED):
            kind = "application/octet-stream"
        main, _slash, sub = kind.partition("/")
        built.add_attachment(
            file.content,
            maintype=main,
            subtype=sub,
            filename=storable(safe_name(file.filename)) or "attachment",
        )
    return built.as_bytes()


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


def _ids(name: str, ids: Sequence[str]) -> str:
    """One id a line (RFC 5322 section 3.6.4), as it came; "" without any.

    An id that is not ASCII can't stand in a header at all.
    """
    clean = [limits.message_id(one) for one in ids]
    kept = [f"<{one}>" for one in clean if one and one.isascii()]
    return f"{name}: " + "\r\n ".join(kept) if kept else ""


def _people(name: str, people: Sequence[Address]) -> str:
    """An address a line (RFC 5322 section 3.4)."""
    if not people:
        return ""
    return f"{name}: " + ",\r\n ".join(_person(one) for one in people)


def _person(person: Address) -> str:
    plain = normalise(person.address)
    if not plain or not plain.isascii():
        raise ValueError(
            f"{person.address!r} is not an address that can be written to."
        )
    shown = limits.clean_line(person.name, limits.NAME)
    if not shown:
        return plain
    if _is_plain(shown):
        return (
            f'"{quote(shown)}" <{plain}>'
            if _SPECIAL.search(shown)
            else (f"{shown} <{plain}>")
        )
    return f"{_words('', shown)} <{plain}>"


def _words(name: str, text: str) -> str:
    """As it is, or in encoded words (RFC 2047), folded."""
    charset = "us-ascii" if _is_plain(text) else "utf-8"
    header = Header(text, charset, maxlinelen=76, header_name=name or "Resent-From")
    return header.encode(linesep="\r\n")


def _is_plain(text: str) -> bool:
    """Fit to stand unencoded: nothing that a reader takes for an encoded word."""
    return (
        text.isascii()
        and "=?" not in text
        and all(len(word) <= _LONGEST_WORD for word in text.split(" "))
    )


def _lines(text: str) -> str:
    """LF only, and one at the end: a lone CR can smuggle a second mail."""
    return limits.clean_text(text).rstrip("\n") + "\n"
