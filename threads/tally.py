"""What one pass over a source did."""

from collections import Counter
from dataclasses import dataclass, field

from threads.sources.base import SourceError


@dataclass(slots=True)
class Tally:
    """What one pass did, in mails."""

    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    oversize: int = 0
    unfetchable: int = 0
    known: int = 0
    known_quarantined: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    # What failed, in sentences for a person.
    errors: list[str] = field(default_factory=list)
    # The source could not be read to its end.
    outage: SourceError | None = None

    @property
    def failed(self) -> bool:
        return bool(self.errors or self.quarantined)
