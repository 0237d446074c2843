"""A message as the page of its thread shows it: text in pieces, and what to know."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from threads import explanation
from threads.admin import explain
from threads.mail.compose import reply_subject
from threads.models import Message, Recipient, Thread

_LINK = re.compile(
    r"https?://[^\s<>\"'\u201c\u201d]{1,2000}[^\s<>\"'\u201c\u201d.,;:!?)\]}]"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text, a link where `href` says so."""

    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Text of one kind, in the order of the mail; the others are folded."""

    kind: Literal["reply", "quoted", "signature"]
    pieces: list[Piece]


@dataclass(slots=True, kw_only=True)
class Letter:
    """A message as the page shows it."""

    message: Any
    stretches: list[Stretch]
    cut: bool
    first_line: str
    # "" where only the address is known.
    name: str
    sender: dict[str, str]
    # Its own subject, where that is not the thread's.
    subject: str
    recipients: list[dict[str, str]]
    attachments: list[Any]
    inline: list[Any]
    flags: list[tuple[str, str, str]]
    state: tuple[str, str]
    why: str
    # `(verdict, what speaks for it)` on a mail from outside.
    verdicts: list[tuple[str, str]]
    refused: list[Recipient] = field(default_factory=list)
    unfolded: bool = False
    first: bool = False

    is_note = False

    @property
    def inbound(self) -> bool:
        return bool(self.message.direction == Message.Direction.INBOUND)

    @property
    def when(self) -> datetime:
        moment: datetime = self.message.created_at
        return moment


def letter_of(message: Any, thread: Thread) -> Letter:
    people = message.addresses
    sender = (people.get("from") or [{"address": message.sender, "name": ""}])[0]
    ours = message.direction == Message.Direction.OUTBOUND
    writer = str(message.author or message.actor.get("name") or "") if ours else ""
    changed = reply_subject(message.subject) != reply_subject(thread.subject)
    attachments = list(message.attachment_set.all())
    stretches = [
        Stretch(kind, list(pieces(text))) for kind, text in _stretches(message)
    ]
    reply = next((s for s in stretches if s.kind == "reply"), None)
    whole = "".join(piece.text for piece in reply.pieces) if reply else message.text
    return Letter(
        message=message,
        stretches=stretches,
        cut=message.length > len(message.text),
        first_line=" ".join(whole[:400].split())[:160],
        name=writer or sender.get("name", ""),
        sender=sender,
        subject=message.subject if changed else "",
        recipients=[*people.get("to", []), *people.get("cc", [])],
        attachments=[one for one in attachments if not one.inline],
        inline=[one for one in attachments if one.inline],
        flags=explain.flags(message),
        state=explain.state(message) if ours else ("", ""),
        why=explanation.why(message),
        verdicts=[] if ours else explanation.verdicts(message),
    )


def _stretches(message: Any) -> Iterator[tuple[Any, str]]:
    """`body_text` in order, each part with its kind; blank edges go."""
    kinds = ("reply", "quoted", "signature")
    ranges = sorted(
        (start, end, kind)
        for kind in kinds
        for start, end in message.spans.get(kind, [])
    )
    for start, end, kind in ranges:
        text = message.text[start:end].strip("\n")
        if text.strip():
            yield kind, text
    if not ranges and message.text.strip():
        yield "reply", message.text


def pieces(text: str) -> Iterator[Piece]:
    """Text with its web addresses marked, in one pass.

    >>> [p.href for p in pieces("zie https://x.nl/a.") if p.href]
    ['https://x.nl/a']
    """
    position = 0
    for found in _LINK.finditer(text):
        if found.start() > position:
            yield Piece(text[position : found.start()])
        yield Piece(found[0], found[0])
        position = found.end()
    if position < len(text):
        yield Piece(text[position:])
