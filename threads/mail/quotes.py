"""The new part of a reply, its quotes and its signature: spans, nothing thrown away.

Rules on lines, in the words of the programs that write them. Each looks at a bounded
number of short lines, so all of it is linear. When unsure, nothing is cut: what is not
certainly quoted is reply, and a mail that would be left without a reply keeps all.
"""

import re
from itertools import groupby

from threads.mail.signatures import signature

Spans = dict[str, list[list[int]]]

# What comes after that many characters is whatever the last line before it was.
_LONGEST_TEXT = 200_000
# No program writes longer ones into the lines that the rules look for.
_LONGEST_LINE = 300
_LONGEST_INTRODUCTION = 4
_LONGEST_HEADER = 14

_WROTE = re.compile(
    r"\b(?:wrote|schreef|geschreven|schrieb|a écrit|escribió|ha scritto|escreveu|skrev"
    r"|napisał(?:\(a\)|a)?|napsal(?:\(a\)|a)?|написал(?:\(а\)|а)?|пишет|kirjoitti"
    r"|írta|yazdı)(?!\w)|写道",
    re.IGNORECASE,
)
# A time or an address: people write "wrote" and a date, only programs write these.
_CERTAIN = re.compile(r"\d{1,2}[:.h]\d{2}(?!\d)|\S@\S")
_BEGINS = re.compile(
    r"(?:on|op|am|le|el|il|den|em|w dniu|dnia|dne)\s.*\d", re.IGNORECASE
)
_DATED_SENDER = re.compile(r"\d{4}[/-]\d{1,2}[/-]\d{1,2} .*<\S+@\S+>:?")
# What stands between the dashes.
_TITLES = (
    "oorspronkelijk bericht", "origineel bericht", "doorgestuurd bericht",
    "doorgestuurde e-mail", "original message", "original appointment",
    "forwarded message", "ursprüngliche nachricht", "weitergeleitete nachricht",
    "message d'origine", "message original", "message transféré", "mensaje original",
    "mensaje reenviado", "messaggio originale", "messaggio inoltrato",
    "mensagem original", "oprindelig meddelelse", "videresendt meddelelse",
    "ursprungligt meddelande", "vidarebefordrat meddelande", "originalmeddelande",
    "wiadomość oryginalna", "původní zpráva", "исходное сообщение",
    "пересылаемое сообщение", "alkuperäinen viesti",
)  # fmt: skip
_SEPARATOR = re.compile(
    rf"[-_*=]{{2,}}\s*(?:{'|'.join(_TITLES)})(?:\s*[-_*=]{{2,}})?:?"
    r"|begin (?:doorgestuurd bericht|forwarded message):"
    r"|anfang der weitergeleiteten e-mail:|début du message (?:réexpédié|transféré) :"
    r"|inicio del mensaje reenviado:",
    re.IGNORECASE,
)
_RULE = re.compile(r"[-_*=]{5,}")
_FIELD = re.compile(r"\*?([^\W\d_][^:*]{0,20}?)\s*(?::\*|\*:|:|\uff1a)\s*(.*)")
_KINDS = {
    "from": "van from von de fra från od da lähettäjä от gönderen 发件人 差出人",
    "sent": "verzonden datum sent date gesendet envoyé enviado fecha inviato data sendt"
    " dato skickat wysłano odesláno lähetetty отправлено дата 发送时间 送信日時",
    "to": "aan to an à para a til till do komu vastaanottaja кому 收件人 宛先",
    "subject": "onderwerp subject betreff objet asunto assunto oggetto emne ämne temat"
    " předmět aihe тема 主题 件名",
}
_NAMES = {name: kind for kind, names in _KINDS.items() for name in names.split()}
_NAMES |= {
    "от кого": "from", "envoyé le": "sent", "enviado el": "sent", "enviada em": "sent",
    "verzonden op": "sent",
}  # fmt: skip


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
        if quoted[at] or not line:
            continue
        if separates(line) or heads(lines, at):
            if said is None:
                return quoted  # a forward without a word of its own
            return _all_from(quoted, _with_rule(lines, at))
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
            return _all_from(quoted, begins)
        else:
            said = begins if said is None else said
    return _without_gaps(lines, quoted)


def _all_from(quoted: list[bool], start: int) -> list[bool]:
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


def introduction(lines: list[str], at: int) -> tuple[int | None, bool]:
    """Where the introduction begins that ends at that line; whether it is certain.

    >>> introduction(["Op wo 25 feb 2026 om 10:30 schreef Jan <jan@x.nl>:"], 0)
    (0, True)
    >>> introduction(["On Wed, Feb 25, 2026 Jan Jansen", "<jan@x.nl> wrote:"], 1)
    (0, True)
    >>> introduction(["Jan Jansen schreef op 25-02-2026 10:30:"], 0)
    (0, True)
    >>> introduction(["Op 25 februari 2026 schreef ik jullie:"], 0)
    (0, False)
    >>> introduction(["Dit is wat ik zag:"], 0)
    (None, False)
    """
    if not lines[at].endswith((":", "：")):
        dated = _DATED_SENDER.fullmatch(lines[at][:_LONGEST_LINE])
        return (at, False) if dated else (None, False)
    joined = ""
    begins = None
    for above in range(at, max(at - _LONGEST_INTRODUCTION, -1), -1):
        line = lines[above]
        if not line or line.startswith(">") or len(line) > _LONGEST_LINE:
            break
        if begins is None:
            joined = f"{line} {joined}"
            if _WROTE.search(joined):
                begins = above
        if begins is not None and _BEGINS.match(line):
            begins = above
            joined = " ".join(lines[above : at + 1])
            break
    return begins, begins is not None and bool(_CERTAIN.search(joined))


def separates(line: str) -> bool:
    """A line that says: below is another mail.

    >>> separates("-----Oorspronkelijk bericht-----")
    True
    >>> separates("Begin doorgestuurd bericht:")
    True
    >>> separates("Het oorspronkelijk bericht")
    False
    """
    return bool(_SEPARATOR.fullmatch(line[:_LONGEST_LINE]))


def heads(lines: list[str], at: int) -> bool:
    """A block of headers as Outlook puts them above a quote.

    >>> heads(["Van: Jan <jan@x.nl>", "Verzonden: nu", "Aan: ons", "Onderwerp: x"], 0)
    True
    >>> heads(["*From:* Jan", "*Sent:* now", "*To:* us", "*Subject:* x"], 0)
    True
    >>> heads(["Van: Utrecht", "Datum: morgen", "Bericht: kan dat?"], 0)
    False
    """
    first = _field(lines[at])
    if first is None or first[0] != "from":
        return False
    kinds = set()
    others = 0
    for line in lines[at : at + _LONGEST_HEADER]:
        field = _field(line)
        if field:
            kinds.add(field[0])
        elif others > _LONGEST_INTRODUCTION:
            break
        else:
            others += 1  # the rest of a long To, Cc, an empty line
    if "subject" not in kinds:
        return False
    ruled = at > 0 and any(_RULE.fullmatch(line) for line in lines[max(at - 3, 0) : at])
    return len(kinds) == len(_KINDS) or (
        len(kinds) == len(_KINDS) - 1 and (ruled or "@" in first[1])
    )


def _field(line: str) -> tuple[str, str] | None:
    """Kind and value of a line that is a known header."""
    found = _FIELD.fullmatch(line[:_LONGEST_LINE])
    kind = _NAMES.get(found[1].lower()) if found else None
    return (kind, found[2]) if found and kind else None


def _with_rule(lines: list[str], at: int) -> int:
    """The rule above a block belongs to it."""
    for above in range(at - 1, max(at - 4, -1), -1):
        if _RULE.fullmatch(lines[above]):
            return above
        if lines[above]:
            break
    return at
