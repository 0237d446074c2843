"""A thread while a batch is being stored: perhaps new, perhaps merging."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from threads.lifecycle import set_status
from threads.mail.addresses import normalise
from threads.models import Message, Note, Thread
from threads.serializers import LIST_LIMIT

_MOST_OPEN = ("open", "pending", "closed", "spam")


@dataclass(eq=False, slots=True)
class Place:
    thread: Thread
    tags: set[str] = field(default_factory=set)
    # The order of birth within a batch: a new thread has no primary key yet.
    birth: int = -1
    merged_into: "Place | None" = None
    messages: list[Message] = field(default_factory=list)
    changed: bool = False
    # Tags came with a merge and are to be written.
    tagged: bool = False
    # Places that staff split from this one: no mail joins them again.
    cuts: "list[Place]" = field(default_factory=list)

    @property
    def age(self) -> tuple[datetime, int, int]:
        """The older one survives a merge."""
        return (self.thread.created_at, self.birth, self.thread.pk or 0)

    def standing(self) -> "Place":
        """This place, or the one it was merged into."""
        place = self
        while place.merged_into is not None:
            place = place.merged_into
        return place

    def cut_from(self, others: Iterable["Place"]) -> bool:
        apart = {place.standing() for place in self.cuts}
        return not apart.isdisjoint(others)

    def welcome(self, people: Iterable[dict[str, str]]) -> None:
        """Add participants, each address once, as it is compared."""
        known = {person["address"] for person in self.thread.participants}
        for person in people:
            if len(self.thread.participants) >= LIST_LIMIT:
                return
            address = normalise(person["address"])
            if address and address not in known:
                known.add(address)
                self.thread.participants.append({**person, "address": address})

    def relate(self, other: "Place") -> None:
        """Remember that a mail of this thread refers to the other one."""
        mine, name = self.thread, other.thread.public_id
        if name in {mine.public_id, *mine.merged_ids, *mine.related}:
            return
        mine.related.append(name)
        self.changed = True

    def absorb(self, loser: "Place") -> None:
        """Take over what the other thread was; its events stay where they were told."""
        mine, theirs = self.thread, loser.thread
        status = min(mine.status, theirs.status, key=_MOST_OPEN.index)
        if status != mine.status:
            set_status(mine, status)
        mine.assignee = mine.assignee or theirs.assignee
        if mine.priority == Thread.Priority.NORMAL:
            mine.priority = theirs.priority
        self.tagged = self.tagged or not loser.tags <= self.tags
        self.tags |= loser.tags
        self.welcome(theirs.participants)
        mine.merged_ids = [*mine.merged_ids, theirs.public_id, *theirs.merged_ids]
        gone = {mine.public_id, *mine.merged_ids}
        related = dict.fromkeys([*mine.related, *theirs.related])
        mine.related = [name for name in related if name not in gone]
        mine.message_count += theirs.message_count
        theirs.message_count = 0
        theirs.last_message = None
        self.messages += loser.messages
        self.cuts += loser.cuts
        loser.messages = []
        loser.merged_into = self
        self.changed = loser.changed = True


def move_rows(loser: Thread, survivor: Thread) -> None:
    """What hangs on a merged thread hangs on its survivor; both have rows."""
    Message.objects.filter(thread=loser).update(thread=survivor)
    Note.objects.filter(thread=loser).update(thread=survivor)
    Thread.objects.filter(merged_into=loser).update(merged_into=survivor)
