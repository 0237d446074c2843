"""What a receiver echoes of our secrets is blanked before it is kept. Pure.

Pages of errors quote what they were sent, in spellings of their own: JSON escapes `/`
as `\\/` and more as `\\u002f`, a URL as `%2F`, HTML as `&#x2F;`. So both sides are read
as plain text, whatever they are escaped with, and compared as that.
"""

import re
from collections.abc import Iterable
from html import unescape
from urllib.parse import unquote, urlsplit

# A shorter word is no secret, and blanking it would blank the text.
SHORTEST = 8
_BLANK = "***"
_ESCAPED = re.compile(
    r"""\\u[0-9a-fA-F]{4} | \\[/\\"'] | (?:%[0-9a-fA-F]{2})+ | &\#?[0-9a-zA-Z]{2,8};""",
    re.VERBOSE,
)
# JSON within JSON, a URL within HTML.
_LAYERS = 3
_CUT_ESCAPE = re.compile(r"(?:\\u?[0-9a-fA-F]{0,3}|%[0-9a-fA-F]?|&\#?\w{0,8}|\ufffd)$")
_Spans = list[tuple[int, int]]


def of_url(url: str) -> list[str]:
    """What of a URL may be a password.

    >>> of_url("https://x.nl/hooks/T0123456789?key=sleutel99&v=1")
    ['hooks', 'T0123456789', 'key=sleutel99&v=1', 'sleutel99', '1']
    """
    parts = urlsplit(url)
    values = [pair.partition("=")[2] for pair in parts.query.split("&")]
    words = [*parts.path.split("/"), parts.query, *values]
    return [word for word in words if word]


def mask(text: str, words: Iterable[str], *, is_cut: bool = False) -> str:
    """`text` without these words; of one that `is_cut` also without half a word.

    >>> mask('{"said": "geheim\\\\/sleutel"}', ["geheim/sleutel"])
    '{"said": "***"}'
    >>> mask("you said geheim%2Fsl", ["geheim/sleutel"], is_cut=True)
    'you said ***'
    """
    if is_cut:
        text = _CUT_ESCAPE.sub("", text)
    plain, spans = _read(text)
    found: _Spans = []
    for word in {_read(word)[0] for word in words if len(word) >= SHORTEST}:
        at = plain.find(word)
        while at >= 0:
            found.append((spans[at][0], spans[at + len(word) - 1][1]))
            at = plain.find(word, at + 1)
        if is_cut and (half := _half(plain, word)):
            found.append((spans[-half][0], len(text)))
    for start, end in reversed(_joined(found)):
        text = text[:start] + _BLANK + text[end:]
    return text


def _read(text: str) -> tuple[str, _Spans]:
    """Unescaped, and of each character where in `text` it stood."""
    plain, spans = text, [(at, at + 1) for at in range(len(text))]
    for _ in range(_LAYERS):
        if not _ESCAPED.search(plain):
            break
        pieces: list[str] = []
        places: _Spans = []
        at = 0
        for escape in _ESCAPED.finditer(plain):
            start, end = escape.span()
            meant = _meant(escape[0])
            pieces += [plain[at:start], meant]
            places += spans[at:start]
            places += [(spans[start][0], spans[end - 1][1])] * len(meant)
            at = end
        plain = "".join([*pieces, plain[at:]])
        spans = places + spans[at:]
    return plain, spans


def _meant(escape: str) -> str:
    if escape.startswith("\\u"):
        return bytes.fromhex(escape[2:]).decode("utf-16-be", "replace")
    if escape.startswith("\\"):
        return escape[1:]
    return unquote(escape) if escape.startswith("%") else unescape(escape)


def _half(plain: str, word: str) -> int:
    """How many characters of the word the text ends with."""
    lengths = range(min(len(word) - 1, len(plain)), 0, -1)
    return next((n for n in lengths if plain.endswith(word[:n])), 0)


def _joined(found: _Spans) -> _Spans:
    """In order, and none within another."""
    joined: _Spans = []
    for start, end in sorted(found):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
