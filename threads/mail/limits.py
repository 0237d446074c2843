"""Bounds, and the one function family through which header text reaches the database.

SQLite accepts what PostgreSQL refuses (NUL, over-long values), so whatever leaves this
package is storable on both.
"""

import re
from hashlib import sha256

DEPTH = 50
HTML_DEPTH = 200
PARTS = 1_000
HEADER_BYTES = 100_000
ADDRESSES = 1_000
PARAMETERS = 200
LINKS = 2_000

SUBJECT = 998
MESSAGE_ID = 255
ADDRESS = 320
NAME = 200
FILENAME = 255
CONTENT_TYPE = 255
CONTENT_ID = 255
DEFECT = 100
# Text beyond this stays in the original; an e-mail a person reads is far shorter.
TEXT = 2_000_000
HTML = 1_000_000

_LINE = re.compile(r"[\x00-\x20\x7f\x85\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DIGEST = 64


def storable(text: str) -> str:
    """Without lone surrogates: they are bytes that were never decoded.

    >>> storable("caf\\udcc3\\udca9")
    'café'
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            return text.encode("utf-8", "surrogateescape").decode()
        except UnicodeError:
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_line(text: str, limit: int) -> str:
    """One line of at most `limit` characters; controls, line ends, blanks: one blank.

    >>> clean_line("Re:\\r\\nBcc: x", 998)
    'Re: Bcc: x'
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()[:limit]  # as most are
    return _LINE.sub(" ", storable(text)).strip()[:limit]


def clean_text(text: str, limit: int = TEXT) -> str:
    """Text with LF line ends; NUL and other controls but tab go."""
    text = storable(text).replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", text)[:limit]


def message_id(text: str) -> str:
    """At most 255 characters; a longer id keeps its identity as head and digest.

    >>> message_id(" <a b@c> ")
    'ab@c'
    """
    plain = "".join(storable(text).replace("\x00", "").split()).strip("<>")
    plain = _LINE.sub("", plain)
    if len(plain) > MESSAGE_ID:
        digest = sha256(plain.encode()).hexdigest()
        return f"{plain[: MESSAGE_ID - _DIGEST - 1]}#{digest}"
    return plain
