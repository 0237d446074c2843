"""The new part of a reply, its quotes and its signature: spans, nothing thrown away."""

import quotequail

Spans = dict[str, list[list[int]]]

# Beyond these quotequail grows faster than the text: then all of it is the reply.
_LONGEST_TEXT = 100_000
_LONGEST_LINE = 1_000
_DELIMITER = "-- "


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
    long = len(text) > _LONGEST_TEXT
    if long or any(len(line) > _LONGEST_LINE for line in text.split("\n")):
        return [(True, text)]
    quoted = quotequail.quote(text, limit=10_000, quote_intro_line=True)
    if "\n".join(piece for _, piece in quoted) != text:
        return [(True, text)]
    return [
        (visible, piece + ("\n" if number < len(quoted) else ""))
        for number, (visible, piece) in enumerate(quoted, start=1)
    ]


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
