"""The MIME tree (RFC 5322, RFC 2046), split in one pass over the bytes.

The library's parser asks every enclosing boundary about every line, recurses, raises,
and gives enclosed mails back rewritten. Here a line that begins with `--` is looked up
once, however deep it lies, and each part keeps its exact bytes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from threads.mail import limits
from threads.mail.charsets import decode
from threads.mail.parameters import parameters

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
# RFC 5322 section 2.2, with the blanks before the colon of section 4.5.
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_DASHES = re.compile(rb"--([^\r\n]*)")
_ENVELOPE = re.compile(rb">?From (?![ \t]*:)[^\r\n]*(?:\r\n|\r|\n|\Z)")
_TYPE = re.compile(r"([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)(?=[\s;,(]|\Z)")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# (name in lower case, unfolded value), in the order of the mail.
Fields = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Part:
    """One part: its header, and either its bytes as they came or its parts."""

    fields: Fields = field(default_factory=list)
    # The bytes it was read from, and where among them its body stands: a copy of a
    # large one is made only for whoever wants all of it at once.
    source: bytes = b""
    begins: int = 0
    ends: int | None = None
    children: list["Part"] = field(default_factory=list)
    # What it is when its header does not say (RFC 2046 section 5.1.5).
    default_type: str = "text/plain"
    # Files in its bytes that are no parts, as parts (`enclosures`).
    enclosed: list["Part"] = field(default_factory=list)
    # What was asked of the header before, and is asked again.
    _index: dict[bytes, bytes] | None = field(default=None, repr=False)
    _firsts: dict[str, str] = field(default_factory=dict, repr=False)
    _parameters: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    _type: str = field(default="", repr=False)

    @property
    def body(self) -> bytes:
        return self.source[self.begins : self.ends]

    @property
    def view(self) -> memoryview:
        """The body, not copied."""
        return memoryview(self.source)[self.begins : self.ends]

    def values(self, name: str) -> Iterator[str]:
        """The values of a header, unfolded, bytes beyond ASCII decoded."""
        wanted = name.encode()
        for key, value in self.fields:
            if key == wanted:
                yield _text(value[: limits.HEADER_BYTES])

    def first(self, name: str) -> str:
        """The first of these; `""` when there is none."""
        found = self._firsts.get(name)
        if found is None:
            if self._index is None:
                self._index = dict(reversed(self.fields))
            value = self._index.get(name.encode(), b"")
            found = self._firsts[name] = _text(value[: limits.HEADER_BYTES])
        return found

    def parameters(self, name: str) -> dict[str, str]:
        """The parameters of a header, by their names in lower case."""
        found = self._parameters.get(name)
        if found is None:
            found = self._parameters[name] = parameters(self.first(name))
        return found

    @property
    def content_type(self) -> str:
        """Lower-case `type/subtype`; one that can't be read is no text (RFC 2045)."""
        if not self._type:
            declared = self.first("content-type").strip(" \t;")
            self._type = safe_type(declared) if declared else self.default_type
        return self._type


def safe_type(declared: str) -> str:
    """Lower-case `type/subtype`, or the one that promises nothing."""
    found = _TYPE.match(declared.lower())
    if found and len(found[1]) <= limits.CONTENT_TYPE:
        return found[1]
    return "application/octet-stream"


def _text(value: bytes) -> str:
    return value.decode("ascii") if value.isascii() else decode(value)[0]


def unwrapped(raw: bytes) -> bytes:
    """The mail itself: without what mailbox files and careless tools put around it.

    >>> unwrapped(b"\\nFrom jan@x.nl Mon\\nSubject: s\\n\\nbody")
    b'Subject: s\\n\\nbody'
    """
    raw = raw.removeprefix(_BYTE_ORDER_MARK).lstrip(b"\r\n")
    at = 0
    while envelope := _ENVELOPE.match(raw, at):
        at = envelope.end()
    raw = raw[at:]
    # Written twice through a text mode that doubles the CR.
    if raw[: raw.find(b"\n") + 1].endswith(b"\r\r\n"):
        raw = raw.replace(b"\r\r\n", b"\r\n")
    return raw


def header(raw: bytes, at: int = 0) -> tuple[Fields, int]:
    """The header that begins at `at`, and where its body begins.

    An empty line ends it, or the first line that is neither field nor continuation:
    that one is body.

    >>> header(b"Subject: a\\r\\n b\\r\\n\\r\\nbody")
    ([(b'subject', b'a b')], 18)
    >>> header(b"Subject: a\\rno header\\r")
    ([(b'subject', b'a')], 11)
    """
    found: list[tuple[bytes, list[bytes]]] = []
    while at < len(raw):
        line = _LINE.match(raw, at)
        assert line  # it matches anything
        content = line[1]
        if content[:1] in {b" ", b"\t"}:
            if found:
                found[-1][1].append(content)
        elif (name := _FIELD.match(content)) and not content.startswith(b"--"):
            found.append((name[1].lower(), [content[name.end() :].lstrip(b" \t")]))
        else:
            at = at if content else line.end()
            break
        at = line.end()
    return [(name, b"".join(lines)) for name, lines in found], at


def tree(raw: bytes) -> tuple[Part, list[str]]:
    """The parts of an unwrapped mail, and what was too deep or too many to open."""
    splitter = _Splitter(raw)
    return splitter.root, splitter.defects


class _Splitter:
    """Boundaries that are open, outermost first, while the lines go by."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.defects: list[str] = []
        self.count = 0
        self.stack: list[tuple[Part, bytes]] = []
        # An outer boundary rules: a part can't make its own of it.
        self.depths: dict[bytes, int] = {}
        # The part whose body is going by, and where that body began.
        self.leaf: tuple[Part, int] | None = None
        self.root, at = self._begin(0, "text/plain")
        self._split(at)

    def _begin(self, at: int, default_type: str) -> tuple[Part, int]:
        fields, at = header(self.raw, at)
        part = Part(fields, default_type=default_type)
        self.count += 1
        self.leaf = (part, at)
        if part.content_type.startswith("multipart/"):
            self._open(part)
        return part, at

    def _open(self, part: Part) -> None:
        boundary = part.parameters("content-type").get("boundary", "").rstrip()
        if not boundary:
            return
        if len(self.stack) >= limits.DEPTH:
            self._note("structure: too deep to open")
            return
        line = boundary.encode("utf-8", "surrogateescape")
        self.depths.setdefault(line, len(self.stack))
        self.stack.append((part, line))
        self.leaf = None  # what stands before its first part is no part

    def _split(self, start: int) -> None:
        raw = self.raw
        for match in _DASHES.finditer(raw, start):
            at = match.start()
            if at > start and raw[at - 1] not in b"\r\n":
                continue
            line = match[1].rstrip(b" \t")
            depth = self.depths.get(line)
            closes = depth is None and line.endswith(b"--")
            if closes:
                depth = self.depths.get(line[:-2])
            if depth is None:
                continue
            if not closes and self.count >= limits.PARTS:
                self._note(f"parts: only the first {limits.PARTS} are listed")
                self._close(at, depth + 1)
                return
            self._close(at, depth + (0 if closes else 1))
            if not closes:
                self._next(match.end())
        self._close(len(raw), 0, final=True)

    def _next(self, at: int) -> None:
        """The part after a boundary, unless there is only another boundary."""
        end = _LINE.match(self.raw, at)
        at = end.end() if end else at
        parent = self.stack[-1][0]
        digest = parent.content_type == "multipart/digest"
        following = _DASHES.match(self.raw, at)
        if following and following[1].rstrip(b" \t").removesuffix(b"--") in self.depths:
            return
        if at >= len(self.raw):
            return
        part, _ = self._begin(at, "message/rfc822" if digest else "text/plain")
        parent.children.append(part)

    def _close(self, at: int, depth: int, *, final: bool = False) -> None:
        """The body that went by is done, and so are the multiparts deeper than that."""
        if self.leaf:
            part, begun = self.leaf
            end = at if final else max(begun, at - self._line_end(at))
            part.source, part.begins, part.ends = self.raw, begun, end
            self.leaf = None
        while len(self.stack) > depth:
            _, line = self.stack.pop()
            if self.depths.get(line) == len(self.stack):
                del self.depths[line]

    def _line_end(self, at: int) -> int:
        """The line end before a boundary belongs to the boundary."""
        return 2 if self.raw[at - 2 : at] == b"\r\n" else 1

    def _note(self, defect: str) -> None:
        if defect not in self.defects:
            self.defects.append(defect)
