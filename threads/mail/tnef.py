"""winmail.dat (Microsoft's TNEF, MS-OXTNEF), read once from front to back.

Bounded by its own bytes: a length that leads beyond them ends the reading, and what was
whole until there counts.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from threads.mail import limits
from threads.mail.charsets import decode

_SIGNATURE = 0x223E9F78
_HEAD = struct.Struct("<IH")
_ATTRIBUTE = struct.Struct("<BII")
_CHECKSUM = 2
# Attributes (MS-OXTNEF 2.1.3.3): a type in the high half, an id in the low.
_BODY, _MESSAGE_PROPERTIES = 0x800C, 0x9003
_BEGIN_FILE, _TITLE, _DATA, _FILE_PROPERTIES = 0x9002, 0x8010, 0x800F, 0x9005
_CODE_PAGE = 0x9007
# Properties of MAPI (MS-OXPROPS).
_TEXT, _HTML = 0x1000, 0x1013
_FILE_BYTES, _LONG_NAME = 0x3701, 0x3707
_MIME_TYPE, _CONTENT_ID = 0x370E, 0x3712
_FIXED = {0x01: 0, 0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4,
          0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}  # fmt: skip
_TEXT_8, _TEXT_16, _OBJECT, _BINARY = 0x1E, 0x1F, 0x0D, 0x102
_MULTIPLE = 0x1000
_NAMED = 0x8000
_GUID = 16
_LONGEST_NAME = 2_000


@dataclass(slots=True)
class File:
    # UTF-8, or in the code page until that is known.
    raw_name: bytes = b""
    name: str = ""
    data: bytes = b""
    content_type: str = ""
    content_id: str = ""


@dataclass(slots=True)
class Tnef:
    text: str = ""
    html: str = ""
    files: list[File] = field(default_factory=list)


def read(data: bytes) -> Tnef:
    """What is in it; nothing in what is none."""
    found = Tnef()
    code_page = ""
    begun: list[File] = []
    for name, value in _attributes(data):
        if name == _CODE_PAGE and len(value) >= 4:  # noqa: PLR2004
            code_page = f"windows-{int.from_bytes(value[:4], 'little')}"
        elif name == _BODY:
            found.text = found.text or _text(value, code_page)
        elif name == _MESSAGE_PROPERTIES:
            for key, one in _properties(value):
                if key == _TEXT:
                    found.text = _text(one, code_page)
                elif key == _HTML:
                    found.html = _text(one, code_page)
        elif name == _BEGIN_FILE:
            begun.append(File())
        elif begun:
            _fill(begun[-1], name, value)
        if len(begun) > limits.PARTS:
            break
    found.files = [one for one in begun[: limits.PARTS] if one.data]
    for file in found.files:
        file.name = decode(file.raw_name, code_page)[0]
    return found


def _fill(file: File, name: int, value: bytes) -> None:
    if name == _TITLE:
        file.raw_name = file.raw_name or value[:_LONGEST_NAME].rstrip(b"\x00")
    elif name == _DATA:
        file.data = value
    elif name == _FILE_PROPERTIES:
        for key, one in _properties(value):
            plain = one.rstrip(b"\x00")
            if key == _LONG_NAME:
                file.raw_name = plain[:_LONGEST_NAME]
            elif key == _FILE_BYTES:
                file.data = file.data or one
            elif key == _MIME_TYPE:
                file.content_type = limits.clean_line(
                    decode(plain)[0], limits.CONTENT_TYPE
                )
            elif key == _CONTENT_ID:
                file.content_id = limits.clean_line(decode(plain)[0], limits.CONTENT_ID)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    if len(data) < _HEAD.size or _HEAD.unpack_from(data)[0] != _SIGNATURE:
        return
    at = _HEAD.size
    while at + _ATTRIBUTE.size <= len(data):
        _, name, length = _ATTRIBUTE.unpack_from(data, at)
        at += _ATTRIBUTE.size
        if at + length > len(data):
            return
        yield name & 0xFFFF, data[at : at + length]
        at += length + _CHECKSUM


def _text(value: bytes, code_page: str) -> str:
    return decode(value.rstrip(b"\x00"), code_page)[0]


class _Bytes:
    """Read from front to back; `EOFError` when there is less than was promised."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, length: int) -> bytes:
        if length > len(self.data) - self.at:
            raise EOFError
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def padded(self, length: int) -> bytes:
        taken = self.take(length)
        self.at += -length % 4
        return taken


def _properties(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Id and first value of each property (MS-OXTNEF 2.1.3.4); texts as UTF-8."""
    rest = _Bytes(data)
    try:
        for _ in range(rest.number()):
            kind, name = struct.unpack("<HH", rest.take(4))
            if name >= _NAMED:
                _skip_name(rest)
            values = list(_values(rest, kind))
            if values:
                yield name, values[0]
    except EOFError:
        return


def _skip_name(rest: _Bytes) -> None:
    rest.take(_GUID)
    if rest.number():
        rest.padded(rest.number())
    else:
        rest.take(4)


def _values(rest: _Bytes, kind: int) -> Iterator[bytes]:
    single = kind & ~_MULTIPLE
    if single in _FIXED:
        count = rest.number() if kind & _MULTIPLE else 1
        yield rest.take(count * _FIXED[single])
        return
    if single not in {_TEXT_8, _TEXT_16, _OBJECT, _BINARY}:
        raise EOFError
    for _ in range(rest.number()):
        value = rest.padded(rest.number())
        if single == _TEXT_16:
            value = value.decode("utf-16-le", "replace").encode()
        yield value
