"""The parts of a mail, numbered in one way: pre-order, enclosed mails unopened.

Files within a part (`enclosures`) come after all parts.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from ntpath import basename as after_backslash
from posixpath import basename as after_slash

from threads.mail import limits, mime
from threads.mail.enclosures import files
from threads.mail.headers import decoded
from threads.mail.kinds import told_apart
from threads.mail.mime import Part
from threads.mail.parsed import ParsedAttachment
from threads.mail.transfer import pieces

_CALENDARS = frozenset({"text/calendar", "application/ics"})
# What a file is shows in its first bytes.
_HEAD = 512
_BIDI = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c\u200b-\u200d\ufeff]")


def tree(raw: bytes) -> tuple[Part, list[str]]:
    """The MIME tree of a mail as it came, and what was wrong with it. Never raises."""
    message, defects = mime.tree(mime.unwrapped(raw))
    parts = [part for _, part in walk(message)]
    room = limits.PARTS - len(parts)
    for part in parts:
        found = files(part)
        part.enclosed = found[: max(room, 0)]
        room -= len(found)
    if room < 0:
        defects.append(f"parts: only the first {limits.PARTS} are listed")
    return message, defects


def walk(message: Part) -> Iterator[tuple[int, Part]]:
    """`(number, part)` in pre-order, then what they enclose."""
    stack = [message]
    enclosed: list[Part] = []
    number = 0
    while stack:
        part = stack.pop()
        yield number, part
        number += 1
        stack.extend(reversed(part.children))
        enclosed += part.enclosed
    yield from enumerate(enclosed, number)


def parameter(part: Part, header: str, name: str) -> str:
    """A MIME parameter, RFC 2231 and RFC 2047 decoded, one line; `""` when absent."""
    found = part.parameters(header).get(name, "")
    return found and limits.clean_line(decoded(found), limits.HEADER_BYTES)


def filename(part: Part) -> str:
    """As it declares itself, made safe; an invitation without a name gets one."""
    name = parameter(part, "content-disposition", "filename")
    name = name or parameter(part, "content-type", "name")
    # Some encode what was encoded.
    name = safe_name(decoded(name))
    return name or ("invite.ics" if part.content_type in _CALENDARS else "")


def safe_name(name: str) -> str:
    """A name that is safe to show and to save: no path, control or bidi trick.

    What remains may be empty.
    """
    name = name.replace("\x00", "").rpartition("\\")[2]
    name = after_slash(after_backslash(name))
    name = _BIDI.sub("", limits.clean_line(name, limits.HEADER_BYTES)).strip()
    # Windows drops them, and then it is another extension.
    name = name.rstrip(". ")
    if len(name) > limits.FILENAME:
        stem, dot, extension = name.rpartition(".")
        keep = limits.FILENAME - len(extension) - 1
        name = f"{stem[:keep]}{dot}{extension}" if keep > 0 else name
    return name[: limits.FILENAME]


def disposition(part: Part) -> str:
    return part.first("content-disposition").partition(";")[0].strip().lower()


def content_id(part: Part) -> str:
    """What `cid:` links in the mail call it; `""` when nothing does."""
    identifier = decoded(part.first("content-id")).strip().strip("<>")
    return limits.clean_line(identifier, limits.CONTENT_ID)


def content(part: Part) -> bytes:
    """The bytes without their transfer encoding; of an enclosed mail, that mail."""
    return b"".join(_pieces(part))


def beginning(part: Part, size: int) -> bytes:
    """At most the first bytes of that."""
    found: list[bytes] = []
    for piece in _pieces(part):
        found.append(piece[:size])
        size -= len(piece)
        if size <= 0:
            break
    return b"".join(found)


def _pieces(part: Part) -> Iterator[bytes]:
    return pieces(part.view, part.first("content-transfer-encoding"))


def describe(number: int, part: Part) -> ParsedAttachment:
    digest, size, head = sha256(), 0, b""
    for piece in _pieces(part):
        digest.update(piece)
        size += len(piece)
        head += piece[: max(_HEAD - len(head), 0)]
    identifier = content_id(part)
    name = filename(part)
    return ParsedAttachment(
        part=number,
        filename=name,
        content_type=told_apart(part.content_type, name, head),
        size=size,
        inline=disposition(part) != "attachment" and bool(identifier),
        content_id=identifier,
        sha256=digest.hexdigest(),
    )


def attachment(raw: bytes, part: int) -> bytes:
    """The bytes of the part that `parse` numbered so. Raises `LookupError`."""
    message, _ = tree(raw)
    for number, found in walk(message):
        if number == part:
            return content(found)
    raise LookupError(f"The mail has no part {part}.")
