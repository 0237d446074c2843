"""The mailboxes of an address header (RFC 5322 section 3.4), read in linear time.

Lenient where mail is: semicolons between people, commas in encoded words, names with
dots, addresses without angles. Of two readings neither is taken.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# (name, address), as written and without quotes.
Pair = tuple[str, str]

_QUOTED = r"""(?P<local>"(?:[^"\\]|\\.)*+"(?=@)[^\s"()<>,;]*+)
      | "(?P<quoted>(?:[^"\\]|\\.)*+)" | """
# The text of an encoded word (RFC 2047), raw question marks and equals signs too; it
# ends where the next one begins.
PAYLOAD = r"(?:[^?=]|\?(?!=)|=(?!\?[^?\s]{0,60}\?[bBqQ]\?))*?"
_OTHERS = rf"""(?P<encoded>=\?[^?\s]{{0,60}}\?[bBqQ]\?{PAYLOAD}\?=)
      | <(?P<angle>[^<>]*+)>?
      | (?P<mark>[,;:(])
      | (?P<word>(?:\[[^\]\s]*+\] | [^\s"()<>,;:\[])++)
      | \s++ | ."""
_TOKEN = re.compile(_QUOTED + _OTHERS, re.VERBOSE | re.DOTALL)
_WITHOUT_QUOTES = re.compile(_OTHERS, re.VERBOSE | re.DOTALL)
_SPLIT = 3
_IN_COMMENT = re.compile(r"[()]|\\.", re.DOTALL)
_COMMENT = re.compile(r"\([^()]*\)")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# `jan@x . nl`, as long ago as that (RFC 5322 section 4.4).
_SPACED = re.compile(r"[^\s@]++@[^\s@.]++(?: \. ?|\. )[^\s@.]++(?: ?\. ?[^\s@.]++)*")
# `<undisclosed-recipients:@relay.nl;>`: the name of an empty group, completed.
_NOBODY = re.compile(r"[^@:]*+:[^;]*+;")
# `<@relay.nl,@other.nl:jan@x.nl>`, obsolete long ago.
_ROUTE = re.compile(r"\A@[^:]*:")


def mailboxes(text: str) -> Iterator[Pair]:
    r"""Each mailbox of a header's value; groups are opened.

    >>> list(mailboxes('"Jansen; Jan" <jan@x.nl>; piet@y.nl (Piet)'))
    [('Jansen; Jan', 'jan@x.nl'), ('Piet', 'piet@y.nl')]
    >>> list(mailboxes("undisclosed-recipients:;"))
    []
    >>> list(mailboxes("jan@x.nl or piet@y.nl"))
    [('jan@x.nl or piet@y.nl', '')]
    >>> list(mailboxes("jan@x . nl, <undisclosed-recipients:@relay.nl;>"))
    [('', 'jan@x.nl')]
    """
    mailbox = _Mailbox()
    at = 0
    tokens = _TOKEN
    comments = True
    while token := tokens.match(text, at):
        at = token.end()
        kind = token.lastgroup
        if kind == "mark":
            mark = token["mark"]
            if mark == "(":
                end = _comment_end(text, at) if comments else None
                # One that never ends: no other does, and none is looked for again.
                comments = end is not None
                if end is not None:
                    mailbox.comments.append(text[at : end - 1])
                    at = end
            elif mark == ":":
                mailbox = _Mailbox()  # that was the name of a group
            else:
                yield from mailbox.pairs()
                mailbox = _Mailbox()
        elif kind is not None:
            mailbox.add(kind, token[kind])
        elif not token[0].isspace():
            mailbox.stray = True
            if token[0] == '"':
                tokens = _WITHOUT_QUOTES  # as with comments
    yield from mailbox.pairs()


def _comment_end(text: str, at: int) -> int | None:
    depth = 1
    for found in _IN_COMMENT.finditer(text, at):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    return None


@dataclass(slots=True)
class _Mailbox:
    """What stands between two separators."""

    phrase: list[str] = field(default_factory=list)
    # The words of the phrase that could be an address.
    words: list[str] = field(default_factory=list)
    angles: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    # A bracket or quote that belongs to nothing: no guesses then.
    stray: bool = False

    def add(self, kind: str, text: str) -> None:
        if kind == "angle":
            self.angles.append("".join(_COMMENT.sub("", text).split()))
            return
        if kind == "quoted":
            text = _ESCAPED.sub(r"\1", text)
        elif kind != "encoded":
            self.words.append(text)
        self.phrase.append(text)

    def pairs(self) -> Iterator[Pair]:
        name = " ".join(self.phrase)
        comment = " ".join(self.comments).strip()
        if self.angles:
            for one in self.angles:
                if not _NOBODY.fullmatch(one):
                    yield name or comment, _ROUTE.sub("", one, count=1)
            return
        if len(self.words) == len(self.phrase) > 1 and _SPACED.fullmatch(name):
            yield comment, name.replace(" ", "")
            return
        addresses = [word for word in self.words if "@" in word.strip("@")]
        alone = len(addresses) == len(self.phrase)
        if alone and not (self.stray and addresses[1:]):
            for one in addresses:
                yield comment, one
        elif len(addresses) == 1:
            others = [word for word in self.phrase if word != addresses[0]]
            yield " ".join(others) or comment, addresses[0]
        elif len(self.phrase) == 1 == len(self.words):
            yield comment, name  # of this machine, as MAILER-DAEMON
        elif self.words[1:2] == ["@"] and len(self.phrase) == _SPLIT and not self.stray:
            yield comment, "".join(self.phrase)  # jan @ x.nl
        elif name or comment:
            yield name or comment, ""
