"""Sentences of rooms that know no Django: English, translated where they are shown.

Such a room writes `raise SomeError(_("%(path)s is empty."), path=path)`, with `marked`
as `_`; the door that shows it says `error.said(gettext)`. What is stored to be shown
later is stored twice: in English, and by `kept` as what it was made of.
"""

from collections.abc import Callable
from typing import Any, Self

Translate = Callable[[str], str]
_LONGEST_VALUE = 2_000


def marked(sentence: str) -> str:
    """Imported as `_`, so that `make messages` finds the sentence. It stays English."""
    return sentence


class Sentence(str):
    """English text that knows what it was made of; wherever text goes, it goes."""

    __slots__ = ("_source", "_values")
    _source: str
    _values: dict[str, object]

    def __new__(cls, source: str, **values: object) -> Self:
        made = super().__new__(cls, source % values)
        made._source, made._values = source, values
        return made


def after(beginning: str, last: str) -> str:
    """Lines of which only the last is ours to translate: a traceback, and what it is.

    >>> kept(after("Traceback …", Sentence("It is too big.")))
    ['It is too big.', {}]
    """
    if not beginning or not isinstance(last, Sentence):
        return f"{beginning}\n{last}".strip()
    whole = str.__new__(Sentence, f"{beginning}\n{last}")
    whole._source, whole._values = last._source, last._values  # noqa: SLF001
    return whole


def last_of(text: str) -> str:
    """The last line; of a `Sentence` after something else, the sentence."""
    if isinstance(text, Sentence):
        return Sentence(text._source, **text._values)  # noqa: SLF001
    return text.strip().rpartition("\n")[2]


def kept(text: str) -> Any:
    """As JSON; what is no `Sentence` is others' words: as far as it can be stored.

    >>> kept(Sentence("%(n)d of %(what)s", n=2, what=Sentence("mails")))
    ['%(n)d of %(what)s', {'n': 2, 'what': ['mails', {}]}]
    >>> kept("a\\x00b\\udcff")
    'ab\\\\udcff'
    """
    if not isinstance(text, Sentence):
        return _storable(text)
    values = {
        name: value if isinstance(value, int | float) else kept(_plain(value))
        for name, value in text._values.items()  # noqa: SLF001 -- this very file
    }
    return [text._source, values]  # noqa: SLF001


def retold(found: Any, translate: Translate) -> str:
    """What `kept` made, in another language.

    >>> dutch = {"%(n)d of %(what)s": "%(n)d van %(what)s", "mails": "mails"}
    >>> retold(["%(n)d of %(what)s", {"n": 2, "what": "x"}], dutch.__getitem__)
    '2 van x'
    """
    if not isinstance(found, list):
        return str(found)
    source, values = found
    told = {
        name: retold(value, translate) if isinstance(value, list) else value
        for name, value in values.items()
    }
    return translate(source) % told


def shown(words: list[Any], text: str, translate: Translate) -> str:
    """Lines that were kept; what is older than that, as it was written."""
    lines = [retold(found, translate) for found in words]
    return "\n".join(lines) if lines else text


def _storable(text: str) -> str:
    """What every database takes: no NUL (PostgreSQL), no half surrogate pair."""
    whole = text[:_LONGEST_VALUE].replace("\x00", "")
    return whole.encode("utf-8", "backslashreplace").decode()


def _plain(value: object) -> str:
    return value if isinstance(value, str) else str(value)


class SentenceError(Exception):
    """Says why. In a log, and as `str`, in English."""

    def __init__(self, sentence: str, **values: object) -> None:
        super().__init__(sentence % values)
        self.sentence = Sentence(sentence, **values)

    def said(self, translate: Translate) -> str:
        """The same in another language.

        >>> error = SentenceError("%(path)s is empty.", path="/var/mail")
        >>> error.said({"%(path)s is empty.": "%(path)s is leeg."}.__getitem__)
        '/var/mail is leeg.'
        """
        return retold(kept(self.sentence), translate)
