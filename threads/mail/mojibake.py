"""UTF-8 that somebody's program read as Windows-1252 or Windows-1253, undone.

Only where no language writes so: `“IRMÃ”` and `CAFÉ»` could be read as mistakes too,
and are what they say. The original keeps the mistake.
"""

import re
from dataclasses import replace
from functools import lru_cache

from threads.mail.parsed import Address

_CODECS = ("cp1252", "cp1253")
# What stands for each byte beyond ASCII; one without a character stands for itself.
_BYTES = {
    name: {bytes([byte]).decode(name, "ignore") or chr(byte): byte for byte in
           range(0x80, 0x100)}
    for name in _CODECS
}  # fmt: skip
_FIRST_LEAD = 0xC0
_TAILS = {
    name: "".join(re.escape(one) for one, byte in known.items() if byte < _FIRST_LEAD)
    for name, known in _BYTES.items()
}
# Tails that a capital may well be followed by.
_PUNCTUATION = "‚„…‹‘’“”–—›\xa0«»·\xad"
_LETTERS = "ŠŒŽšœžŸƒªº"
_SMALL = "a-zß-öø-ÿ"
_SIGNS = "€†‡•™¡¢£¤¥¦§¨©¬®¯°±²³´µ¶¸¹¼½¾¿"
_AFTER_SMALL = f"(?<=[{_SMALL}{_SIGNS}])"
_AFTER_NO_CAPITAL = "(?<![A-ZÀ-ÖØ-Þ«‹“‘„‚])"
_MISREAD = {
    "cp1252": re.compile(
        f"""ð[T]{{3}} | â[T]{{2}} | (?:[ÐÑÎÏ][T]){{3,}}
        | Ã(?![{_PUNCTUATION}])[T] | {_AFTER_SMALL}Ã[{_PUNCTUATION}]
        | Â(?![{_PUNCTUATION}])[T] | {_AFTER_NO_CAPITAL}Â[{_PUNCTUATION}]
        | [ÄÅ](?![{_PUNCTUATION}{_LETTERS}])[T]
        | {_AFTER_SMALL}[ÄÅ][{_PUNCTUATION}{_LETTERS}]
        """.replace("[T]", f"[{_TAILS['cp1252']}]"),
        re.VERBOSE,
    ),
    "cp1253": re.compile(
        f"""β[T]{{2}} | (?<=[{_SMALL}])Γ[T](?![\u0370-\u03ff])
        | (?<![\u0370-\u03ff])Γ(?:[T](?=[a-z])|[{_SIGNS}](?![\u0370-\u03ff]))
        """.replace("[T]", f"[{_TAILS['cp1253']}]"),
        re.VERBOSE,
    ),
}
# Without such a pair there is nothing to look at.
_SUSPECT = re.compile("[ÂÃÄÅÎÏÐÑâðΓβ][^\x00-\x7f]")
# Letters of Europe, what stands between them, signs, emoji.
_WRITTEN = re.compile(
    "[\u00a0-\u017f\u0192\u0218-\u021b\u0370-\u03ff\u0400-\u045f\u2010-\u2027"
    "\u202f-\u203a\u20ac\u2122\u2190-\u21ff\u2500-\u27bf\ufe0f\U0001f300-\U0001faff]+"
)
_TWICE = 2


def mended(text: str) -> str:
    """The text with its certain mistakes undone, also those made twice.

    >>> mended("cafÃ© en creΓ«er, â‚¬ 5 â€“ dÃ©jÃ\\xa0 vu")
    'café en creëer, € 5 – déjà vu'
    >>> mended("cafÃƒÂ©")
    'café'
    >>> mended("A “IRMÃ” e o «CAFÉ»")
    'A “IRMÃ” e o «CAFÉ»'
    """
    for _ in range(_TWICE):
        before = text
        if text.isascii() or not _SUSPECT.search(text):
            return text
        text = "\n".join(map(_line, text.split("\n")))
        if text == before:
            break
    return text


# Signs of another mistake, which this one would only make worse.
_STRAY = re.compile("[\x80-\x9f¡¢¤¥¦¨ª¬¯±²³´µ¶¸¹º¼¾]")
_LONGEST_KNOWN = 4


def _line(line: str) -> str:
    if line.isascii() or not _SUSPECT.search(line):
        return line
    for misread in _MISREAD.values():
        better, count = misread.subn(_better, line)
        if count and len(_STRAY.findall(misread.sub("", line))) <= count:
            line = better
    return line


def _better(found: re.Match[str]) -> str:
    wrong = found[0]
    return (_known if len(wrong) <= _LONGEST_KNOWN else _reread)(wrong)


def _reread(wrong: str) -> str:
    """What it was, or the same when that is no text."""
    for known in _BYTES.values():
        try:
            better = bytes(known[one] for one in wrong).decode("utf-8")
        except (KeyError, UnicodeDecodeError):
            continue
        return better if _WRITTEN.fullmatch(better) else wrong
    return wrong


_known = lru_cache(4096)(_reread)


class Mender:
    """Mends, and remembers whether there was anything to mend."""

    def __init__(self) -> None:
        self.mended = False

    def text(self, text: str) -> str:
        better = mended(text)
        self.mended |= better != text
        return better

    def people(self, people: tuple[Address, ...]) -> tuple[Address, ...]:
        if all(one.name.isascii() for one in people):
            return people
        return tuple(replace(one, name=self.text(one.name)) for one in people)
