"""Who did it: the customer, a person of ours, a key, or MailBelly itself."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    type: Literal["customer", "user", "api_key", "rule", "timer", "system"]
    id: str = ""
    name: str = ""

    def json(self) -> dict[str, str]:
        """As events carry it."""
        return {"type": self.type, "id": self.id, "name": self.name}


TIMER = Actor(type="timer", name="MailBelly")
SYSTEM = Actor(type="system", name="MailBelly")
