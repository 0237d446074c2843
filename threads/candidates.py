"""The stored mails that a batch may link to, in three set queries."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from threads.house import House
from threads.mail.addresses import normalise
from threads.mail.parsed import ParsedMail
from threads.matching import Book, Card, Outgoing, lent, nearest_references
from threads.models import Mailbox, Message, Reference, Thread, ThreadLink
from threads.place import Place

_COLUMNS = (
    "pk",
    "public_id",
    "direction",
    "via",
    "message_id",
    "dedupe_key",
    "sender",
    "addresses",
    "subject",
    "sent_at",
    "authentication",
    "unverified_sender",
    "thread_id",
)


@dataclass(slots=True)
class Candidates:
    book: Book
    # dedupe_key → the stored message's primary key.
    stored: dict[str, int] = field(default_factory=dict)
    # Message-IDs in use, to flag their reuse.
    message_ids: set[str] = field(default_factory=set)
    places: dict[int, Place] = field(default_factory=dict)


def card_of(mail: ParsedMail, house: House) -> Card:
    addresses = {
        "from": [mail.sender] if mail.sender else [],
        "to": [normalise(a.address) for a in mail.to],
        "cc": [normalise(a.address) for a in mail.cc],
        "reply_to": [normalise(a.address) for a in mail.reply_to],
    }
    about = (mail.bounce or mail.complaint or {}).get("message_id", "")
    return _card(
        message_id=mail.message_id,
        sender=mail.sender,
        addresses=addresses,
        references=nearest_references(
            [*([about] if about else []), *mail.in_reply_to], mail.references
        ),
        subject=mail.subject,
        sent_at=mail.date,
        authentication=mail.authentication,
        house=house,
    )


def candidates(
    mailbox: Mailbox, cards: Iterable[Card], dedupe_keys: Iterable[str], house: House
) -> Candidates:
    """Everything the rules may look at. The mailbox row is locked by the caller."""
    cards = list(cards)
    ids = {card.message_id for card in cards} - {""}
    ids.update(reference for card in cards for reference in card.references)
    named = list(
        Message.objects.filter(
            Q(message_id__in=ids) | Q(dedupe_key__in=list(dedupe_keys)),
            mailbox=mailbox,
        ).values(*_COLUMNS)
    )
    citing = list(
        Reference.objects.filter(
            mailbox=mailbox,
            referenced__in=ids,
            message__direction=Message.Direction.INBOUND,
        ).values("referenced", *(f"message__{name}" for name in _COLUMNS))
    )
    rows = {row["pk"]: row for row in named}
    cites: defaultdict[int, list[str]] = defaultdict(list)
    for row in citing:
        cites[row["message__pk"]].append(row["referenced"])
        rows.setdefault(
            row["message__pk"], {name: row[f"message__{name}"] for name in _COLUMNS}
        )
    found = Candidates(Book(strict=mailbox.strict))
    found.places = _locked_places({row["thread_id"] for row in rows.values()})
    _cut(found.places)
    for row in rows.values():
        found.stored[row["dedupe_key"]] = row["pk"]
        found.message_ids.add(row["message_id"])
        _enter(found, row, tuple(cites[row["pk"]]), house)
    return found


def _locked_places(thread_pks: set[int]) -> dict[int, Place]:
    """The threads, locked in id order so that no two writers wait for each other."""
    if not thread_pks:
        return {}
    threads = (
        Thread.objects.with_relations()
        .filter(pk__in=thread_pks)
        .select_for_update(of=("self",))
        .order_by("pk")
    )
    return {
        thread.pk: Place(thread=thread, tags={tag.name for tag in thread.tags.all()})
        for thread in threads
    }


def _cut(places: dict[int, Place]) -> None:
    """Which of them staff split from each other."""
    if len(places) < 2:  # noqa: PLR2004 -- a thread alone is not apart
        return
    cuts = ThreadLink.objects.cuts_between(places, places)
    for one, other in cuts.values_list("a__thread", "b__thread"):
        places[one].cuts.append(places[other])
        places[other].cuts.append(places[one])


def _enter(
    found: Candidates, row: dict[str, Any], cites: tuple[str, ...], house: House
) -> None:
    addresses = {
        kind: [normalise(person["address"]) for person in people]
        for kind, people in row["addresses"].items()
    }
    place = found.places[row["thread_id"]]
    if row["direction"] == Message.Direction.OUTBOUND:
        # A team member's own mail (via mailbox) has an id that others may know.
        if row["via"] != Message.Via.MAILBOX:
            addressed = frozenset(addresses.get("to", []) + addresses.get("cc", []))
            found.book.add_outgoing(
                Outgoing(
                    message_id=row["message_id"],
                    public_id=row["public_id"],
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
        sent_at=row["sent_at"],
        authentication=row["authentication"],
        house=house,
    )
    card.leaf = row["unverified_sender"]
    card.place = place
    found.book.add(card)


def _card(
    *,
    message_id: str,
    sender: str,
    addresses: dict[str, list[str]],
    references: tuple[str, ...],
    subject: str,
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
        visible=(sender, tuple(reply_to), tuple(to), tuple(cc), subject, sent_at),
        refuted=authentication == "fail",
        staff=authentication == "pass" and sender in house.staff,
    )
