"""HTML mail: read as text, and made safe to show. Linear on hostile input."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import nh3
from selectolax.lexbor import LexborHTMLParser, LexborNode

from threads.mail import limits
from threads.mail.tags import levelled

_LONGEST_LINK = 500
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "center", "dd", "div",
        "dl", "dt", "fieldset", "figure", "footer", "form", "h1", "h2", "h3", "h4",
        "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section",
        "table", "tbody", "thead", "tr", "ul",
    }
)  # fmt: skip
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table"})
# They begin and end on lines of their own; an empty line around paragraphs.
_LINE, _APART = "\x04", "\x05"
_EDGES = dict.fromkeys(_BLOCKS, _LINE) | dict.fromkeys(_PARAGRAPHS, _APART)
_SILENT = frozenset(
    {"script", "style", "head", "title", "meta", "template", "noscript"}
)
_STYLE_TRICKS = re.compile(r"url|image|@import|expression|\\|/\*", re.IGNORECASE)
# Controls too: the marks below are ours alone. A blank by itself stays as it is.
_SPACES = re.compile(r"[\x00-\x1f][\x00-\x20]*+| [\x00-\x20]++")
_WHITE = re.compile(r"[\x00-\x20]+")
_BLANK_LINES = re.compile(r"\n{3,}")
_QUOTE, _UNQUOTE = "\x02", "\x03"
_DEEPEST_QUOTE = 10
# Between two texts: ends of lines and edges of blocks.
_BETWEEN = re.compile(r"[\n\x04\x05][ \n\x04\x05]*")
_ON_A_LINE = re.compile(r"([\n\x04\x05])([ \xa0]++)(?=[\n\x04\x05])")
# Where Outlook begins a quote, it shows a line; in plain text it writes this one.
_RULE = "_" * 32
_DIVIDERS = ("divrplyfwdmsg", "mail-editor-reference-message-container")
_DIVIDING_STYLE = re.compile(r"border-top:(?:1\.0pt )?solid #(?:e1e1e1|b5c4df)")
_LONGEST_STYLE = 1_000
_NO_ROOM = re.compile(
    r"(?:^|;)margin:0(?:[a-z]{2})?(?: (?:0(?:[a-z]{2})?|0?\.0+1pt))*(?:;|$)"
)
# As many pieces back a rule of theirs is the same one.
_NEAR = 6

_TAGS: Final = {
    "a", "abbr", "b", "blockquote", "br", "caption", "center", "cite", "code", "col",
    "colgroup", "dd", "del", "div", "dl", "dt", "em", "font", "h1", "h2", "h3", "h4",
    "h5", "h6", "hr", "i", "img", "ins", "li", "ol", "p", "pre", "q", "s", "small",
    "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "u", "ul",
}  # fmt: skip
_ATTRIBUTES: Final = {
    "*": {"align", "dir", "lang", "title", "valign", "bgcolor", "width", "height"},
    "a": {"href"},
    "blockquote": {"type", "cite"},
    "font": {"color", "face", "size"},
    "img": {"src", "alt"},
    "ol": {"start", "type"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}


def sanitised(html: str) -> str:
    """Tags and attributes of an allowlist; pictures only from within the mail."""
    return nh3.clean(
        levelled(html),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_kept,
        url_schemes={"http", "https", "mailto", "tel", "cid"},
        link_rel="noopener noreferrer nofollow",
    )


def content_id_of(url: str) -> str:
    """The Content-ID in a `cid:` URL (RFC 2392); `""` in another.

    >>> content_id_of("CID:logo%40x"), content_id_of("https://x.nl/")
    ('logo@x', '')
    """
    scheme, _, identifier = url.strip().partition(":")
    return unquote(identifier).strip("<> ") if scheme.lower() == "cid" else ""


def _kept(tag: str, attribute: str, value: str) -> str | None:
    if tag == "img" and attribute == "src" and not content_id_of(value):
        return None  # remote content tells the sender that the mail was read
    if attribute == "href" and value.startswith("//"):
        return None
    return value


# At display time looks may stay too: the frame's CSP fetches nothing for them.
_STYLES: Final = {
    "background-color", "border", "border-bottom", "border-collapse", "border-color",
    "border-left", "border-radius", "border-right", "border-spacing", "border-style",
    "border-top", "border-width", "color", "direction", "display", "float",
    "font-family", "font-size", "font-style", "font-weight", "height", "letter-spacing",
    "line-height", "list-style-type", "margin", "margin-bottom", "margin-left",
    "margin-right", "margin-top", "max-width", "min-width", "padding",
    "padding-bottom", "padding-left", "padding-right", "padding-top", "text-align",
    "text-decoration", "text-indent", "text-transform", "vertical-align",
    "white-space", "width",
}  # fmt: skip


def framed(html: str, *, inline: Mapping[str, str], pictures: bool) -> str:
    """As `sanitised`, for a sandboxed frame: with looks, and links that open outside.

    `inline` maps Content-IDs to data: URLs of the mail's own pictures. Pictures from
    elsewhere stay out unless asked for: they tell the sender that the mail was read.

    >>> framed('<img src="https://x.nl/p.gif" alt="p">', inline={}, pictures=False)
    '<img alt="p">'
    """

    def kept(tag: str, attribute: str, value: str) -> str | None:
        if tag == "img" and attribute == "src":
            if name := content_id_of(value):
                return inline.get(name)
            return value if pictures and value.startswith("https://") else None
        if attribute == "style" and _STYLE_TRICKS.search(value):
            return None
        return _kept(tag, attribute, value)

    return nh3.clean(
        levelled(html),
        tags=_TAGS,
        attributes={**_ATTRIBUTES, "*": {*_ATTRIBUTES["*"], "style"}},
        attribute_filter=kept,
        filter_style_properties=_STYLES,
        url_schemes={"http", "https", "mailto", "tel", "cid"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def text_of(html: str) -> str:
    """Readable text, links and quotes kept, walked without recursion.

    >>> text_of('<p>Hallo <b>Jan</b>,</p><p>zie <a href="https://x.nl/">hier</a></p>')
    'Hallo Jan,\\n\\nzie hier (https://x.nl/)'
    >>> text_of("Ja.<blockquote><p>Kan<p>dat?</blockquote>Jan")
    'Ja.\\n> Kan\\n>\\n> dat?\\nJan'
    """
    tree = LexborHTMLParser(levelled(html))
    root = tree.body or tree.root
    if root is None:
        return ""
    return _tidy("".join(_Walk().over(root)))


@dataclass(frozen=True, slots=True)
class _Link:
    """Where a link leads, and from which piece on its text was written."""

    href: str
    start: int

    def note(self, pieces: list[str]) -> str:
        """The address, unless the text shows it."""
        shown = ""
        for at in range(self.start, len(pieces)):
            shown += pieces[at]
            if len(shown) > _LONGEST_LINK:
                break
        return "" if self.href in shown else f" ({self.href[:_LONGEST_LINK]})"


_Step = LexborNode | str | _Link


class _Walk:
    """Over a tree, without recursion: its texts, and marks for what they stand in."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.links = 0
        # A node to go on with, or what to do when what stands before it is done.
        self.stack: list[_Step] = []

    def over(self, root: LexborNode) -> list[str]:
        pieces, stack = self.pieces, self.stack
        node = self._into(root, root.tag or "")
        while True:
            while node is not None:
                tag = node.tag
                if tag == "-text":
                    text = node.text_content or ""
                    # Most are the end of a line between two tags.
                    pieces.append(" " if text == "\n" else _SPACES.sub(" ", text))
                elif tag == "br":
                    pieces.append("\n")
                elif tag == "img":
                    pieces.append(_SPACES.sub(" ", node.attributes.get("alt") or ""))
                elif tag not in _SILENT and tag is not None and tag[0] not in "-_":
                    if (following := node.next) is not None:
                        stack.append(following)
                    node = self._into(node, tag)
                    continue
                node = node.next
            if not stack:
                return pieces
            item = stack.pop()
            if isinstance(item, str):
                pieces.append(item)
            elif isinstance(item, _Link):
                self.links += 1
                pieces.append(item.note(pieces) if self.links <= limits.LINKS else "")
            else:
                node = item

    def _into(self, node: LexborNode, tag: str) -> LexborNode | None:
        """Its first child, when what stands before that is said."""
        pieces, stack = self.pieces, self.stack
        if edge := _EDGES.get(tag):
            if tag == "p" and _is_line(node):
                edge = _LINE
            pieces.append(edge)
            stack.append(edge)
            if tag == "div":
                if _divides(node) and _RULE not in pieces[-_NEAR:]:
                    pieces += [_RULE, "\n"]
            elif tag == "blockquote" and _quotes(node):
                pieces.append(f"{_QUOTE}\n")
                stack.append(f"\n{_UNQUOTE}")
            elif tag == "li":
                pieces.append("* ")
        elif tag in {"td", "th"}:
            stack.append(" ")
        elif tag == "a":
            href = _WHITE.sub("", node.attributes.get("href") or "")
            if href.startswith(("http://", "https://")):
                stack.append(_Link(href, len(pieces)))
        return node.child


def _is_line(node: LexborNode) -> bool:
    """Outlook writes a paragraph without room around it for each line.

    >>> text_of("<p class=MsoNormal>a</p><p class=MsoNormal>b</p><p>c")
    'a\\nb\\n\\nc'
    """
    attributes = node.attributes
    if not attributes:
        return False
    if (attributes.get("class") or "").startswith("Mso"):
        return True
    style = attributes.get("style")
    return bool(style and "margin" in style and _NO_ROOM.search(_style(attributes)))


def _divides(node: LexborNode) -> bool:
    """What Outlook puts above the mail that is answered."""
    attributes = node.attributes
    if not attributes:
        return False
    known = (attributes.get("id") or "")[-_LONGEST_LINK:].lower()
    return known.endswith(_DIVIDERS) or bool(_DIVIDING_STYLE.search(_style(attributes)))


def _quotes(node: LexborNode) -> bool:
    """A block without a line beside it is only indented, as an address or a law is.

    >>> text_of('<blockquote style="margin:0 0 0 40px;border:none">Straat 1')
    'Straat 1'
    """
    attributes = node.attributes
    style = _style(attributes)
    plain = "border:none" in style and "border-left" not in style
    return not plain or "type" in attributes or "class" in attributes


def _style(attributes: Mapping[str, str | None]) -> str:
    style = (attributes.get("style") or "")[:_LONGEST_STYLE]
    return style.lower().replace(": ", ":").replace("; ", ";")


def _tidy(text: str) -> str:
    if "\xa0" in text:
        text = _ON_A_LINE.sub(_empty, text).replace("\xa0", " ")
    while "  " in text:
        text = text.replace("  ", " ")
    for mark in ("\n", _LINE, _APART):
        text = text.replace(f" {mark}", mark)
    text = _BETWEEN.sub(_ends, text)
    if _QUOTE in text:
        text = _prefixed(text)
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip()


def _empty(found: re.Match[str]) -> str:
    """A line that somebody left empty, as programs write it."""
    return f"{found[1]}\n" if "\xa0" in found[2] else found[1]


def _ends(found: re.Match[str]) -> str:
    """As many line ends as a browser shows: a block that follows another begins once.

    >>> text_of("<div>a</div><div>b<br></div><div><br></div><div>c")
    'a\\nb\\n\\nc'
    >>> text_of("<ul><li>a<li>b</ul>")
    '* a\\n* b'
    """
    run = found[0]
    if _APART in run:
        return "\n\n"
    count = run.count("\n")
    return "\n\n" if count > 1 or (count and run[0] != "\n") else "\n"


def _prefixed(text: str) -> str:
    """Lines between the marks as mail quotes them, without empty ones at the ends."""
    lines: list[str] = []
    depth = 0
    begins = False
    for line in text.split("\n"):
        if line in {_QUOTE, _UNQUOTE}:
            while lines and not lines[-1].strip("> "):
                lines.pop()
            begins = line == _QUOTE
            depth += 1 if begins else -1
        elif line or not begins:
            begins = not line  # one empty line is enough
            mark = ">" * min(depth, _DEEPEST_QUOTE)
            lines.append(f"{mark} {line}".strip(" "))
    return "\n".join(lines)
