"""HTML levelled before any parser sees it: one pass over the tags.

Parsers of HTML keep every open element and look through them again and again: some ten
thousand nested tags, or unclosed `<font>`s, cost them minutes. What is deeper than a
mail has any use for loses its tags here and keeps its text.
"""

import re
from collections import defaultdict

from threads.mail import limits

_LONG_TEXT = 2_000
_AMPERSANDS = 1_000
# As HTML 13.2.5 has it: a quote counts only after an equals sign. The groups: slash,
# name, end of tag; comment; end of what is neither.
_MARKUP = re.compile(
    r"""<(?:
        (/?) ([a-zA-Z][^\s/>]*+)
        (?: [\s/]*+ (?: =[^\s/>=]*+ | [^\s/>=]++ )
            (?: \s*+=\s*+ (?: "[^"]*+" | '[^']*+' | (?=>) | [^\s>"'][^\s>]*+ )
              | (?!\s*+=) )
        )*+ [\s/]*+ (>)?
        | (!--)
        | [!?/] [^>]*+ (>)?
    )""",
    re.VERBOSE,
)
_COMMENT_ENDS = re.compile(r"(?<=<!--)-?>|--!?>")
_VOID = frozenset(
    {
        "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr",
        "img", "input", "link", "meta", "param", "source", "track", "wbr",
    }
)  # fmt: skip
# Nobody reads what stands in them; that it may hold tags that are none is a trap.
_UNREAD = frozenset({"script", "style", "title", "iframe", "noembed", "noframes"})
# They change how what follows is read, and no mail needs them.
_REFUSED = frozenset(
    {
        "frameset", "math", "noscript", "plaintext", "select", "svg", "template",
        "textarea", "xmp",
    }
)  # fmt: skip
_INLINE = frozenset(
    {
        "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "span",
        "strike", "strong", "tt", "u",
    }
)  # fmt: skip
_SPECIAL = _VOID | _UNREAD | _REFUSED
# A second one ends the first when only these stand between them.
_BETWEEN = {
    "p": _INLINE,
    "li": _INLINE | {"p"},
    "dt": _INLINE | {"p", "dd"},
    "dd": _INLINE | {"p", "dt"},
    "td": _INLINE | {"p", "th"},
    "th": _INLINE | {"p", "td"},
    "tr": _INLINE | {"p", "td", "th"},
}
_FARTHEST = 10


class Levelled(str):
    """HTML of which that is true; end to end they still are."""

    __slots__ = ()


def levelled(html: str) -> Levelled:
    """The same document with tags at most 200 deep, each closed where it ends.

    >>> levelled("<p>een <b>twee</p>drie")
    '<p>een <b>twee</b></p>drie'
    >>> levelled("<style>a { }</style><!-- niets -->tekst")
    'tekst'
    """
    return html if isinstance(html, Levelled) else _Leveller(html).written()


class _Leveller:
    def __init__(self, html: str) -> None:
        self.html = limits.storable(html[: limits.HTML])
        # What was written so far, and from where on nothing was decided yet.
        self.pieces: list[str] = []
        self.pending = 0
        self.open: list[str] = []
        # How many of each name are open, and how many were left out.
        self.opened: defaultdict[str, int] = defaultdict(int)
        self.left_out: defaultdict[str, int] = defaultdict(int)

    def written(self) -> Levelled:
        html, search = self.html, _MARKUP.search
        at = 0
        while found := search(html, at):
            start, end = found.span()
            if start - at > _LONG_TEXT:
                self._interrupt(at, start)
            slash, name, ends, comment, declaration = found.groups()
            if ends:
                name = name.lower()
                if name in _SPECIAL:
                    at = self._special(name, slash, start, end)
                    continue
                kept = self._close(name, start) if slash else self._open(name, start)
                at = end if kept else self._left_out(start, end)
            elif comment:
                last = _COMMENT_ENDS.search(html, end)
                at = self._left_out(start, last.end() if last else len(html))
            elif declaration:
                at = self._left_out(start, end)
            else:  # the tag never ends, nor does the mail
                at = self._left_out(start, len(html))
        self._interrupt(at, len(html))
        self._close_to(0, len(html))
        self.pieces.append(html[self.pending :])
        return Levelled("".join(self.pieces))

    def _interrupt(self, start: int, end: int) -> None:
        """Tags that show nothing, for the sanitiser is slow on a text of many `&`."""
        if self.html.count("&", start, end) <= _AMPERSANDS:
            return
        self._left_out(start, end)
        pieces = self.html[start:end].split("&")
        for at in range(0, len(pieces), _AMPERSANDS):
            self.pieces.append("<wbr>&" if at else "")
            self.pieces.append("&".join(pieces[at : at + _AMPERSANDS]))

    def _left_out(self, start: int, end: int) -> int:
        self.pieces.append(self.html[self.pending : start])
        self.pending = end
        return end

    def _special(self, name: str, slash: str, start: int, at: int) -> int:
        """From where on nothing is decided yet."""
        if name in _UNREAD and not slash:
            return self._left_out(start, self._after(name, at))
        if name in _VOID and (not slash or name == "br"):
            return at
        return self._left_out(start, at)

    def _after(self, name: str, at: int) -> int:
        closing = re.compile(rf"</{name}[\s/>]", re.IGNORECASE)
        end = closing.search(self.html, at)
        return end.start() if end else len(self.html)

    def _open(self, name: str, start: int) -> bool:
        open_ = self.open
        between = _BETWEEN.get(name)
        if between is not None and self.opened[name]:
            for depth in range(1, min(_FARTHEST, len(open_)) + 1):
                inner = open_[-depth]
                if inner == name:
                    self._close_to(len(open_) - depth, start)
                    break
                if inner not in between:
                    break
        if len(open_) >= limits.HTML_DEPTH:
            self.left_out[name] += 1
            return False
        open_.append(name)
        self.opened[name] += 1
        return True

    def _close(self, name: str, start: int) -> bool:
        if self.left_out.get(name):
            self.left_out[name] -= 1
            return False
        open_ = self.open
        if not open_ or open_[-1] != name:
            if not self.opened[name]:
                return name == "p"  # closed only, it still breaks the line
            depth = len(open_) - 1
            while open_[depth] != name:
                depth -= 1
            self._close_to(depth + 1, start)
        open_.pop()
        self.opened[name] -= 1
        return True

    def _close_to(self, depth: int, start: int) -> None:
        """Ends all that is deeper: what is left open would be opened again."""
        if len(self.open) == depth:
            return
        self._left_out(start, start)
        while len(self.open) > depth:
            name = self.open.pop()
            self.opened[name] -= 1
            self.pieces.append(f"</{name}>")
