"""What programs put above a quote, each in its own words.

Every rule looks at a bounded number of short lines, and has an example of what it takes
and of what it leaves.
"""

import re

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
# People tell in these words who wrote what, programs name a sender.
_SOMEBODY = re.compile(
    r"\b(?:schreef (?:ik|je|jij|u|hij|zij|ze|we|wij|jullie|men|mij)"
    r"|(?:ik|je|jij|u|hij|zij|ze|we|wij|jullie) schreef"
    r"|(?:I|you|he|she|we|they) wrote|schrieb (?:ich|er|sie|man)"
    r"|(?:ich|er|sie) schrieb|j'ai écrit|(?:il|elle|on) a écrit)\b",
    re.IGNORECASE,
)
_BEGINS = re.compile(
    r"(?:on|op|am|le|el|il|den|em|w dniu|dnia|dne)\s.*\d", re.IGNORECASE
)
_TIME = re.compile(r"\d{1,2}[:.h]\d{2}(?!\d)")
_DAY = re.compile(r"(?<!\d)(?:(?:19|20)\d\d(?!\d)|\d{1,2}[-/.]\s?\d{1,2}[-/.]\s?\d\d)")
_ADDRESS = re.compile(r"[^\s@]@[^\s@]")
_DATED_SENDER = re.compile(
    r"\d{4}[/-]\d{1,2}[/-]\d{1,2} [^<]*+<[^<>\s@]++@[^<>\s]++>:?"
)
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
    r"|anfang der weitergeleiteten (?:e-mail|nachricht):"
    r"|début du message (?:réexpédié|transféré) :"
    r"|inicio del mensaje reenviado:|inizio (?:del )?messaggio inoltrato:"
    r"|original message processed by david\W?",
    re.IGNORECASE,
)
# GroupWise; with a time.
_ARROWS = re.compile(r">>> [^<>]*+(?:<[^<>]*+> [^<>]*+)?>>>")
# Programs of help desks ask for the answer above a line of theirs.
_ABOVE_THIS_LINE = re.compile(
    r"(?:##|--|==|__)[^\w]*\w.*\b(?:boven|above|oberhalb|über|au-dessus|encima|sopra)\b"
    r".*\b(?:regel|lijn|line|zeile|linie|ligne|línea|riga)\b.*",
    re.IGNORECASE,
)
# How any of these two begins.
_DRAWN = frozenset("-_*=#>")
_ANNOUNCING = ("begin ", "anfang ", "début ", "inicio ", "inizio ", "original ")
_LONGEST_ANNOUNCEMENT = max(map(len, _ANNOUNCING))
_RULE = re.compile(r"[-_*=]{5,}")
_FIELD = re.compile(r"\*?([^\W\d_][^:*]{0,20}?)\s*(?::\s?\*|\*:|:|\uff1a)\s*(.*)")
_KINDS = {
    "from": "van from von de fra från od da lähettäjä от gönderen 发件人 差出人",
    "sent": "verzonden datum sent date gesendet envoyé enviado fecha inviato data sendt"
    " dato skickat wysłano odesláno lähetetty отправлено дата 发送时间 送信日時",
    "to": "aan to an à para a til till do komu vastaanottaja кому 收件人 宛先",
    "subject": "onderwerp subject betreff objet asunto assunto oggetto emne ämne temat"
    " předmět aihe тема 主题 件名",
    # No mail has these, forms of websites do.
    "form": "bericht naam e-mail telefoon telefoonnummer message name phone nachricht",
}
_NAMES = {name: kind for kind, names in _KINDS.items() for name in names.split()}
_NAMES |= {
    "от кого": "from", "envoyé le": "sent", "enviado el": "sent", "enviada em": "sent",
    "verzonden op": "sent",
}  # fmt: skip
_MAIL = frozenset({"from", "sent", "to", "subject"})
_ENOUGH = len(_MAIL) - 1


def introduction(lines: list[str], at: int) -> tuple[int | None, bool]:
    """Where the introduction begins that ends at that line; whether it is certain.

    People write "wrote" and a colon too: certain is what has a date, and a time or an
    address. What is not certain needs a quote with `>` below it.

    >>> introduction(["Op wo 25 feb 2026 om 10:30 schreef Jan <jan@x.nl>:"], 0)
    (0, True)
    >>> introduction(["On Wed, Feb 25, 2026 Jan Jansen", "<jan@x.nl> wrote:"], 1)
    (0, True)
    >>> introduction(["Jan Jansen schreef op 25-02-2026 10:30:"], 0)
    (0, True)
    >>> introduction(["25 feb 2026, 10:30 door jan@x.nl:"], 0)
    (0, False)
    >>> introduction(["Op 25 februari 2026 om 10:30 schreef ik jullie:"], 0)
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
    if begins is None:
        return (at if names_sender(lines[at]) else None), False
    return begins, _is_certain(joined)


def _is_certain(joined: str) -> bool:
    told = _TIME.search(joined) or _ADDRESS.search(joined)
    return bool(told and _DAY.search(joined) and not _SOMEBODY.search(joined))


def names_sender(line: str) -> bool:
    """An address, and little else, before a colon: an introduction in any language.

    >>> names_sender("Citeren Jan Jansen <jan@x.nl>:")
    True
    >>> names_sender("Ar Mer 25 Chwef 2026 am 10:30 ysgrifennodd Jan <jan@x.nl>:")
    True
    >>> names_sender("Dit zijn de maten:")
    False
    """
    return len(line) <= _LONGEST_LINE and bool(_ADDRESS.search(line))


def separates(line: str) -> bool:
    """A line that says: below is another mail.

    >>> separates("-----Oorspronkelijk bericht-----")
    True
    >>> separates("Begin doorgestuurd bericht:")
    True
    >>> separates(">>> Jan Jansen <jan@x.nl> 25-2-2026 10:30 >>>")
    True
    >>> separates("##- Typ je antwoord boven deze regel -##")
    True
    >>> separates("Het oorspronkelijk bericht")
    False
    """
    if line[:1] not in _DRAWN:
        start = line[:_LONGEST_ANNOUNCEMENT].lower()
        if not start.startswith(_ANNOUNCING):
            return False
    line = line[:_LONGEST_LINE]
    if line.startswith(">"):
        return bool(_ARROWS.fullmatch(line) and _TIME.search(line))
    return bool(_SEPARATOR.fullmatch(line) or _ABOVE_THIS_LINE.fullmatch(line))


def rules(line: str) -> bool:
    """A line that is drawn.

    >>> rules("________________________________")
    True
    """
    return line[:1] in _DRAWN and bool(_RULE.fullmatch(line))


def heads(lines: list[str], at: int) -> bool:
    """A block of headers as Outlook puts them above a quote.

    >>> heads(["Van: Jan <jan@x.nl>", "Verzonden: nu", "Aan: ons", "Onderwerp: x"], 0)
    True
    >>> heads(["*From:* Jan", "*Sent:* now", "*To:* us", "*Subject:* x"], 0)
    True
    >>> heads(["Date: now", "Subject: x", "From: jan@x.nl", "To: us"], 0)
    True
    >>> heads(["____________", "Oddiwrth: jan@x.nl", "At: Els", "Pwnc: Lunch"], 1)
    True
    >>> heads(["Van: Utrecht", "Datum: morgen", "Bericht: kan dat?"], 0)
    False
    """
    first = _field(lines[at])
    if first is None or first[0] not in _MAIL:
        return bool(first is None and at and _is_ruled(lines, at))
    sender = ""
    kinds = set()
    others = 0
    for line in lines[at : at + _LONGEST_HEADER]:
        field = _field(line)
        if field:
            kinds.add(field[0])
            sender = sender or (field[1] if field[0] == "from" else "")
        elif others > _LONGEST_INTRODUCTION or not (line or kinds >= {"from", "to"}):
            break
        else:
            others += 1  # the rest of a long To, Cc, an empty line
    if "subject" not in kinds or "from" not in kinds or "form" in kinds:
        return False
    if first[0] != "from":
        return kinds >= _MAIL and "@" in sender
    ruled = any(rules(line) for line in lines[max(at - 3, 0) : at])
    return kinds >= _MAIL or (len(kinds) == _ENOUGH and (ruled or "@" in sender))


def _is_ruled(lines: list[str], at: int) -> bool:
    """Fields in a language that is not known, right below a line that Outlook draws."""
    above = lines[at - 1] or lines[max(at - 2, 0)]
    if not above.startswith("_") or not rules(above):
        return False
    block = [_FIELD.fullmatch(one[:_LONGEST_LINE]) for one in lines[at : at + _ENOUGH]]
    return len(block) == _ENOUGH and all(block) and bool(_ADDRESS.search(lines[at]))


def _field(line: str) -> tuple[str, str] | None:
    """Kind and value of a line that is a known header."""
    if ":" not in line and "：" not in line:
        return None
    found = _FIELD.fullmatch(line[:_LONGEST_LINE])
    kind = _NAMES.get(found[1].lower()) if found else None
    return (kind, found[2]) if found and kind else None
