"""Transfer encodings undone (RFC 2045 section 6): never raises, loses the least."""

import binascii
import re
from string import ascii_letters, digits

_DIGITS = (ascii_letters + digits + "+/=").encode()
_FOREIGN = bytes(set(range(256)) - set(_DIGITS))
_PADDING = re.compile(rb"=+")
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} [^\r\n]*\r?\n", re.MULTILINE)


def unencoded(body: bytes, encoding: str) -> bytes:
    """The bytes that were encoded; an encoding that is not known is none.

    >>> unencoded(b"Y2Fm\\nw6k", " Base64 ").decode()
    'café'
    >>> unencoded(b"caf=C3=A9", "quoted-printable").decode()
    'café'
    """
    name = encoding.partition("(")[0].strip().strip("\"';").lower()
    if name == "base64":
        return base64(body)
    if name in {"quoted-printable", "quoted_printable"}:
        return binascii.a2b_qp(body)
    if name in {"x-uuencode", "uuencode", "x-uue", "uue"}:
        return _uuencoded(body)
    return body


def base64(body: bytes) -> bytes:
    """Foreign bytes skipped, missing padding supplied, stretches after padding kept.

    >>> base64(b"YWI=YWI=!")
    b'abab'
    """
    return b"".join(
        _stretch(one) for one in _PADDING.split(body.translate(None, _FOREIGN)) if one
    )


def _stretch(text: bytes) -> bytes:
    """Digits without padding; a single one left over carries no whole byte."""
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))


def _uuencoded(body: bytes) -> bytes:
    begin = _UU_BEGIN.search(body)
    if begin is None:
        return body
    found = []
    for line in body[begin.end() :].splitlines():
        if line.strip() in {b"end", b"", b"`"}:
            break
        try:
            found.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Some encoders pad their lines: the first byte tells how much counts.
            count = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                found.append(binascii.a2b_uu(line[:count]))
            except binascii.Error:
                return body
    return b"".join(found)
