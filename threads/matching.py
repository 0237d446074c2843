"""Which thread a mail belongs to: rules on two mails' own headers, nothing else.

Inside one mailbox, threads are the connected components of these links, so the same
set of mails gives the same threads in whatever order it arrives:

(a) keyed: it refers to mail of ours, by the random Message-ID we generated, and that
    mail was addressed to its sender. Referring without having been addressed makes a
    leaf: shown in the thread, flagged, and without any influence on it.
(b) reference: one refers to the other, its sender is among the people the other
    lends, and it is addressed to the other's sender or comes from him.
(c) shared: both refer to the same id, seen or not, and each one's sender is among the
    people the other lends.
(d) twin: Message-ID and all visible headers are equal; one was altered on the way.

Lending: a mail whose sender is proven (DMARC) lends everybody in it; an unproven one
lends only its own sender; a refuted one lends nobody and joins nothing. Addresses of
our own are never lent. Subjects prove nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

Rule = Literal["new", "keyed", "leaf", "reference", "shared", "twin"]

# A mail may cite thousands of ids; the nearest and the oldest few decide.
REFERENCES_KEPT = 20


@dataclass(eq=False, slots=True, kw_only=True)
class Card:
    """What matching must know of an inbound mail.

    `place` is whatever the caller keeps to say where the mail is; the rules never
    look into it.
    """

    message_id: str
    sender: str
    # Sender, To and Cc.
    addressed: frozenset[str]
    lends: frozenset[str]
    references: tuple[str, ...]
    # From, Reply-To, To, Cc, Subject and Date, compared as one.
    visible: tuple[object, ...]
    refuted: bool = False
    # A team member whose address is proven counts as lent by everybody.
    staff: bool = False
    leaf: bool = False
    place: object = None

    @property
    def links(self) -> bool:
        """Whether rules (b) to (d) apply at all."""
        return bool(self.sender) and not self.refuted and not self.leaf

    def admitted_by(self, other: "Card") -> bool:
        return self.staff or self.sender in other.lends


@dataclass(eq=False, slots=True, kw_only=True)
class Outgoing:
    """A mail of ours, known by the Message-ID that we generated."""

    message_id: str
    addressed: frozenset[str]
    place: object = None
    public_id: str = ""


@dataclass(slots=True)
class Verdict:
    """Where a mail goes.

    Into all of `places`, which thereby become one; as a leaf into `leaf_of`; without
    either it begins a thread of its own.
    """

    rule: Rule = "new"
    evidence: str = "refers to nothing"
    places: list[object] = field(default_factory=list)
    leaf_of: object = None


def nearest_references(
    in_reply_to: Iterable[str], references: Iterable[str]
) -> tuple[str, ...]:
    """In-Reply-To, then References from the last; bounded, each once.

    >>> nearest_references(["b"], ["a", "b"])
    ('b', 'a')
    """
    ordered = list(dict.fromkeys([*in_reply_to, *reversed(list(references))]))
    if len(ordered) > 2 * REFERENCES_KEPT:
        ordered = ordered[:REFERENCES_KEPT] + ordered[-REFERENCES_KEPT:]
    return tuple(ordered)


def lent(
    *,
    sender: str,
    to: Iterable[str],
    cc: Iterable[str],
    reply_to: Iterable[str],
    authentication: str,
    ours: frozenset[str],
) -> frozenset[str]:
    """The people a mail vouches for.

    >>> sorted(lent(sender="a@x", to=["b@x"], cc=[], reply_to=[],
    ...             authentication="unknown", ours=frozenset()))
    ['a@x']
    """
    if not sender or authentication == "fail":
        return frozenset()
    if authentication == "pass":
        return frozenset({sender, *to, *cc, *reply_to}) - ours - {""}
    return frozenset({sender}) - ours


class Book:
    """The mails of one mailbox that a batch may link to, found by id."""

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._outgoing: dict[str, Outgoing] = {}
        self._named: defaultdict[str, list[Card]] = defaultdict(list)
        self._citing: defaultdict[str, list[Card]] = defaultdict(list)

    def add_outgoing(self, mail: Outgoing) -> None:
        self._outgoing[mail.message_id] = mail

    def add(self, card: Card) -> None:
        if card.message_id:
            self._named[card.message_id].append(card)
        for reference in card.references:
            self._citing[reference].append(card)

    def verdict(self, card: Card) -> Verdict:
        """Where `card` goes. Sets `card.leaf`; adding it to the book is yours."""
        found = Verdict()
        if not self._keyed(card, found):
            return found
        if card.links:
            for rule, evidence, other in self._kin(card):
                found.places.append(other.place)
                if found.rule == "new":
                    found.rule, found.evidence = rule, evidence
        if found.rule == "new" and card.references:
            found.evidence = "refers to mail that does not vouch for its sender"
            if not any(self._known(r) for r in card.references):
                found.evidence = "refers to mail that is not here"
        return found

    def about(self, card: Card) -> str:
        """The mail of ours it refers to, addressed to its sender or not; "" is none."""
        ours = (self._outgoing.get(reference) for reference in card.references)
        return next((mail.public_id for mail in ours if mail), "")

    def cited(self, card: Card) -> Iterator[object]:
        """The places of the mails that `card` refers to, linked or not."""
        for reference in card.references:
            if mail := self._outgoing.get(reference):
                yield mail.place
            for other in self._named[reference]:
                yield other.place

    def citing(self, card: Card) -> Iterator[object]:
        """The places of the mails that refer to `card`."""
        if card.message_id and card.message_id not in self._outgoing:
            for other in self._citing[card.message_id]:
                yield other.place

    def _keyed(self, card: Card, found: Verdict) -> bool:
        """Rule (a). False when `card` is a leaf, and no other rule may look at it."""
        ours = [self._outgoing[r] for r in card.references if r in self._outgoing]
        if not ours:
            return True
        if card.sender and not card.refuted:
            for mail in ours:
                if card.staff or card.sender in mail.addressed:
                    found.places.append(mail.place)
                    found.rule = "keyed"
                    found.evidence = f"answers our <{mail.message_id}>"
                    return True
        if self.strict:
            return True
        card.leaf = True
        found.rule = "leaf"
        found.evidence = (
            f"refers to our <{ours[0].message_id}>, which was not addressed to its"
            " sender"
        )
        found.leaf_of = ours[0].place
        return False

    def _kin(self, card: Card) -> Iterator[tuple[Rule, str, Card]]:
        """Rules (b) to (d). An id of ours counts for (a) only, whoever bears it."""
        foreign = [r for r in card.references if r not in self._outgoing]
        own = card.message_id if card.message_id not in self._outgoing else ""
        for reference in foreign:
            for other in self._linking(self._named, reference):
                if _answers(card, other):
                    yield "reference", f"refers to <{reference}>", other
        for other in self._linking(self._citing, own):
            if _answers(other, card):
                yield "reference", f"is referred to as <{own}>", other
        for reference in foreign:
            for other in self._linking(self._citing, reference):
                if _know_each_other(card, other):
                    yield "shared", f"refers to <{reference}>, as another does", other
        for other in self._linking(self._named, own):
            if other.visible == card.visible:
                yield "twin", f"is <{own}> once more", other

    @staticmethod
    def _linking(index: dict[str, list[Card]], message_id: str) -> Iterator[Card]:
        if message_id:
            yield from (card for card in index.get(message_id, ()) if card.links)

    def _known(self, reference: str) -> bool:
        return reference in self._outgoing or bool(self._named[reference])


def _answers(child: Card, parent: Card) -> bool:
    """Rule (b), for a child that refers to the parent."""
    return child.admitted_by(parent) and parent.sender in child.addressed


def _know_each_other(one: Card, other: Card) -> bool:
    """Rule (c)."""
    return one.admitted_by(other) and other.admitted_by(one)
