"""From bytes to text: the declared charset, strict UTF-8, then Windows-1252.

Labels are read as the WHATWG reads them, and bytes that prove a label wrong overrule
it. Guessers take short Western text for Chinese, so ours asks for strong evidence.
"""

import codecs
import re

from threads.mail.limits import storable

# What mail calls them, and the codec that reads what is really in such mail.
_ALIASES = {
    "adobe-standard-encoding": "cp1252",
    "ansi": "cp1252",
    "ansi_x3.4-1968": "cp1252",
    "ascii": "cp1252",
    "big5": "big5hkscs",
    "cn-big5": "big5hkscs",
    "cn-gb": "gb18030",
    "cp819": "cp1252",
    "cp936": "gb18030",
    "csisolatin1": "cp1252",
    "csksc56011987": "cp949",
    "csshiftjis": "cp932",
    "dos-874": "cp874",
    "euc-cn": "gb18030",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "gb_2312": "gb18030",
    "gb_2312-80": "gb18030",
    "gbk": "gb18030",
    "iso-2022-jp": "iso2022_jp_ext",
    "iso-2022-jp-ms": "iso2022_jp_ext",
    "iso-8859-1": "cp1252",
    "iso-8859-11": "cp874",
    "iso-8859-8-e": "iso-8859-8",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-9": "cp1254",
    "iso-ir-100": "cp1252",
    "iso-ir-6": "cp1252",
    "iso-latin-1": "cp1252",
    "iso8859-1": "cp1252",
    "iso88591": "cp1252",
    "iso_8859-1": "cp1252",
    "ks_c_5601": "cp949",
    "ks_c_5601-1987": "cp949",
    "ksc5601": "cp949",
    "l1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "latin5": "cp1254",
    "logical": "iso-8859-8",
    "ms_kanji": "cp932",
    "sjis": "cp932",
    "shift-jis": "cp932",
    "shift_jis": "cp932",
    "tis-620": "cp874",
    "unicode": "utf-16",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "us-ascii": "cp1252",
    "us": "cp1252",
    "utf8": "utf-8",
    "utf8mb4": "utf-8",
    "visual": "iso-8859-8",
    "windows-31j": "cp932",
    "windows-874": "cp874",
    "windows-936": "gb18030",
    "windows-949": "cp949",
    "windows-950": "big5hkscs",
    "x-euc-jp": "euc_jp",
    "x-gbk": "gb18030",
    "x-mac-ce": "mac_latin2",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-mac-greek": "mac_greek",
    "x-mac-icelandic": "mac_iceland",
    "x-mac-roman": "mac_roman",
    "x-mac-turkish": "mac_turkish",
    "x-mac-ukrainian": "mac_cyrillic",
    "x-sjis": "cp932",
}
_REFUSED = frozenset(
    {
        "idna",
        "mbcs",
        "oem",
        "punycode",
        "raw-unicode-escape",
        "undefined",
        "unicode-escape",
    }
)
# Left over from other layers: `charset=us-ascii`, quoted-printable's `3Dutf-8`.
_LEFT_OVER = re.compile(r"\A(?:=?3d|charset\s*=|[\s'\"=<])+")
_LABEL = re.compile(r"[a-z0-9][a-z0-9_.:+-]*")
_WINDOWS = re.compile(r"(?:x-)?(?:cp|win|windows)[-_ ]?(125[0-8])(?![0-9])")
_ISO = re.compile(r"(?:x-)?iso[-_ ]?8859[-_ ]?([0-9]{1,2})(?![0-9])(-[ei])?")
_UTF8 = re.compile(r"(?:x-)?(?:utf|uft)[-_ ]?8(?!\d)")

_WESTERN = "cp1252"
# Their bytes are seldom good UTF-8 by chance, but two or three of them can be.
_DOUBLE_BYTE = frozenset(
    {"big5hkscs", "cp932", "cp949", "euc_jp", "gb18030", "johab", "shift_jisx0213"}
)
_ENOUGH = 4
# ASCII with escapes or shifts, and UTF-16 and UTF-32: valid UTF-8 proves nothing.
_OWN_FORM = ("utf-", "utf_", "iso2022", "hz")


def codec(label: str) -> str | None:
    """The codec for a label, or None: no text codec, or one that is a trap.

    >>> codec("Latin1"), codec("charset=us-ascii"), codec("3Dwindows-1250")
    ('cp1252', 'cp1252', 'cp1250')
    >>> codec("unicode_escape"), codec("base64"), codec("x-unknown")
    (None, None, None)
    """
    plain = _LEFT_OVER.sub("", label.partition("(")[0].lower())
    if spelled := _WINDOWS.match(plain) or _ISO.match(plain):
        kind = "cp" if len(spelled[1]) > 2 else "iso-8859-"  # noqa: PLR2004 -- 1252 or 15
        plain = kind + spelled[1]
    elif _UTF8.match(plain):
        plain = "utf-8"
    else:
        found = _LABEL.match(plain)
        plain = found[0] if found else ""
    plain = _ALIASES.get(plain, plain)
    try:
        known = codecs.lookup(plain)
    except (LookupError, ValueError):
        return None
    if not known._is_text_encoding or known.name in _REFUSED:  # noqa: SLF001 -- the only way to know
        return None
    return _WESTERN if known.name == "ascii" else known.name


def decode(raw: bytes, label: str = "") -> tuple[str, bool]:
    """Storable text, and whether it was decoded as declared and without loss.

    >>> decode("café".encode("latin-1"), "us-ascii")
    ('café', True)
    >>> decode(b"caf\\xc3\\xa9", "x-unknown")
    ('café', False)
    >>> decode(b"caf\\xe9 en th\\xc3\\xa9", "utf-8")
    ('café en thé', False)
    """
    text, clean = _decoded(raw, label)
    return storable(text.removeprefix("\ufeff")), clean


def _decoded(raw: bytes, label: str) -> tuple[str, bool]:
    name = codec(label) if label else None
    if name is None:
        return _undeclared(raw, declared=bool(label))
    utf8 = _as_utf8(raw, name)
    if utf8 is not None:
        # Western labels are the wrong one so often that it is not worth a word.
        return utf8, name in {"utf-8", _WESTERN}
    if name in {"utf-8", _WESTERN} and (asian := _asian(raw)):
        return asian, False
    if name == "utf-8":
        return _mended(raw), False
    try:
        return raw.decode(name), True
    except (UnicodeError, ValueError):
        return raw.decode(name, "replace"), name == _WESTERN


def _undeclared(raw: bytes, *, declared: bool) -> tuple[str, bool]:
    asian = _asian(raw)
    if asian:
        return asian, False
    try:
        return raw.decode("utf-8"), not declared
    except UnicodeDecodeError:
        return _mended(raw), False


def _as_utf8(raw: bytes, name: str) -> str | None:
    """Good UTF-8, where that overrules the declared charset."""
    if name != "utf-8" and name.startswith(_OWN_FORM):
        # Somebody converted it to UTF-8 and kept the label.
        converted = name == "utf-16" and raw.isascii() and b"\x00" not in raw
        return raw.decode() if converted else None
    if raw.isascii():
        if name in {"utf-8", _WESTERN}:
            return _escaped(raw) or raw.decode()
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if name in _DOUBLE_BYTE and len(text) - _ascii_length(text) < _ENOUGH:
        return None
    return text


def _ascii_length(text: str) -> int:
    return len(text.encode("ascii", "ignore"))


# --- Bytes of two charsets -----------------------------------------------------------

_MENDING = "mailbelly-western"
_MOST_MENDED = 1_000
_FIRST_LETTER = 0xC0


def _mended(raw: bytes) -> str:
    """UTF-8 with some Western letters in it, or all Western."""
    text = raw.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    if bad > len(text) - _ascii_length(text) - bad:
        return raw.decode(_WESTERN, "replace")
    return text if bad > _MOST_MENDED else raw.decode("utf-8", _MENDING)


def _western_letter(error: UnicodeError) -> tuple[str, int]:
    """A letter alone is Western; a piece of a longer character is lost."""
    assert isinstance(error, UnicodeDecodeError)  # it is registered for decoding only
    bad = error.object[error.start : error.end]
    alone = len(bad) == 1 and bad[0] >= _FIRST_LETTER
    whole = alone and error.end < len(error.object)
    return bad.decode(_WESTERN) if whole else "\ufffd", error.end


codecs.register_error(_MENDING, _western_letter)


# --- Chinese, Japanese, Korean -------------------------------------------------------

# RFC 1468: nothing else begins so.
_JAPANESE_ESCAPE = re.compile(rb"\x1b\$[@B][\x21-\x7e]{2}")
_SAMPLE = 20_000
_FEWEST = 10
# The characters that every text of the language is full of, and their least share.
_CHINESE = "的一是了我不在有您好请請们們这這为為和人你他上个個到要时時，。：！、"
_KANA = "".join(map(chr, range(0x3041, 0x3094)))
_HANGUL = "이다는을에가의고하지기사도로한니습요세서시대주"
_EVIDENCE = (
    ("gb18030", frozenset(_CHINESE), 0.10),
    ("big5hkscs", frozenset(_CHINESE), 0.10),
    ("euc_jp", frozenset(_KANA), 0.25),
    ("cp932", frozenset(_KANA), 0.25),
    ("cp949", frozenset(_HANGUL), 0.20),
)
_WIDE = re.compile(r"[^\x00-\u02ff]")


def _escaped(raw: bytes) -> str:
    """ISO-2022-JP that does not say so; `""` when it is none."""
    if b"\x1b$" not in raw or not _JAPANESE_ESCAPE.search(raw):
        return ""
    try:
        return raw.decode("iso2022_jp_ext")
    except UnicodeDecodeError:
        return ""


def _asian(raw: bytes) -> str:
    """What can hardly be anything but Chinese, Japanese or Korean; `""` otherwise."""
    if raw.isascii():
        return _escaped(raw)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return ""
    best, certain = "", 1.0
    for name, common, least in _EVIDENCE:
        share = _share(raw, name, common) / least
        if share >= certain:
            best, certain = name, share
    return raw.decode(best, "replace") if best else ""


def _share(raw: bytes, name: str, common: frozenset[str]) -> float:
    """How many of its wide characters are common ones; 0 when it is not this."""
    sample = raw[:_SAMPLE]
    decoder = codecs.getincrementaldecoder(name)()
    try:
        text = decoder.decode(sample, final=len(sample) == len(raw))
    except UnicodeDecodeError:
        return 0.0
    wide = _WIDE.findall(text)
    if len(wide) < _FEWEST:
        return 0.0
    return sum(one in common for one in wide) / len(wide)
