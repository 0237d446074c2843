"""A mail, understood: the one frozen value after which nobody touches MIME."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Authentication = Literal["pass", "fail", "unknown"]
Protection = Literal["", "signed", "encrypted"]


@dataclass(frozen=True, slots=True)
class Address:
    """As written, made storable; compare with `addresses.normalise`."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedAttachment:
    """`part` is the number under which `parts.attachment` reads the bytes."""

    part: int
    filename: str
    content_type: str
    size: int
    inline: bool
    content_id: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMail:
    """Everything is storable on every database, within the columns' lengths."""

    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    from_: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    # The one From address, normalised; "" when missing, plural or ambiguous.
    sender: str
    # Delivered-To, X-Original-To and the like, as written.
    delivered_to: tuple[str, ...]
    subject: str
    # UTC, 1970 to 2100; None when absent or absurd.
    date: datetime | None
    body_text: str
    body_html: str
    # No part was plain text: body_text was read from the HTML.
    html_only: bool
    # {"reply": [[start, end], …], "quoted": …, "signature": …}: they cover body_text.
    spans: dict[str, list[list[int]]]
    attachments: tuple[ParsedAttachment, ...]
    auto: bool
    bulk: bool
    # None, or what the delivery report says: message_id; recipients: [{"address",
    # "original", "action", "status", "detail"}, …]; recipient, action, status: of the
    # first that failed.
    bounce: dict[str, Any] | None
    # The envelope, or a daemon's name, says that no person sent it.
    from_server: bool
    # None, or what a feedback report says: message_id, type, recipient, agent.
    complaint: dict[str, str] | None
    # (verdict, evidence): the headers that speak for `auto` and `bulk`.
    reasons: tuple[tuple[str, str], ...]
    authentication: Authentication
    # S/MIME or PGP; told, not checked.
    protection: Protection
    # Misread letters (`cafÃ©`) were put right; the original has them as they came.
    repaired: bool
    defects: tuple[str, ...]
    dedupe_key: str
    # How many Received headers it has.
    hops: int
