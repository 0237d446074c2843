"""The parts of a mail, numbered in one way: pre-order, enclosed mails unopened."""

import re
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes
from email.generator import BytesGenerator
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from hashlib import sha256
from io import BytesIO
from ntpath import basename as after_backslash
from posixpath import basename as after_slash

from threads.mail import limits
from threads.mail.headers import decoded, raw_values
from threads.mail.nesting import too_deep
from threads.mail.parsed import ParsedAttachment

# The library's parser is slow on very many boundaries and recursive on deep nesting.
_MANY_BOUNDARIES = 20_000
_LINE_END = re.compile(rb"\r\n|\r|\n")
_BIDI = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c\u200b-\u200d\ufeff]")
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")


def without_envelope(raw: bytes) -> bytes:
    """An mbox "From " line or blank lines before the first header are not the mail."""
    raw = raw.lstrip(b"\r\n")
    if not raw.startswith((b"From ", b">From ")):
        return raw
    end = _LINE_END.search(raw)
    return raw[end.end() :] if end else b""


def tree(raw: bytes) -> tuple[Message, list[str]]:
    """The MIME tree of a mail as it came, and what was wrong with it. Never raises.

    What is too deep or too wide for a tree comes back as headers with a plain body.
    """
    raw = without_envelope(raw)
    boundaries = raw.count(b"\n--") + raw.count(b"\r--")
    if boundaries < _MANY_BOUNDARIES and not too_deep(raw):
        with suppress(RecursionError, ValueError, LookupError, AttributeError):
            return message_from_bytes(raw, policy=compat32), []
    return BytesParser(policy=compat32).parsebytes(raw, headersonly=True), [
        "structure: too deep or too wide to open"
    ]


def walk(message: Message) -> Iterator[tuple[int, int, Message]]:
    """`(number, depth, part)` in pre-order, within the limits."""
    stack: list[tuple[int, Message]] = [(0, message)]
    number = 0
    while stack and number < limits.PARTS:
        depth, part = stack.pop()
        yield number, depth, part
        number += 1
        if depth < limits.DEPTH:
            stack.extend((depth + 1, child) for child in reversed(children(part)))


def children(part: Message) -> list[Message]:
    """The parts of a multipart; an enclosed mail has none, it is one attachment."""
    return [] if content_type(part).startswith("message/") else _inside(part)


def _inside(part: Message) -> list[Message]:
    # Of a leaf the payload is decoded on the way, and that may raise.
    payload = part.get_payload() if part.is_multipart() else []
    return [child for child in payload if isinstance(child, Message)]


def content_type(part: Message) -> str:
    """Lower-case `type/subtype`; `text/plain` when absent or malformed (RFC 2045)."""
    declared = next(raw_values(part, "content-type"), "").partition(";")[0]
    return safe_type(declared) if declared.strip() else "text/plain"


def safe_type(declared: str) -> str:
    """Lower-case `type/subtype`, or the one that promises nothing."""
    plain = declared.strip().lower()
    if _TYPE.fullmatch(plain) and len(plain) <= limits.CONTENT_TYPE:
        return plain
    return "application/octet-stream"


def parameter(part: Message, header: str, name: str) -> str:
    """A MIME parameter, RFC 2231 and RFC 2047 decoded; `""` when absent."""
    value = next(raw_values(part, header), "")
    if name not in value.lower():
        return ""
    kept = Message()
    kept[header] = ";".join(value.split(";")[: limits.PARAMETERS])
    try:
        found = kept.get_param(name, "", header)
        if isinstance(found, tuple):
            charset, _, raw = found
            found = raw.encode("latin-1", "replace").decode(
                charset or "utf-8", "replace"
            )
    except (LookupError, UnicodeError, ValueError, IndexError, TypeError):
        return ""
    return decoded(str(found))


def filename(part: Message) -> str:
    """As it declares itself, made safe."""
    name = parameter(part, "content-disposition", "filename")
    return safe_name(name or parameter(part, "content-type", "name"))


def safe_name(name: str) -> str:
    """A name that is safe to show and to save: no path, control or bidi trick.

    What remains may be empty.
    """
    name = after_slash(after_backslash(name.replace("\x00", "")))
    name = _BIDI.sub("", limits.clean_line(name, 4 * limits.FILENAME)).strip()
    if name in {".", ".."}:
        return ""
    if len(name) > limits.FILENAME:
        stem, dot, extension = name.rpartition(".")
        keep = limits.FILENAME - len(extension) - 1
        name = f"{stem[:keep]}{dot}{extension}" if keep > 0 else name
    return name[: limits.FILENAME]


def disposition(part: Message) -> str:
    value = next(raw_values(part, "content-disposition"), "")
    return value.partition(";")[0].strip().lower()


def content(part: Message) -> bytes:
    """The decoded bytes; of an enclosed mail, that mail. Never raises."""
    if part.is_multipart():
        return b"\n".join(_flat(child) for child in _inside(part))
    try:
        found = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        return _flat(part).partition(b"\n\n")[2]
    return found if isinstance(found, bytes) else b""


def _flat(message: Message) -> bytes:
    out = BytesIO()
    try:
        BytesGenerator(out, mangle_from_=False, policy=compat32).flatten(message)
    except (RecursionError, UnicodeError, ValueError, KeyError, AttributeError):
        return out.getvalue()
    return out.getvalue()


def describe(number: int, part: Message) -> ParsedAttachment:
    data = content(part)
    identifier = next(raw_values(part, "content-id"), "").strip().strip("<>")
    return ParsedAttachment(
        part=number,
        filename=filename(part),
        content_type=content_type(part),
        size=len(data),
        inline=disposition(part) != "attachment" and bool(identifier),
        content_id=limits.clean_line(identifier, limits.CONTENT_ID),
        sha256=sha256(data).hexdigest(),
    )


def attachment(raw: bytes, part: int) -> bytes:
    """The bytes of the part that `parse` numbered so. Raises `LookupError`."""
    message, _ = tree(raw)
    for number, _depth, found in walk(message):
        if number == part:
            return content(found)
    raise LookupError(f"The mail has no part {part}.")
