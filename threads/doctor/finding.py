"""One answer."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """`about` is what was looked at; `mend` what to do, empty when all is well."""

    level: Level
    about: str
    text: str
    mend: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, [f"{self.about}: {self.text}", self.mend]))


def ok(about: str, text: str) -> Finding:
    return Finding(Level.OK, about, text)


def warning(about: str, text: str, mend: str) -> Finding:
    return Finding(Level.WARNING, about, text, mend)


def error(about: str, text: str, mend: str) -> Finding:
    return Finding(Level.ERROR, about, text, mend)
