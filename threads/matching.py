"""Which thread a mail belongs to: rules on two mails' own headers, nothing else.

Inside one mailbox, threads are the connected components of these links, so the same
set of mails gives the same threads in whatever order it arrives:

(a) keyed: it refers to mail of ours, by the random Message-ID or the token that we
    generated, and that mail was addressed to its sender. Referring without having
    been addressed makes a leaf: shown in the thread, flagged, and without any
    influence on it.
(b) reference: one refers to the other, its sender is among the people the other
    lends, and it is addressed to the other's sender or comes from him.
(c) shared: both refer to the same id, seen or not, and each one's sender is among the
    people the other lends.
(d) twin: Message-ID and all visible headers are equal; one was altered on the way.

Lending: a mail whose sender is proven (DMARC) lends everybody in it; an unproven one
lends only its own sender; a refuted one lends nobody and joins nothing. Addresses of
our own are never lent. Subjects prove nothing.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

Rule = Literal["new", "keyed", "leaf", "reference", "shared", "twin"]

# Evidence that people get a sentence of their own for.
ANSWERS = "answers"
BEARS = "bears the token of"
NOT_HERE = "refers to mail that is not here"
NOT_VOUCHED = "refers to mail that does not vouch for its sender"
OTHER_SUBJECT = "has another subject than what it refers to"

# A mail may cite thousands of ids; the nearest and the oldest few decide.
REFERENCES_KEPT = 20
_LONGEST_SUBJECT = 998
_PREFIX = re.compile(r"([a-zéö]{1,8})\s?([\[(]\d{1,3}[\])])?\s?[:：]\s*")
_PREFIXES = frozenset(
    {
        "re", "aw", "antw", "antwoord", "betr", "sv", "vs", "odp", "fw", "fwd",
        "doorst", "wg", "tr", "rv", "rép", "réf", "i", "enc", "vl", "vb", "ynt",
    }
)  # fmt: skip


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
    # Tokens of ours that it bears, in an address of ours or in its text.
    keys: tuple[str, ...] = ()
    # What its subject is about; "" for what has none of its own.
    topic: str = ""
    # From, Reply-To, To, Cc, Subject and Date, compared as one.
    visible: tuple[object, ...]
    refuted: bool = False
    # A team member whose address is proven counts as lent by everybody.
    staff: bool = False
    # A team member sent it with a mail program.
    by_hand: bool = False
    leaf: bool = False
    place: object = None

    @property
    def links(self) -> bool:
        """Whether rules (b) to (d) apply at all."""
        return bool(self.sender) and not self.refuted and not self.leaf

    def send_by_hand(self) -> None:
        """We sent it by mail program: admitted everywhere, it lends whom it went to.

        Not its sender: whoever only bears that name must not be admitted by it.
        """
        self.staff = self.by_hand = True
        self.lends -= {self.sender}

    def answers(self, mail: "Outgoing") -> bool:
        """Whether a mail of ours that it refers to lets it in.

        What the team sent by hand repeats the references of whom it answers, and those
        may lie: it must go to somebody who had that mail.
        """
        if self.by_hand:
            return not mail.addressed.isdisjoint(self.addressed)
        return self.staff or self.sender in mail.addressed

    def admitted_by(self, other: "Card") -> bool:
        return self.staff or self.sender in other.lends


@dataclass(eq=False, slots=True, kw_only=True)
class Outgoing:
    """A mail of ours, known by the Message-ID and the token that we generated."""

    message_id: str
    addressed: frozenset[str]
    token: str = ""
    topic: str = ""
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


def topic(subject: str) -> str:
    """A subject without what answering and forwarding put before it.

    >>> topic("AW: Re[2]:  Vraag over  factuur") == topic("FW: vraag over factuur")
    True
    """
    plain = " ".join(subject[:_LONGEST_SUBJECT].casefold().split())
    while (found := _PREFIX.match(plain)) and found[1] in _PREFIXES:
        plain = plain[found.end() :]
    return plain


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

    def __init__(self, *, strict: bool = False, by_subject: bool = False) -> None:
        self.strict = strict
        # A changed subject begins a thread, whatever else links two mails.
        self.by_subject = by_subject
        self._tokens: defaultdict[str, list[Outgoing]] = defaultdict(list)
        self._outgoing: dict[str, Outgoing] = {}
        self._named: defaultdict[str, list[Card]] = defaultdict(list)
        self._citing: defaultdict[str, list[Card]] = defaultdict(list)

    def add_outgoing(self, mail: Outgoing) -> None:
        self._outgoing[mail.message_id] = mail
        if mail.token:
            self._tokens[mail.token].append(mail)

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
        if found.rule == "new" and self._has_another_subject(card):
            found.evidence = OTHER_SUBJECT
        elif found.rule == "new" and card.references:
            found.evidence = NOT_VOUCHED
            if not any(self._known(r) for r in card.references):
                found.evidence = NOT_HERE
        return found

    def about(self, card: Card) -> str:
        """The mail of ours it refers to, addressed to its sender or not; "" is none."""
        return next((mail.public_id for mail in self._ours(card)), "")

    def cited(self, card: Card) -> Iterator[object]:
        """The places of the mails that `card` refers to, linked or not."""
        for mail in self._ours(card):
            yield mail.place
        for reference in card.references:
            for other in self._named[reference]:
                yield other.place

    def citing(self, card: Card) -> Iterator[object]:
        """The places of the mails that refer to `card`."""
        if card.message_id and card.message_id not in self._outgoing:
            for other in self._citing[card.message_id]:
                yield other.place

    def _keyed(self, card: Card, found: Verdict) -> bool:
        """Rule (a). False when `card` is a leaf, and no other rule may look at it."""
        ours = [m for m in self._ours(card) if self._same_subject(card.topic, m.topic)]
        if not ours:
            return True
        if card.sender and not card.refuted:
            for mail in ours:
                if card.answers(mail):
                    found.places.append(mail.place)
                    found.rule = "keyed"
                    cited = mail.message_id in card.references
                    how = ANSWERS if cited else BEARS
                    found.evidence = f"{how} our <{mail.message_id}>"
                    return True
        if self.strict or card.by_hand:
            return True
        card.leaf = True
        found.rule = "leaf"
        found.evidence = (
            f"refers to our <{ours[0].message_id}>, which was not addressed to its"
            " sender"
        )
        found.leaf_of = ours[0].place
        return False

    def _ours(self, card: Card) -> Iterator[Outgoing]:
        """The nearest first: by Message-ID, then by token the newest."""
        for reference in card.references:
            if mail := self._outgoing.get(reference):
                yield mail
        # What the team quotes, a stranger may have written.
        for key in () if card.staff else card.keys:
            yield from self._tokens.get(key, ())

    def _same_subject(self, one: str, other: str) -> bool:
        return not (self.by_subject and one and other and one != other)

    def _has_another_subject(self, card: Card) -> bool:
        """Whether that is all that keeps it apart from a mail it refers to."""
        if not self.by_subject:
            return False
        named = [other for r in card.references for other in self._named.get(r, ())]
        topics = {mail.topic for mail in self._ours(card)}
        topics |= {other.topic for other in named if _answers(card, other)}
        return any(not self._same_subject(card.topic, topic) for topic in topics)

    def _kin(self, card: Card) -> Iterator[tuple[Rule, str, Card]]:
        """Rules (b) to (d), within one subject where that counts."""
        for rule, evidence, other in self._relatives(card):
            if self._same_subject(card.topic, other.topic):
                yield rule, evidence, other

    def _relatives(self, card: Card) -> Iterator[tuple[Rule, str, Card]]:
        """An id of ours counts for (a) only, whoever bears it."""
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
