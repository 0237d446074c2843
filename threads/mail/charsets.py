"""From bytes to text: the declared charset, strict UTF-8, then cp1252.

Guessing is worse than either: guessers take short Western text for Chinese.
"""

import codecs

from threads.mail.limits import storable

# WHATWG: mail that says us-ascii or latin-1 means Windows-1252.
_ALIASES = {
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "ansi_x3.4-1968": "cp1252",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "x-mac-roman": "mac_roman",
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "unicode-1-1-utf-7": "utf-7",
    "utf8": "utf-8",
    "unicode": "utf-16",
}
_REFUSED = frozenset(
    {
        "idna",
        "punycode",
        "raw-unicode-escape",
        "unicode-escape",
        "undefined",
        "mbcs",
        "oem",
    }
)


def codec(label: str) -> str | None:
    """The codec for a label, or None: no text codec, or one that is a trap.

    >>> codec("Latin1"), codec("unicode_escape"), codec("base64")
    ('cp1252', None, None)
    """
    plain = label.partition("(")[0].strip(" \t'\"").lower().replace(" ", "")
    plain = _ALIASES.get(plain, plain)
    try:
        found = codecs.lookup(plain)
    except (LookupError, ValueError):
        return None
    if not found._is_text_encoding or found.name in _REFUSED:  # noqa: SLF001 -- the only way to know
        return None
    return found.name


def decode(raw: bytes, label: str = "") -> tuple[str, bool]:
    """Storable text, and whether it was decoded as declared and without loss.

    >>> decode("café".encode("latin-1"), "us-ascii")
    ('café', True)
    >>> decode(b"caf\\xc3\\xa9", "x-unknown")
    ('café', False)
    """
    text, clean = _decoded(raw, label)
    return storable(text), clean


def _decoded(raw: bytes, label: str) -> tuple[str, bool]:
    name = codec(label) if label else None
    # Both labels are the wrong one so often that good UTF-8 overrules them.
    if name in {None, "cp1252"}:
        try:
            return raw.decode("utf-8"), name is not None or not label
        except UnicodeDecodeError:
            return raw.decode("cp1252", "replace"), name is not None
    try:
        return raw.decode(str(name)), True
    except (UnicodeError, ValueError):
        pass
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        return raw.decode(str(name), "replace"), False
