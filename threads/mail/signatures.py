"""Where a signature begins, among the lines that somebody wrote himself."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from threads.mail.greetings import greets

# RFC 3676 section 4.3; the blank after it is lost on many ways.
_DELIMITER = "--"
_LONGEST_LINE = 100
_LONGEST_NOTICE = 1_000
_MOST_LINES = 20
_AFTER_DEVICE = 2
# Words of a sentence: shorter ones stand in signatures too.
_SENTENCE = 5

_LINK = re.compile(r"\s?(?:<[^<>\s]{1,300}>|\(https?://[^\s()]{1,300}\))")
_PRODUCT = (
    r"\b(?:i?phone|ipad|ipod|android|galaxy|samsung|huawei|xiaomi|nokia|pixel|xperia"
    r"|blackberry|windows|outlook|e?mail|gmail|yahoo|proton|spark|tuta|mac(?:book)?"
    r"|\w*telefoon|\w*phone|\w*tablet|mobiel|mobiele|mobile|handy|smartphone|toestel"
    r"|apparaat|device|app)"
)
_DEVICE = re.compile(
    r"(?:sent|verstuurd|verzonden|gestuurd|gesendet|envoyé|enviado|inviato|skickat|sendt"
    r"|wysłane|odesláno|отправлено|lähetetty)"
    r" (?:from|via|with|using|vanaf|vanuit|met|van|von|mit|de|depuis|desde|do|da|från"
    rf"|fra|z|ze|с) (?=[^:;!?]*{_PRODUCT})[^,:;!?.]{{2,60}}"
    r"(?:\.| (?:op|over) het [^,:;!?.]{2,30}\.)?"
    r"(?: (?:excuseer|please excuse|pardon)[^:;!?]{2,40})?"
    r"|von meinem? \w[^,:;!?.]{2,40} gesendet\.?"
    r"|(?:get|download|obtenir|télécharger|obtener|descargar|scarica|ottieni|obter|hent"
    r"|hämta|pobierz) outlook \w{2,5} (?:ios|android|mac|windows)\.?"
    r"|outlook \w{2,4} (?:ios|android|mac|windows)"
    r" (?:downloaden|beziehen|herunterladen|ophalen)\.?",
    re.IGNORECASE,
)
# How any of these begins.
_DEVICE_WORDS = frozenset(
    str.split(
        "sent verstuurd verzonden gestuurd gesendet envoyé enviado inviato skickat"
        " sendt wysłane odesláno отправлено lähetetty von get download obtenir"
        " télécharger obtener descargar scarica ottieni obter hent hämta pobierz"
        " outlook"
    )
)
# What lawyers put below.
_NOTICE = re.compile(
    r"disclaimer|vertrouwelijk|geadresseerde|uitsluitend bestemd|geen rechten"
    r"|confidential|intended (?:solely|only|recipient|for)|addressee|privileged"
    r"|vertraulich|bestimmt für|confidentiel|destinataire|confidencial|destinatario"
    r"|riservat"
)
# One of them is in each of these.
_NOTICE_STEMS = (
    "disclaimer", "vertrouwelijk", "geadresseerde", "bestemd", "geen rechten",
    "confiden", "intended", "addressee", "privileged", "vertraulich", "bestimmt",
    "destinata", "riservat",
)  # fmt: skip
_DISCLAIMER = re.compile(r"\W*disclaimer\W*(?:$|:)", re.IGNORECASE)
# Sentences that stand in signatures: when somebody is there, and what trees are spared.
_USUAL = re.compile(
    r"bereikbaar|aanwezig|werkzaam|geopend|werkdag|werk op|volg ons|available|follow us"
    r"|milieu\b|environment|afdruk|before printing|umwelt|environnement|ambiente",
    re.IGNORECASE,
)
_DASHED_NAME = re.compile(r"[-–—/][^\W\d_][\w.'-]*(?: [^\W\d_][\w.'-]*){0,3}")
_RULE = re.compile(r"_{5,}|-{20,}")
_DASHES = frozenset("-–—/_")
_GOES_ON = re.compile(r"(?:n\.?\s?b|p\.?\s?s)\b|.*\?$", re.IGNORECASE)


def signature(lines: list[str], *, said: bool) -> int:
    """The first line of the signature, or `len(lines)` when there is none.

    `lines` are stripped; `said` is whether something was said before them: a mail
    that is nothing but a signature has none.

    >>> signature(["Dank!", "Met vriendelijke groet,", "Jan"], said=False)
    1
    >>> signature(["Met vriendelijke groet,", "Jan"], said=False)
    2
    """
    legal = _is_legal("\n".join(lines))
    for at, line in enumerate(lines):
        if line and said and signs(lines, at, legal=legal):
            return at
        said = said or bool(line)
    return len(lines)


def signs(lines: list[str], at: int, *, legal: bool = True) -> bool:
    """Whether all from that line on is a signature, by one rule or another.

    `legal` is whether any line has words of lawyers: most mails have none.
    """
    return (
        delimited(lines, at)
        or closes(lines, at)
        or from_device(lines, at)
        or dashed(lines, at)
        or (legal and warns(lines, at))
    )


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
    return greets(lines[at]) and _is_end(_below(lines, at))


def from_device(lines: list[str], at: int) -> bool:
    """What telephones add.

    >>> from_device(["Verstuurd vanaf mijn iPhone"], 0)
    True
    >>> from_device(["Outlook voor iOS<https://aka.ms/o0ukef> downloaden"], 0)
    True
    >>> from_device(["Sent from my desk, which is easier."], 0)
    False
    """
    line = lines[at]
    if len(line) > _LONGEST_LINE + _LONGEST_LINE:
        return False
    first = line.partition(" ")[0].partition("<")[0].partition("(")[0]
    if first.lower() not in _DEVICE_WORDS:
        return False
    if not _DEVICE.fullmatch(_LINK.sub("", line)[:_LONGEST_LINE]):
        return False
    return sum(1 for _ in islice(_below(lines, at), _AFTER_DEVICE + 1)) <= _AFTER_DEVICE


def dashed(lines: list[str], at: int) -> bool:
    """A name behind a dash, alone between empty lines; the footer of a list.

    >>> dashed(["-Maarten de Jong", ""], 0)
    True
    >>> dashed(["-appels", "-peren"], 0)
    False
    """
    line = lines[at][:_LONGEST_LINE]
    if line[:1] not in _DASHES:
        return False
    alone = not any(lines[max(at - 1, 0) : at]) and not any(lines[at + 1 : at + 2])
    name = alone and line[1:2].isupper() and _DASHED_NAME.fullmatch(line)
    return bool(name or _RULE.fullmatch(line)) and _is_end(_below(lines, at))


def warns(lines: list[str], at: int) -> bool:
    """What lawyers put below a mail, without a greeting above it.

    >>> warns(["Disclaimer", "This mail is confidential."], 0)
    True
    >>> warns(["Dit bericht is vertrouwelijk en bestemd voor de geadresseerde."], 0)
    True
    >>> warns(["Is dit vertrouwelijk?"], 0)
    False
    """
    line = lines[at][:_LONGEST_NOTICE]
    if not _DISCLAIMER.match(line) and len(_notices(line)) <= 1:
        return False
    return _is_end(_below(lines, at - 1))


def _notices(line: str) -> set[str]:
    """The words of lawyers in it."""
    return set(_NOTICE.findall(line.lower())) if _is_legal(line) else set()


def _is_legal(text: str) -> bool:
    lower = text.lower()
    return any(stem in lower for stem in _NOTICE_STEMS)


def _below(lines: list[str], at: int) -> Iterator[str]:
    """Without the empty ones, and no further than somebody looks."""
    return filter(None, (lines[below] for below in range(at + 1, len(lines))))


def _is_end(rest: Iterable[str]) -> bool:
    """Few short lines, none of which goes on with the mail; below a notice anything.

    >>> _is_end(["Jan Jansen", "Dit bericht is vertrouwelijk.", "x" * 500])
    True
    >>> _is_end(["Jan Jansen", "", "Ik bel je morgen nog even."])
    False
    """
    for kept, line in enumerate(rest):
        if _GOES_ON.match(line[:_LONGEST_LINE]):
            return False
        if _notices(line[:_LONGEST_NOTICE]):
            return True
        if kept >= _MOST_LINES or len(line) > _LONGEST_LINE or _says(line):
            return False
    return True


def _says(line: str) -> bool:
    """A sentence of his own.

    >>> _says("Ik bel je morgen nog even.")
    True
    >>> _says("Bereikbaar op maandag en dinsdag.")
    False
    """
    whole = line.endswith((".", "!")) and len(line.split()) >= _SENTENCE
    return whole and not _USUAL.search(line)
