"""The new part of a reply, its quotes and its signature: spans, nothing thrown away.

Rules on lines, in the words of the programs that write them. Each looks at a bounded
number of short lines, so all of it is linear. When unsure, nothing is cut: what is not
certainly quoted is reply, and a mail that would be left without a reply keeps all.
"""

import re
from itertools import groupby

from threads.mail.introductions import heads, introduction, rules, separates
from threads.mail.signatures import signature, signs

Spans = dict[str, list[list[int]]]

# What comes after that many characters is whatever the last line before it was.
_LONGEST_TEXT = 200_000
_LONGEST_LINE = 300
# Who says so did not answer above the quote, or not only there.
_ANSWERED_WITHIN = re.compile(
    r"\b(?:antwoord(?:en)?|reacties?|opmerking(?:en)?|commentaar|answers?|comments?"
    r"|replies|antworten|kommentare|réponses|respuestas|risposte)\b.{0,60}\b(?:rood"
    r"|rode|blauw|blauwe|groen|groene|kleur|hieronder|tussen|inline|in de tekst"
    r"|in (?:de|je|jouw|uw) mail|red|blue|green|below|between|rot|blau|grün|unten"
    r"|rouge|bleu|ci-dessous|rojo|azul|abajo|rosso|blu|sotto)\b",
    re.IGNORECASE,
)


def spans(text: str) -> Spans:
    r"""Half-open character ranges that cover `text`.

    >>> spans("Dank!\n-- \nJan")
    {'reply': [[0, 6]], 'quoted': [], 'signature': [[6, 13]]}
    >>> spans("Ja.\n\n> Kan dat?\n")
    {'reply': [[0, 5]], 'quoted': [[5, 16]], 'signature': []}
    """
    found: Spans = {"reply": [], "quoted": [], "signature": []}
    whole = text[:_LONGEST_TEXT].splitlines(keepends=True)
    position = 0
    for line, kind in zip(whole, _kinds([line.strip() for line in whole]), strict=True):
        _add(found[kind], position, position + len(line))
        position += len(line)
        last = kind
    if text:
        _add(found[last], position, len(text))
    return found


def _add(ranges: list[list[int]], start: int, end: int) -> None:
    if start == end:
        return
    if ranges and ranges[-1][1] == start:
        ranges[-1][1] = end
    else:
        ranges.append([start, end])


def _kinds(lines: list[str]) -> list[str]:
    """What each line is."""
    quoted = _quoted(lines)
    if not any(line for line, old in zip(lines, quoted, strict=True) if not old):
        return ["reply"] * len(lines)  # nothing else: it was forwarded as it came
    kinds: list[str] = []
    said = False
    for old, run in groupby(quoted):
        new = lines[len(kinds) : len(kinds) + len(list(run))]
        if old:
            kinds += ["quoted"] * len(new)
            continue
        begins = signature(new, said=said)
        said = said or any(new[:begins])
        kinds += ["reply"] * begins + ["signature"] * (len(new) - begins)
    return kinds


def _quoted(lines: list[str]) -> list[bool]:
    quoted = [line.startswith(">") for line in lines]
    said: int | None = None  # the first line that somebody wrote himself
    for at, line in enumerate(lines):
        if separates(line) or (line and not quoted[at] and heads(lines, at)):
            if said is None or signs(lines[said:at], 0):
                return quoted  # a forward without a word of its own
            return _to_the_end(lines, quoted, _with_rule(lines, at))
        if quoted[at] or not line or rules(line):
            continue
        begins, certain = introduction(lines, at)
        if begins is None:
            said = at if said is None else said
            continue
        before = said is not None and said < begins
        following = next((n for n in range(at + 1, at + 4) if any(lines[n : n + 1])), 0)
        if following and quoted[following]:
            quoted[begins:following] = [True] * (following - begins)
            said = said if before else None
        elif certain and before:
            return _to_the_end(lines, quoted, begins)
        else:
            said = begins if said is None else said
    return _without_gaps(lines, quoted)


def _to_the_end(lines: list[str], quoted: list[bool], start: int) -> list[bool]:
    """All from `start` on, unless the answers are there.

    >>> _to_the_end(["Mijn antwoorden in rood:", "Van: Jan"], [False, False], 1)
    [False, False]
    """
    if any(_ANSWERED_WITHIN.search(line[:_LONGEST_LINE]) for line in lines[:start]):
        return quoted
    return quoted[:start] + [True] * (len(quoted) - start)


def _without_gaps(lines: list[str], quoted: list[bool]) -> list[bool]:
    """Empty lines between quotes are quoted."""
    last = -1
    for at, old in enumerate(quoted):
        if old:
            if last >= 0 and not any(lines[last + 1 : at]):
                quoted[last + 1 : at] = [True] * (at - last - 1)
            last = at
    return quoted


def _with_rule(lines: list[str], at: int) -> int:
    """The rule above a block belongs to it."""
    for above in range(at - 1, max(at - 4, -1), -1):
        if rules(lines[above]):
            return above
        if lines[above]:
            break
    return at
