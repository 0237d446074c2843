"""MIME parameters (RFC 2045, RFC 2231) as mail really has them, in linear time."""

import re
from itertools import islice
from urllib.parse import unquote_to_bytes

from threads.mail import limits
from threads.mail.charsets import decode

# A value that is quoted, or everything up to the next semicolon: names with blanks
# come unquoted too often.
_PARAMETER = re.compile(
    r'(?:;\s*+|(?<!\s)\s++)([^\s=;"]{1,100}+)\s*+=\s*+'
    r'(?:"((?:[^"\\]|\\.)*+)"?|([^;]*+))',
    re.DOTALL,
)
_CHARSET = re.compile(r"([^']*)'[^']*'")
# The extended form in a parameter that does not say so.
_EXTENDED = re.compile(
    r"(?:utf-8|iso-8859-\d{1,2}|windows-125\d)'[^']*'.*%", re.IGNORECASE
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# A path of Windows, whose backslashes escape nothing.
_PATH = re.compile(r"[A-Za-z]:\\(?!\\)|\\\\\w")
# name, section number, and whether that section is percent-encoded.
_SECTION = re.compile(r"([^*]+)(?:\*([0-9]{1,4}))?(\*)?")


def parameters(value: str) -> dict[str, str]:
    """Names in lower case; the first of a name counts; continuations joined.

    >>> parameters('attachment; filename="a b.pdf"; size=3')
    {'filename': 'a b.pdf', 'size': '3'}
    >>> parameters("text/plain charset=utf-8")
    {'charset': 'utf-8'}
    >>> parameters("x; name*0*=utf-8''caf%C3; name*1*=%A9.txt")
    {'name': 'café.txt'}
    """
    plain: dict[str, str] = {}
    # name -> section number -> (encoded, text)
    sections: dict[str, dict[int, tuple[bool, str]]] = {}
    for count, match in enumerate(_PARAMETER.finditer(value)):
        if count >= limits.PARAMETERS:
            break
        text = match[3].strip() if match[2] is None else match[2]
        if match[2] is not None and not _PATH.match(text):
            text = _ESCAPED.sub(r"\1", text)
        parts = _SECTION.fullmatch(match[1].lower())
        if parts is None:
            continue
        name, number, encoded = parts.groups()
        if number is None and encoded is None and _EXTENDED.match(text):
            encoded = "*"
        if number is None and encoded is None:
            plain.setdefault(name, text)
        else:
            found = sections.setdefault(name, {})
            found.setdefault(int(number or 0), (bool(encoded), text))
    for name, numbered in sections.items():
        plain[name] = _joined(numbered)
    return plain


def too_many(value: str) -> bool:
    """More than are read."""
    if value.count("=") <= limits.PARAMETERS:
        return False
    found = islice(_PARAMETER.finditer(value), limits.PARAMETERS + 1)
    return sum(1 for _ in found) > limits.PARAMETERS


def _joined(numbered: dict[int, tuple[bool, str]]) -> str:
    """RFC 2231 section 4: the first section names the charset for all."""
    label = ""
    raw = b""
    pieces = [numbered[number] for number in sorted(numbered)]
    for position, (encoded, text) in enumerate(pieces):
        octets = text.encode("utf-8", "surrogateescape")
        if encoded and position == 0 and (start := _CHARSET.match(text)):
            label = start[1]
            octets = text[start.end() :].encode("utf-8", "surrogateescape")
        raw += unquote_to_bytes(octets) if encoded else octets
    return decode(raw, label or "utf-8")[0]
