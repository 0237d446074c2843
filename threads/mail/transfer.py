"""Transfer encodings undone (RFC 2045 section 6): never raises, loses the least."""

import binascii
import re
from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase, digits

_DIGITS = (ascii_uppercase + ascii_lowercase + digits + "+/=").encode()
_FOREIGN = bytes(set(range(256)) - set(_DIGITS))
_PADDING = re.compile(rb"=+")
# Blanks that came between a soft line break and its line end (RFC 2045 section 6.7).
_SOFT_BREAK = re.compile(rb"=[ \t]++(?=\r?\n|\Z)")
# Two words and a blank between them: no base64, whatever the header says.
_WORDS = re.compile(rb"[a-z]{2}[,.]?[ ][A-Za-z]{2}")
_MOST_FOREIGN = 0.1
_SAMPLE = 2_000
# No digits are in it.
_FOOTER = re.compile(rb"(?<=\n)(?:-- ?|-{10,}|_{10,})\r?\n")
_LONGEST_FOOTER = 4_000
# So much is undone at a time: of a large file there is never a second copy.
_PIECE = 256 * 1024
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} [^\r\n]*\r?\n", re.MULTILINE)


def unencoded(body: bytes, encoding: str) -> bytes:
    """The bytes that were encoded; an encoding that is not known is none.

    >>> unencoded(b"Y2Fm\\nw6k", " Base64 ").decode()
    'café'
    >>> unencoded(b"caf=C3=A9", "quoted-printable").decode()
    'café'
    """
    return b"".join(pieces(memoryview(body), encoding))


def pieces(body: memoryview, encoding: str) -> Iterator[bytes]:
    """The same, a piece after another."""
    name = encoding.partition("(")[0].strip().strip("\"';").lower()
    if name in {"base64", "b"}:
        ends = _footer(body)
        if _plain(bytes(body[: min(_SAMPLE, ends)])):
            yield bytes(body)
            return
        yield from _base64(body[:ends])
        if ends < len(body):
            yield b"\n" + bytes(body[ends:])
    elif name in {"quoted-printable", "quoted_printable", "q"}:
        for piece in _lines(body):
            yield binascii.a2b_qp(_SOFT_BREAK.sub(b"=", piece))
    elif name in {"x-uuencode", "uuencode", "x-uue", "uue"}:
        yield _uuencoded(bytes(body))
    else:
        for at in range(0, len(body), _PIECE):
            yield bytes(body[at : at + _PIECE])


def _footer(body: memoryview) -> int:
    """Where begins what a list wrote below it, as it comes."""
    at = max(len(body) - _LONGEST_FOOTER, 0)
    found = _FOOTER.search(bytes(body[at:]))
    return at + found.start() if found else len(body)


def _lines(body: memoryview) -> Iterator[bytes]:
    """Pieces that end where a line does, the last one anywhere."""
    rest: list[bytes] = []
    for at in range(0, len(body), _PIECE):
        piece = bytes(body[at : at + _PIECE])
        end = piece.rfind(b"\n") + 1
        if end:
            yield b"".join([*rest, piece[:end]])
            rest = []
        rest.append(piece[end:])
    yield b"".join(rest)


def _plain(sample: bytes) -> bool:
    """It says base64, and was never encoded."""
    if not _WORDS.search(sample):
        return False
    return len(sample.translate(None, _DIGITS)) > _MOST_FOREIGN * len(sample)


def base64(body: bytes) -> bytes:
    """Foreign bytes skipped, missing padding supplied, stretches after padding kept.

    >>> base64(b"YWI=YWI=!")
    b'abab'
    """
    return b"".join(_base64(memoryview(body)))


def _base64(body: memoryview) -> Iterator[bytes]:
    digits = b""
    for at in range(0, len(body), _PIECE):
        digits += bytes(body[at : at + _PIECE]).translate(None, _FOREIGN)
        if b"=" in digits:
            # Mostly at the end alone, which is known at once.
            text = digits.rstrip(b"=")
            *whole, digits = _PADDING.split(digits) if b"=" in text else (text, b"")
            yield from map(_stretch, whole)
        end = len(digits) // 4 * 4
        yield binascii.a2b_base64(digits[:end])
        digits = digits[end:]
    yield _stretch(digits)


def ends(text: bytes) -> bool:
    """Whether base64 can end so: without padding its last bits are none.

    >>> ends(b"w6k"), ends(b"Y2Fmw"), ends(b"Y2Fmw6")
    (True, False, False)
    """
    over = len(text) % 4
    if over in {0, 1} or text.endswith(b"="):
        return over == 0 or text.endswith(b"=")
    return _DIGITS.find(text[-1:]) % (16 if over == 2 else 4) == 0  # noqa: PLR2004


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
