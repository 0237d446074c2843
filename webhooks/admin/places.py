"""Which mailboxes and domains there are to choose from.

This room knows them as text only; the room that keeps them says which there are.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Places:
    mailboxes: Callable[[], list[str]] = list
    domains: Callable[[], list[str]] = list


KNOWN = Places()
