"""Files in a part that are no parts: uuencoded in a text, or in a winmail.dat.

Each becomes a part of its own, so that it is listed and read as the others are.
"""

import binascii
import re
from collections.abc import Iterator
from urllib.parse import quote

from threads.mail import tnef
from threads.mail.mime import Part
from threads.mail.transfer import unencoded

_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_TNEF_NAME = "winmail.dat"
_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n", re.MULTILINE)
_LINE = re.compile(rb"([^\r\n]*)\r?\n?")
_LONGEST_LINE = 64


def files(part: Part) -> list[Part]:
    """What a part encloses; mostly nothing."""
    if part.children:
        return []
    if is_tnef(part):
        return [
            _part(one.name.encode(), one.data, one.content_type, one.content_id)
            for one in opened(part).files
        ]
    if part.content_type != "text/plain":
        return []
    if part.source.find(b"begin ", part.begins, part.ends) >= 0:
        return [_part(name, data) for _, _, name, data in _uuencoded(part.body)]
    return []


def is_tnef(part: Part) -> bool:
    declared = part.content_type
    if declared in _TNEF or not declared.startswith("application/"):
        return declared in _TNEF
    named = part.first("content-type") + part.first("content-disposition")
    return _TNEF_NAME in named.lower()


def opened(part: Part) -> tnef.Tnef:
    encoding = part.first("content-transfer-encoding")
    return tnef.read(unencoded(part.body, encoding))


def without_files(text: bytes) -> bytes:
    """A text as it reads without the files in it.

    >>> without_files(b"Zie:\\nbegin 644 a.txt\\n#86)C\\n`\\nend\\nJan\\n")
    b'Zie:\\nJan\\n'
    """
    if b"begin " not in text:
        return text
    kept, at = [], 0
    for start, end, _, _ in _uuencoded(text):
        kept.append(text[at:start])
        at = end
    return b"".join([*kept, text[at:]])


def _uuencoded(text: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Start, end, name and bytes of each whole file."""
    at = 0
    while begin := _BEGIN.search(text, at):
        found: list[bytes] = []
        at = begin.end()
        while line := _LINE.match(text, at):
            data = _decoded(line[1])
            if data is None or not line[0]:
                break
            found.append(data)
            at = line.end()
        if line and line[1].rstrip() == b"end" and any(found):
            at = line.end()
            yield begin.start(), at, begin[1].strip(), b"".join(found)


def _decoded(line: bytes) -> bytes | None:
    """The bytes of a line; None when it is none: its first says how long it is."""
    count = (line[0] - 32) & 63 if line else 0
    if not line or not 32 <= line[0] <= 96 or len(line) > _LONGEST_LINE:  # noqa: PLR2004 -- blank to backtick
        return b"" if not line else None
    digits = (count + 2) // 3 * 4
    if not count * 4 // 3 <= len(line) - 1 <= digits + 2:
        return None
    try:
        return binascii.a2b_uu(line[: 1 + digits])
    except binascii.Error:
        return None


def _part(
    name: bytes, data: bytes, content_type: str = "", content_id: str = ""
) -> Part:
    fields = [
        (b"content-type", (content_type or "application/octet-stream").encode()),
        (b"content-disposition", b"attachment; filename*=" + _extended(name)),
    ]
    if content_id:
        fields.append((b"content-id", content_id.encode()))
    return Part(fields, data)


def _extended(name: bytes) -> bytes:
    """RFC 2231; bytes that are no UTF-8 are read as bytes in a header are."""
    return b"''" + quote(name, safe="").encode()
