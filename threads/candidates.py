"""The stored mails that a batch may link to, asked for all at once (`stored`)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from threads import stored
from threads.house import House
from threads.mail.addresses import normalise
from threads.mail.parsed import Address, ParsedMail
from threads.mail.tokens import in_address, in_text
from threads.matching import (
    Book,
    Card,
    Outgoing,
    Verdict,
    lent,
    nearest_references,
    topic,
)
from threads.models import Mailbox, Message
from threads.place import Place

_ADDRESSES_ASKED = 100


@dataclass(slots=True)
class Candidates:
    book: Book
    # dedupe_key → the stored message's primary key.
    stored: dict[str, int] = field(default_factory=dict)
    # Message-ID → primary key of the mails of ours among them.
    ours: dict[str, int] = field(default_factory=dict)
    # Message-IDs in use, to flag their reuse.
    message_ids: set[str] = field(default_factory=set)
    places: dict[int, Place] = field(default_factory=dict)

    def known(self, dedupe_key: str, card: Card) -> int | None:
        """The stored message that a mail is once more; None is none."""
        pk = self.stored.get(dedupe_key)
        if pk is None and card.by_hand:
            # A reply of ours, as a server altered it that keeps what it sends.
            pk = self.ours.get(card.message_id)
        return pk

    def reached(self, card: Card, verdict: Verdict) -> list[Place]:
        """The threads that a mail goes to: where it stays, then what merges into that.

        Empty when it begins its own. Of threads that staff split it reaches one: that
        of its nearest stored reference, without one the older.
        """
        if isinstance(verdict.leaf_of, Place):
            return [verdict.leaf_of.standing()]
        reached = {p.standing() for p in verdict.places if isinstance(p, Place)}
        by_age = sorted(reached, key=lambda place: place.age)
        if not any(place.cut_from(reached) for place in reached):
            return by_age
        verdict.evidence += "; the threads that it reaches were split"
        for cited in self.book.cited(card):
            if isinstance(cited, Place) and cited.standing() in reached:
                return [cited.standing()]
        return by_age[:1]


def card_of(mail: ParsedMail, house: House) -> Card:
    addresses = {
        "to": [house.plain(a.address) for a in mail.to],
        "cc": [house.plain(a.address) for a in mail.cc],
        "reply_to": [house.plain(a.address) for a in mail.reply_to],
    }
    about = (mail.bounce or mail.complaint or {}).get("message_id", "")
    card = _card(
        message_id=mail.message_id,
        sender=mail.sender,
        addresses=addresses,
        references=nearest_references(
            [*([about] if about else []), *mail.in_reply_to], mail.references
        ),
        subject=mail.subject,
        auto=mail.auto,
        sent_at=mail.date,
        authentication=mail.authentication,
        house=house,
    )
    card.keys = tuple(dict.fromkeys(_keys(mail, house)))
    return card


def _keys(mail: ParsedMail, house: House) -> Iterator[str]:
    """The tokens that it bears: in an address of this mailbox, then in its text."""
    addresses = [*(a.address for a in (*mail.to, *mail.cc)), *mail.delivered_to]
    for address in addresses[:_ADDRESSES_ASKED]:
        if house.plain(address) in house.own and (token := in_address(address)):
            yield token
    yield from in_text(mail.body_text)


def is_by_hand(
    mail: ParsedMail, card: Card, house: House, *, sent: bool = False
) -> bool:
    """Whether a team member sent it with a mail program, to somebody outside.

    The sender is proven, or it lay in a Sent folder. Bounces and the like never; nor
    what our own addresses send otherwise, for strangers write contact forms.
    """
    ours = sent or (card.staff and mail.authentication == "pass")
    program = mail.auto or mail.bulk or mail.bounce is not None
    return bool(ours and card.sender and not program and outside(mail, house))


def outside(mail: ParsedMail, house: House) -> list[Address]:
    """Whom it was sent to, beyond us."""
    everybody = {normalise(a.address): a for a in (*mail.cc, *mail.to)}
    return [
        one
        for address, one in reversed(everybody.items())
        if address and address not in house.staff and not house.is_ours(address)
    ]


def candidates(
    mailbox: Mailbox, cards: Iterable[Card], dedupe_keys: Iterable[str], house: House
) -> Candidates:
    """Everything the rules may look at. The mailbox row is locked by the caller."""
    cards = list(cards)
    ids = {card.message_id for card in cards} - {""}
    ids.update(reference for card in cards for reference in card.references)
    keys = {key for card in cards for key in card.keys}
    named = stored.named(
        mailbox, message_ids=ids, dedupe_keys=list(dedupe_keys), tokens=keys
    )
    rows = {row["id"]: row for row in named}
    cites: defaultdict[int, list[str]] = defaultdict(list)
    for referenced, row in stored.citing(mailbox, ids):
        cites[row["id"]].append(referenced)
        rows.setdefault(row["id"], row)
    found = Candidates(Book(strict=mailbox.strict, by_subject=mailbox.by_subject))
    found.places = _locked_places(mailbox, {row["thread_id"] for row in rows.values()})
    # The newest first, as tokens name them.
    for row in sorted(rows.values(), key=lambda row: -row["id"]):
        found.stored[row["dedupe_key"]] = row["id"]
        found.message_ids.add(row["message_id"])
        _enter(found, row, tuple(cites[row["id"]]), house)
    return found


def _locked_places(mailbox: Mailbox, threads: set[int]) -> dict[int, Place]:
    if not threads:
        return {}
    places = {
        thread.pk: Place(thread=thread)
        for thread in stored.locked_threads(mailbox, threads)
    }
    for pk, tag in stored.tags(places):
        places[pk].tags.add(tag)
    if len(places) > 1:
        for one, other in stored.cuts(places):
            places[one].cuts.append(places[other])
            places[other].cuts.append(places[one])
    return places


def _enter(
    found: Candidates, row: dict[str, Any], cites: tuple[str, ...], house: House
) -> None:
    addresses = {
        kind: [house.plain(person["address"]) for person in people]
        for kind, people in row["addresses"].items()
    }
    place = found.places[row["thread_id"]]
    # A team member's own mail (via mailbox) has an id that others may know: it links
    # as any mail does, and is no key.
    by_hand = row["via"] == Message.Via.MAILBOX
    if row["direction"] == Message.Direction.OUTBOUND and not by_hand:
        found.ours[row["message_id"]] = row["id"]
        addressed = frozenset(addresses.get("to", []) + addresses.get("cc", []))
        found.book.add_outgoing(
            Outgoing(
                message_id=row["message_id"],
                public_id=row["public_id"],
                token=row["token_key"] or "",
                topic=topic(row["subject"]),
                addressed=addressed,
                place=place,
            )
        )
        return
    card = _card(
        message_id=row["message_id"],
        sender=row["sender"],
        addresses=addresses,
        references=cites,
        subject=row["subject"],
        auto=row["auto"],
        sent_at=row["sent_at"],
        authentication=row["authentication"],
        house=house,
    )
    card.leaf = row["unverified_sender"]
    if by_hand:
        card.send_by_hand()
    card.place = place
    found.book.add(card)


def _card(
    *,
    message_id: str,
    sender: str,
    addresses: dict[str, list[str]],
    references: tuple[str, ...],
    subject: str,
    auto: bool,
    sent_at: object,
    authentication: str,
    house: House,
) -> Card:
    to, cc = addresses.get("to", []), addresses.get("cc", [])
    reply_to = addresses.get("reply_to", [])
    return Card(
        message_id=message_id,
        sender=sender,
        addressed=frozenset([sender, *to, *cc]) - {""},
        lends=lent(
            sender=sender,
            to=to,
            cc=cc,
            reply_to=reply_to,
            authentication=authentication,
            ours=house.own,
        ),
        references=references,
        # An automatic mail's subject is its program's.
        topic="" if auto else topic(subject),
        visible=(sender, tuple(reply_to), tuple(to), tuple(cc), subject, sent_at),
        refuted=authentication == "fail",
        staff=authentication == "pass" and sender in house.staff,
    )
