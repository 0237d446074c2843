"""Replies as programs in six languages write them, and what we should see in them.

Each file of `tests/mail/replies/` holds mails after a line `@@ NAME`. A mail is its
parts one after another, each below `@reply`, `@quoted` or `@signature`: put together
they are the text. Below `@html` stands the source instead, and the parts are what
should be read from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from threads.mail.parse import parse

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "mail" / "replies"
KINDS = ("reply", "quoted", "signature")
# Written before the rules, to tell how they do on mail they were not made for: its
# score is printed, its differences are not.
HELD_OUT = "dutch_held_out"
SETS = ("dutch", HELD_OUT, "english", "german", "french", "spanish", "italian")


@dataclass(slots=True)
class Case:
    name: str
    source: dict[str, str] = field(default_factory=dict)
    parts: list[tuple[str, str]] = field(default_factory=list)

    def raw(self) -> bytes:
        html = self.source.get("html")
        kind = "plain" if html is None else "html"
        text = "".join(part for _, part in self.parts) if html is None else html
        return f"Content-Type: text/{kind}; charset=utf-8\n\n{text}".encode()

    def wanted(self) -> dict[str, str]:
        return {
            kind: _folded(part for name, part in self.parts if name == kind)
            for kind in KINDS
        }

    def found(self) -> dict[str, str]:
        mail = parse(self.raw())
        return {
            kind: _folded(mail.body_text[start:end] for start, end in mail.spans[kind])
            for kind in KINDS
        }


def _folded(parts: Iterator[str]) -> str:
    """Without what only marks an empty line."""
    words = "\n".join(parts).split()
    return " ".join(word for word in words if word.strip(">"))


def cases(name: str) -> Iterator[Case]:
    case = Case("")
    below: list[str] = []
    kind = ""
    lines = (FOLDER / f"{name}.txt").read_text("utf-8").splitlines(keepends=True)
    for line in [*lines, "@@ "]:
        mark = line[1:].strip()
        if line.startswith("@@ ") or (line[0] == "@" and mark in {"html", *KINDS}):
            if kind == "html":
                case.source["html"] = "".join(below)
            elif kind:
                case.parts.append((kind, "".join(below)))
            below, kind = [], mark
        else:
            below.append(line)
        if line.startswith("@@ "):
            if case.name:
                yield case
            case, kind = Case(line[3:].strip()), ""
