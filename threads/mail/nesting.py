"""Depth, bounded before a parser meets it: parsers are quadratic in it, we are not."""

import re
from collections import Counter
from html import escape, unescape

from threads.mail import limits

# With fewer tags than this no nesting costs anything: HTML stays as it was written.
_MANY_TAGS = 3_000
_TAG_START = re.compile(r"<[a-zA-Z]")
_TAG = re.compile(
    r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*)>|<!--.*?(?:-->|\Z)|<", re.DOTALL
)
_ATTRIBUTE = re.compile(r"\s([a-zA-Z-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'=]+))")
# These never hold another of their kind, or nothing at all.
_SHALLOW = frozenset(
    {
        "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li",
        "link", "meta", "option", "p", "param", "source", "td", "th", "tr", "track",
        "wbr",
    }
)  # fmt: skip
# What is in them is no HTML, and nothing that is shown.
_RAW = frozenset(
    {
        "iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style",
        "svg", "math", "template", "textarea", "title", "xmp",
    }
)  # fmt: skip

_BOUNDARY = re.compile(
    rb"boundary[*0-9]*[ \t]*=[ \t]*\"?([^\"\r\n;]{1,200})"  # declared
    rb"|(?:\A|(?<=[\r\n]))--([^\r\n]{1,200})",  # a line of one
    re.IGNORECASE,
)


def flattened(html: str) -> str:
    """HTML whose elements nest at most `limits.HTML_DEPTH` deep; all text stays.

    HTML of many tags is written anew, tag by tag, so that every parser sees the tags
    that were counted here.

    >>> flattened("<b>x</b>")
    '<b>x</b>'
    """
    if sum(1 for _ in _TAG_START.finditer(html)) < _MANY_TAGS:
        return html
    return _Flat(html).written()


class _Flat:
    def __init__(self, html: str) -> None:
        self.html = html
        self.open: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.depth = 0
        self.pieces: list[str] = []

    def written(self) -> str:
        position = 0
        while tag := _TAG.search(self.html, position):
            self.pieces.append(self.html[position : tag.start()])
            position = tag.end()
            name = (tag[2] or "").lower()
            if not name:
                self.pieces.append("&lt;" if tag[0] == "<" else "")
            elif tag[1]:
                self._close(name)
            elif name in _RAW:
                position = self._after(name, position)
            else:
                self._enter(name, tag[3])
        self.pieces.append(self.html[position:])
        return "".join(self.pieces)

    def _after(self, name: str, position: int) -> int:
        end = re.compile(f"</{name}[^<>]*>", re.IGNORECASE).search(self.html, position)
        return end.end() if end else len(self.html)

    def _enter(self, name: str, attributes: str) -> None:
        if name not in _SHALLOW:
            if self.depth >= limits.HTML_DEPTH:
                self.left_out[name] += 1
                return
            self.depth += 1
            self.open[name] += 1
        kept = [
            f' {found[1]}="{escape(unescape(found[2] or found[3] or found[4] or ""))}"'
            for found in _ATTRIBUTE.finditer(attributes)
        ]
        self.pieces.append(f"<{name}{''.join(kept)}>")

    def _close(self, name: str) -> None:
        """One end for one start: what closes others too, as `</b>`, counts for one."""
        if self.left_out[name]:
            self.left_out[name] -= 1
        elif name in _SHALLOW:
            self.pieces.append(f"</{name}>")
        elif self.open[name]:
            self.open[name] -= 1
            self.depth -= 1
            self.pieces.append(f"</{name}>")


def too_deep(raw: bytes) -> bool:
    """Whether multiparts nest deeper than `limits.DEPTH`, by their boundary lines."""
    declared: set[bytes] = set()
    within: list[bytes] = []
    places: dict[bytes, int] = {}
    for found in _BOUNDARY.finditer(raw):
        if found[1] is not None:
            declared.add(found[1].strip())
            continue
        name = found[2].rstrip(b" \t")
        last = name not in places and name.endswith(b"--")
        name = name.removesuffix(b"--") if last else name
        if name in places:
            # A boundary from further out ends all that is within.
            keep = places[name] + (not last)
            for ended in within[keep:]:
                del places[ended]
            del within[keep:]
        elif name in declared and not last:
            places[name] = len(within)
            within.append(name)
            if len(within) > limits.DEPTH:
                return True
    return False
