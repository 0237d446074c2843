"""What a person reads of a mail: the right text of the right parts, in order."""

import re
from dataclasses import dataclass, field
from email.message import Message
from html import escape

from threads.mail import limits
from threads.mail.charsets import decode
from threads.mail.markup import sanitised, text_of
from threads.mail.parsed import ParsedAttachment
from threads.mail.parts import (
    children,
    content,
    content_type,
    describe,
    disposition,
    filename,
    parameter,
    walk,
)

_QUOTE_DEPTH = re.compile(r">*")


@dataclass(slots=True)
class Body:
    text: str = ""
    html: str = ""
    html_only: bool = False
    attachments: list[ParsedAttachment] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Section:
    """A stretch of body: plain text, HTML, or both as alternatives."""

    plain: str = ""
    html: str = ""

    @property
    def text(self) -> str:
        return self.plain if self.plain.strip() else text_of(self.html)


class _Reader:
    def __init__(self, message: Message) -> None:
        walked = list(walk(message))
        # The same numbers as `parts.attachment` uses.
        self.numbers = {id(part): number for number, _, part in walked}
        self.attachments: list[ParsedAttachment] = []
        self.defects: list[str] = []
        if len(walked) >= limits.PARTS:
            self.defects.append(f"parts: only the first {limits.PARTS} are listed")

    def sections(self, part: Message) -> list[_Section]:
        if id(part) not in self.numbers:
            return []
        inside = children(part)
        if inside and content_type(part) == "multipart/alternative":
            return self._alternative(inside)
        if inside:
            return [section for child in inside for section in self.sections(child)]
        return self._leaf(part)

    def _alternative(self, inside: list[Message]) -> list[_Section]:
        """The richest HTML, and the first plain text that says something."""
        found = [section for child in inside for section in self.sections(child)]
        plain = next((s.plain for s in found if s.plain.strip()), "")
        html = next((s.html for s in reversed(found) if s.html.strip()), "")
        return [_Section(plain, html)] if plain or html else []

    def _leaf(self, part: Message) -> list[_Section]:
        kind = content_type(part)
        readable = kind in {"text/plain", "text/html"} and not part.is_multipart()
        if readable and disposition(part) != "attachment" and not filename(part):
            text = self._decoded(part)
            return [_Section(html=text) if kind == "text/html" else _Section(text)]
        if kind.startswith("multipart/") and not content(part).strip():
            self.defects.append(f"structure: an empty {kind}")
            return []
        self.attachments.append(describe(self.numbers[id(part)], part))
        return []

    def _decoded(self, part: Message) -> str:
        label = parameter(part, "content-type", "charset")
        text, clean = decode(content(part)[: 4 * limits.TEXT], label)
        if not clean:
            self.defects.append(f"charset: not really {label or 'what it says'}")
        if parameter(part, "content-type", "format").lower() == "flowed":
            spaces = parameter(part, "content-type", "delsp").lower() == "yes"
            text = unflowed(text, delete_space=spaces)
        return text


def read(message: Message) -> Body:
    """Text, HTML and attachments of a MIME tree."""
    reader = _Reader(message)
    sections = reader.sections(message)
    text = "\n".join(section.text for section in sections if section.text)
    html = _html_of(sections)
    return Body(
        text=limits.clean_text(text),
        html=limits.clean_text(sanitised(html)) if html else "",
        html_only=bool(html) and not any(s.plain.strip() for s in sections),
        attachments=reader.attachments,
        defects=reader.defects,
    )


def html(message: Message) -> str:
    """The HTML of a MIME tree as its sender wrote it: hostile. `""` without any."""
    return _html_of(_Reader(message).sections(message))


def _html_of(sections: list[_Section]) -> str:
    if not any(section.html for section in sections):
        return ""
    return "\n".join(
        section.html or f"<p>{escape(section.plain)}</p>" for section in sections
    )


def unflowed(text: str, *, delete_space: bool = False) -> str:
    """Paragraphs of format=flowed made whole again (RFC 3676 section 4).

    >>> unflowed("een lange \\nregel\\n-- \\nJan")
    'een lange regel\\n-- \\nJan'
    """
    pieces: list[str] = []
    open_depth = -1
    for number, raw in enumerate(text.replace("\r\n", "\n").split("\n")):
        depth = len(_QUOTE_DEPTH.match(raw)[0])  # type: ignore[index]
        line = raw[depth:].removeprefix(" ")
        signature = line == "-- "
        flows = line.endswith(" ") and not signature
        if depth != open_depth or signature:
            pieces.append("\n" if number else "")
            pieces.append(f"{'>' * depth} " if depth else "")
        pieces.append(line[:-1] if flows and delete_space else line)
        open_depth = depth if flows else -1
    return "".join(pieces)
