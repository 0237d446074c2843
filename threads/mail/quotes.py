"""The new part of a reply, its quotes and its signature: spans, nothing thrown away."""

import quotequail

Spans = dict[str, list[list[int]]]

# Beyond these quotequail grows faster than the text: then all of it is the reply.
_LONGEST_TEXT = 100_000
_LONGEST_LINE = 1_000
_MOST_LINES = 10_000
_DELIMITER = "-- "
# Whatever introduces a quote ("On … wrote:", "---- Original message ----") ends in one
# of these, on its line or on the next. quotequail tries fifty patterns on every line,
# which took half the time of a whole parse.
_ENDS = frozenset(":-_>")


def spans(text: str) -> Spans:
    """Half-open character ranges that cover `text`; when unsure, all is reply.

    >>> spans("Dank!\\n-- \\nJan")
    {'reply': [[0, 6]], 'quoted': [], 'signature': [[6, 13]]}
    """
    found: Spans = {"reply": [], "quoted": [], "signature": []}
    position = 0
    for visible, piece in _pieces(text):
        end = position + len(piece)
        if visible:
            _add_reply(found, text, position, end)
        else:
            _add(found["quoted"], position, end)
        position = end
    return found


def _pieces(text: str) -> list[tuple[bool, str]]:
    """Whole lines, each with its line end, that together are `text`."""
    lines = text.split("\n")
    if len(text) > _LONGEST_TEXT or any(len(line) > _LONGEST_LINE for line in lines):
        return [(True, text)]
    plain = _lines_before_any_quote(lines)
    rest = "\n".join(lines[plain:])
    quoted = quotequail.quote(rest, limit=_MOST_LINES - plain, quote_intro_line=True)
    quoted[0] = (quoted[0][0], text[: len(text) - len(rest)] + quoted[0][1])
    if "\n".join(piece for _, piece in quoted) != text:
        return [(True, text)]
    return [
        (visible, piece + ("\n" if number < len(quoted) else ""))
        for number, (visible, piece) in enumerate(quoted, start=1)
    ]


def _lines_before_any_quote(lines: list[str]) -> int:
    """How many surely are none; at least one line before a quote is left out."""
    ends = (n for n, line in enumerate(lines) if line.rstrip()[-1:] in _ENDS)
    return min(max(next(ends, len(lines)) - 2, 0), _MOST_LINES - 2)


def _add_reply(found: Spans, text: str, start: int, end: int) -> None:
    """The signature delimiter of RFC 3676 section 4.3 ends the reply."""
    position = start
    for line in text[start:end].splitlines(keepends=True):
        if line.rstrip("\r\n") == _DELIMITER:
            _add(found["reply"], start, position)
            _add(found["signature"], position, end)
            return
        position += len(line)
    _add(found["reply"], start, end)


def _add(ranges: list[list[int]], start: int, end: int) -> None:
    if start == end:
        return
    if ranges and ranges[-1][1] == start:
        ranges[-1][1] = end
    else:
        ranges.append([start, end])
