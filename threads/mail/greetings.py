"""With what words people end a mail, and how their name follows."""

import re

_LONGEST = 80
# Each alone ends a mail: Dutch, English, German; French, Spanish, Italian, Portuguese;
# Danish, Norwegian, Swedish; Polish, Czech, Russian, Finnish.
_GREETINGS = frozenset(
    str.split(
        "groet groeten groetje groetjes gr grt grtjs mvg hoogachtend liefs"
        " regards rgds sincerely cheers faithfully wishes truly"
        " grüße grüßen grüsse grüssen gruß gruss mfg lg vg hochachtungsvoll"
        " cordialement salutations amicalement bienàvous bienàtoi"
        " saludo saludos atentamente cordialmente abrazo"
        " saluto saluti cumprimentos atenciosamente abraço abraços"
        " hilsen hilsner mvh vh kh hälsning hälsningar vänligen"
        " pozdrawiam pozdrowienia poważaniem powazaniem pozdravem уважением"
        " terveisin"
    )
)
# These stand around it, in the same order.
_BESIDE = frozenset(
    str.split(
        "met een vr vriendelijk vriendelijke hartelijk hartelijke warme beste alvast"
        " bedankt dank bij voorbaat namens heel veel en"
        " with kind kindest best warm warmest many thanks and yours very"
        " mit freundlichen freundlichem freundliche freundlicher besten herzliche"
        " herzlichen viele vielen liebe lieben schöne schönen und"
        " bien sincères meilleures mes nos avec un una cordiales reciba fuerte"
        " cordiali distinti i migliori più cari com melhores os"
        " med venlig venlige vennlig bedste de vänlig vänliga bästa"
        " z s wyrazami serdecznie с ystävällisin"
    )
)
# Any adjective: zonnige groet, sportieve groeten.
_ADJECTIVE = re.compile(r"[a-zëïé]{3,14}e")
_SPACED = re.compile(r"\b(?:bien à (?:vous|toi)|m\.\s?v\.\s?g)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_][\w'’-]*")
_CLEAN = re.compile(r"[\w .,!/&|+'’*()-]+")
# Whatever stands before them, a greeting begins with one of these or an adjective.
_FIRST = _GREETINGS | _BESIDE | {"bien", "m"}
_PARTICLES = frozenset(
    str.split("van de der den het ter ten von zu di da del della la el le du en")
)
_MOST_NAMES = 6


def greets(line: str) -> bool:
    """A greeting that ends a mail, alone on its line or with a name.

    >>> greets("Met vriendelijke groet,")
    True
    >>> greets("Groetjes Jan van der Meer")
    True
    >>> greets("Best regards / Met vriendelijke groet,")
    True
    >>> greets("Groeten aan je vrouw")
    False
    >>> greets("Beste Jan,")
    False
    """
    if len(line) > _LONGEST or not (first := _WORD.search(line)):
        return False
    lower = first[0].lower()
    if lower not in _FIRST and not _ADJECTIVE.fullmatch(lower):
        return False
    if not _CLEAN.fullmatch(line):
        return False
    words = _WORD.findall(_SPACED.sub(lambda found: _joined(found[0]), line))
    greeted = 0
    for at, word in enumerate(words):
        lower = word.lower()
        if lower in _GREETINGS:
            greeted = at + 1
        elif lower not in _BESIDE and (greeted or not _ADJECTIVE.fullmatch(lower)):
            break
    return bool(greeted) and _names(words[greeted:])


def _joined(words: str) -> str:
    return words.replace(" ", "").replace(".", "")


def _names(words: list[str]) -> bool:
    """Nothing, a name, or one word that is nearly always one."""
    if len(words) <= 1:
        return not words or words[0] not in _PARTICLES
    return len(words) <= _MOST_NAMES and all(
        word[0].isupper() or (word in _PARTICLES and number < len(words) - 1)
        for number, word in enumerate(words)
    )
