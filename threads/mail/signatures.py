"""Where a signature begins, among the lines that somebody wrote himself."""

import re
from collections.abc import Callable

# RFC 3676 section 4.3; the blank after it is lost on many ways.
_DELIMITER = "--"
_LONGEST_LINE = 100
_MOST_LINES = 12
_AFTER_DEVICE = 2

_CLOSING = re.compile(
    r"(?:(?:met|mvg|m\.v\.g\.?|vriendelijke?|hartelijke?|beste|alvast|groet(?:en|jes)?"
    r"|with|kind|best|warm|many|regards|sincerely|cheers|yours|mit|freundliche[nr]?"
    r"|viele|beste|liebe|grüße[n]?|gruß|lg|mfg|cordialement|bien|cordialmente|saludos"
    r"|atentamente|saluti|cordiali|distinti|atenciosamente|med|mvh|venlig|vänliga?|kh"
    r"|vh|hilsen|hälsning(?:ar)?|pozdrawiam|pozdrowienia|z|s|pozdravem)\b[ ,.!]*){1,5}"
    r"(?:(?:vriendelijke?|hartelijke?|groet(?:en|jes)?|regards|wishes|thanks|truly"
    r"|faithfully|grüße[n]?|grüssen|à vous|poważaniem|powazaniem|hilsen"
    r"|hälsning(?:ar)?)\b[ ,.!]*){0,3}",
    re.IGNORECASE,
)
# A closing alone is no word of these: "met", "best", "with".
_GREETS = re.compile(
    r"groet|mvg|m\.v\.g|regards|sincerely|cheers|truly|faithfully|wishes|gr[üu](?:ß|ss)"
    r"|\blg\b|\bmfg\b|cordial|saludos|atentamente|saluti|atenciosamente|\bmvh\b|\bkh\b"
    r"|\bvh\b|hilsen|hälsning|pozdr|powa[żz]aniem",
    re.IGNORECASE,
)
_DEVICE = re.compile(
    r"(?:sent|verstuurd|verzonden|gesendet|envoyé|enviado|inviato|skickat|sendt)"
    r" (?:from|via|with|using|vanaf|vanuit|met|von|mit|depuis|desde|da|från|fra) "
    r"[^.,;:!?]{2,50}"
    r"|(?:get|download) outlook (?:for|voor) [^.,;!?]{2,60}(?:\S+)?"
    r"|outlook voor \w+ downloaden.{0,60}",
    re.IGNORECASE,
)
_DASHED_NAME = re.compile(r"[-–—/][^\W\d_][\w.'-]*(?: [^\W\d_][\w.'-]*){0,3}")
_RULE = re.compile(r"_{5,}|-{20,}")
_GOES_ON = re.compile(r"p\.?\s?s\b|.*\?$", re.IGNORECASE)


def signature(lines: list[str], *, said: bool) -> int:
    """The first line of the signature, or `len(lines)` when there is none.

    `lines` are stripped; `said` is whether something was said before them: a mail
    that is nothing but a signature has none.

    >>> signature(["Dank!", "Met vriendelijke groet,", "Jan"], said=False)
    1
    >>> signature(["Met vriendelijke groet,", "Jan"], said=False)
    2
    """
    for at, line in enumerate(lines):
        if line and said and any(rule(lines, at) for rule in _RULES):
            return at
        said = said or bool(line)
    return len(lines)


def delimited(lines: list[str], at: int) -> bool:
    """The delimiter that programs put there.

    >>> delimited(["--", "Jan"], 0)
    True
    """
    return lines[at] == _DELIMITER


def closes(lines: list[str], at: int) -> bool:
    """A greeting on a line of its own, and below it only what stands in signatures.

    >>> closes(["Met vriendelijke groet,", "Jan"], 0)
    True
    >>> closes(["Groeten aan je vrouw", "Jan"], 0)
    False
    >>> closes(["Groet,", "Jan", "PS: morgen kan ook"], 0)
    False
    """
    line = lines[at][:_LONGEST_LINE]
    greets = _CLOSING.fullmatch(line) and _GREETS.search(line)
    return bool(greets) and _is_end(lines[at + 1 :])


def from_device(lines: list[str], at: int) -> bool:
    """What telephones add.

    >>> from_device(["Verstuurd vanaf mijn iPhone"], 0)
    True
    >>> from_device(["Sent from my desk, which is easier."], 0)
    False
    """
    if not _DEVICE.fullmatch(lines[at][:_LONGEST_LINE]):
        return False
    return sum(1 for line in lines[at + 1 :] if line) <= _AFTER_DEVICE


def dashed(lines: list[str], at: int) -> bool:
    """A name behind a dash, alone between empty lines; the footer of a list.

    >>> dashed(["-Maarten de Jong", ""], 0)
    True
    >>> dashed(["-appels", "-peren"], 0)
    False
    """
    line = lines[at][:_LONGEST_LINE]
    alone = not any(lines[max(at - 1, 0) : at]) and not any(lines[at + 1 : at + 2])
    name = alone and line[1:2].isupper() and _DASHED_NAME.fullmatch(line)
    return bool(name or _RULE.fullmatch(line)) and _is_end(lines[at + 1 :])


_RULES: tuple[Callable[[list[str], int], bool], ...] = (
    delimited,
    closes,
    from_device,
    dashed,
)


def _is_end(rest: list[str]) -> bool:
    """Few short lines, none of which goes on with the mail."""
    kept = [line for line in rest if line]
    return len(kept) <= _MOST_LINES and not any(
        len(line) > _LONGEST_LINE or _GOES_ON.match(line) for line in kept
    )
