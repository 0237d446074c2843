"""What a person reads of a mail: the right text of the right parts, in order."""

import re
from dataclasses import dataclass, field, replace
from html import escape, unescape

from threads.mail import limits
from threads.mail.charsets import decode
from threads.mail.enclosures import is_tnef, opened, without_files
from threads.mail.kinds import is_program
from threads.mail.markup import content_id_of, sanitised, text_of
from threads.mail.mime import Part
from threads.mail.mojibake import Mender
from threads.mail.parsed import ParsedAttachment
from threads.mail.parts import (
    beginning,
    content,
    describe,
    disposition,
    filename,
    parameter,
    walk,
)
from threads.mail.tags import Levelled, levelled
from threads.mail.verdicts import STATUSES

_NOTHING = Levelled()
_READABLE = frozenset({"text/plain", "text/html"})
# The same once more, for programs that are not ours: nothing to save.
_RICHER = frozenset(
    {"text/x-amp-html", "text/watch-html", "text/enriched", "text/richtext"}
)
_CID = re.compile(r"(?<![a-z])(cid:[^\"'\s>)]{1,300})", re.IGNORECASE)
# What the HTML itself declares, where its part does not.
_META = re.compile(rb"<meta[^>]{0,200}?charset=[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_META_WITHIN = 4_000
_LINK = re.compile(r"<a\s", re.IGNORECASE)
_QUOTE_DEPTH = re.compile(r">*")


@dataclass(slots=True)
class Body:
    text: str = ""
    html: str = ""
    html_only: bool = False
    attachments: list[ParsedAttachment] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    # Misread letters were put right.
    repaired: bool = False


@dataclass(slots=True)
class _Section:
    """A stretch of body: plain text, HTML, or both as alternatives."""

    plain: str = ""
    html: Levelled = _NOTHING

    @property
    def text(self) -> str:
        return self.plain if self.plain.strip() else text_of(self.html)

    @property
    def shown(self) -> str:
        """Levelled HTML, also of what came as plain text."""
        return self.html or "<p>" + "<br>".join(escape(self.plain).split("\n")) + "</p>"


class _Reader:
    def __init__(self, message: Part) -> None:
        # The same numbers as `parts.attachment` uses.
        self.numbers = {id(part): number for number, part in walk(message)}
        self.attachments: list[ParsedAttachment] = []
        self.defects: list[str] = []
        self.named: list[Part] = []
        self.tnef: list[Part] = []
        self.statuses: list[Part] = []
        self.mender = Mender()
        # Characters that may still be read, over all parts.
        self.room = limits.TEXT

    def sections(self, part: Part) -> list[_Section]:
        inside = part.children
        if inside and part.content_type == "multipart/alternative":
            return self._alternative(inside)
        if inside:
            return [section for child in inside for section in self.sections(child)]
        return self._leaf(part)

    def _alternative(self, inside: list[Part]) -> list[_Section]:
        """The first branch that says something in plain text, and the last in HTML."""
        before = len(self.attachments)
        branches = [self.sections(child) for child in inside]
        plain = next((one for one in branches if _plain(one).strip()), [])
        html = next((one for one in reversed(branches) if any(s.html for s in one)), [])
        if plain or html:
            kept = [a for a in self.attachments if a.content_type not in _RICHER]
            self.attachments = self.attachments[:before] + kept[before:]
        section = _Section(_plain(plain), _joined(html) if html else _NOTHING)
        return [section] if plain or html else []

    def _leaf(self, part: Part) -> list[_Section]:
        kind = part.content_type
        readable = kind in _READABLE and disposition(part) != "attachment"
        if readable and not filename(part):
            text = self._decoded(part)
            html = kind == "text/html"
            if html and len(text) > limits.HTML:
                self.defects.append(f"html: only the first {limits.HTML} characters")
            self._list(part.enclosed)
            return [_Section(html=levelled(text)) if html else _Section(text)]
        if kind.startswith("multipart/") and not content(part).strip():
            self.defects.append(f"structure: an empty {kind}")
            return []
        if is_tnef(part):
            self.tnef.append(part)
        if kind in STATUSES:
            self.statuses.append(part)
        if kind == "text/plain" and disposition(part) == "inline":
            self.named.append(part)
        self._attach(part)
        return []

    def _attach(self, part: Part) -> None:
        """List it; of a winmail.dat what is in it, if anything is."""
        self._list((is_tnef(part) and part.enclosed) or [part])

    def _list(self, parts: list[Part]) -> None:
        for one in parts:
            found = describe(self.numbers[id(one)], one)
            self.attachments.append(found)
            if found.content_type != one.content_type and is_program(
                found.content_type
            ):
                self.defects.append(f"attachment: a program, not {one.content_type}")

    def of_tnef(self) -> list[_Section]:
        """The text that a winmail.dat keeps for itself."""
        found = [opened(part) for part in self.tnef]
        return [_Section(one.text, levelled(one.html)) for one in found]

    def of_named(self) -> list[_Section]:
        """Text that has a name but is meant to be read in its place."""
        return [_Section(self._decoded(part)) for part in self.named]

    def of_statuses(self) -> list[_Section]:
        """What servers tell each other, and now and then people."""
        return [_Section(self._decoded(part)) for part in self.statuses[:1]]

    def _decoded(self, part: Part) -> str:
        most = 4 * self.room
        raw = content(part) if part.enclosed else beginning(part, most + 1)
        label = parameter(part, "content-type", "charset")
        if not label and part.content_type == "text/html":
            meta = _META.search(raw, 0, _META_WITHIN)
            label = meta[1].decode() if meta else ""
        if part.enclosed:
            raw = without_files(raw)
        text, clean = decode(raw[:most], label)
        if len(raw) > most or len(text) > self.room:
            text = text[: self.room]
            self.defects.append(f"text: only the first {limits.TEXT} characters")
        self.room -= len(text)
        if not clean:
            self.defects.append(f"charset: not really {label or 'what it says'}")
        if parameter(part, "content-type", "format").lower() == "flowed":
            spaces = parameter(part, "content-type", "delsp").lower() == "yes"
            text = unflowed(text, delete_space=spaces)
        return self.mender.text(text)


def read(message: Part) -> Body:
    """Text, HTML and attachments of a MIME tree."""
    reader = _Reader(message)
    sections = reader.sections(message)
    if not any(section.plain.strip() or section.html for section in sections):
        sections = reader.of_named() or reader.of_tnef() or reader.of_statuses()
    text = "\n".join(filter(None, (section.text for section in sections)))
    written = _html_of(sections)
    shown = _referred(written) - {""}
    if len(_LINK.findall(written)) > limits.LINKS:
        reader.defects.append(f"links: only the first {limits.LINKS} are told")
    return Body(
        text=limits.clean_text(text).rstrip("\n"),
        html=limits.clean_text(sanitised(written)).rstrip("\n") if written else "",
        html_only=bool(written) and not any(s.plain.strip() for s in sections),
        attachments=[
            replace(one, inline=True) if one.content_id in shown else one
            for one in reader.attachments
        ],
        defects=reader.defects,
        repaired=reader.mender.mended,
    )


def _referred(html: str) -> set[str]:
    """The Content-IDs that its pictures name."""
    if "cid:" not in html.lower():
        return set()
    return {content_id_of(unescape(found[1])) for found in _CID.finditer(html)}


def html(message: Part) -> Levelled:
    """The HTML of a MIME tree, levelled but not yet safe; `""` without any."""
    return _html_of(_Reader(message).sections(message))


def _html_of(sections: list[_Section]) -> Levelled:
    return _joined(sections) if any(section.html for section in sections) else _NOTHING


def _plain(sections: list[_Section]) -> str:
    return "\n".join(section.plain for section in sections if section.plain)


def _joined(sections: list[_Section]) -> Levelled:
    return Levelled("\n".join(section.shown for section in sections))


def unflowed(text: str, *, delete_space: bool = False) -> str:
    """Paragraphs of format=flowed made whole again (RFC 3676 section 4).

    >>> unflowed("een lange \\nregel\\n-- \\nJan")
    'een lange regel\\n-- \\nJan'
    """
    # Each line as the pieces it came in: long ones come in very many.
    lines: list[list[str]] = []
    open_depth = -1
    for raw in text.replace("\r\n", "\n").split("\n"):
        depth = len(_QUOTE_DEPTH.match(raw)[0])  # type: ignore[index]
        line = raw[depth:].removeprefix(" ")
        signature = line == "-- "
        flows = line.endswith(" ") and not signature
        piece = line[:-1] if flows and delete_space else line
        if depth == open_depth and not signature:
            lines[-1].append(piece)
        elif depth:
            lines.append([">" * depth, " ", piece])
        else:
            lines.append([piece])
        open_depth = depth if flows else -1
    return "\n".join("".join(pieces) for pieces in lines)
