"""Who a reply goes to when nobody says (design: reply recipients)."""

from collections.abc import Iterable
from dataclasses import dataclass

from threads.house import House
from threads.mail.addresses import is_no_reply, normalise
from threads.mail.parsed import Address
from threads.models import Message, Thread


@dataclass(frozen=True, slots=True)
class Recipients:
    to: tuple[Address, ...]
    cc: tuple[Address, ...] = ()


def answered_message(thread: Thread) -> Message | None:
    """The newest inbound mail that a person of the thread wrote."""
    return (
        Message.objects.kept()
        .filter(
            thread=thread,
            direction=Message.Direction.INBOUND,
            unverified_sender=False,
            auto=False,
            bounce__isnull=True,
        )
        .order_by("-id")
        .first()
    )


def reply_recipients(
    thread: Thread,
    answered: Message | None,
    house: House,
    *,
    everybody: bool,
    written: Message | None = None,
) -> Recipients:
    """Never ours, never a stranger who only answered into the thread.

    `written` is our newest mail, for who has it already.
    """
    participants = {normalise(person["address"]) for person in thread.participants}
    if answered is None:
        written = written or _last_written(thread)
        people = written.addresses.get("to", []) if written else []
        return Recipients(tuple(_outside(people, house)) or _by_form(thread, house))
    proven = answered.authentication == "pass"
    named = answered.addresses
    reply_to = [
        person
        for person in _outside(named.get("reply_to", []), house)
        if proven or normalise(person.address) in participants
    ]
    to = reply_to or _outside(named.get("from", []), house)
    to = [person for person in to if not is_no_reply(normalise(person.address))]
    if not to and thread.customer is not None:
        to = [Address(thread.customer.address, thread.customer.name)]
    if not everybody:
        return Recipients(tuple(to))
    first = answered.is_first
    also = [
        person
        for person in _outside(named.get("to", []) + named.get("cc", []), house)
        if proven or first or normalise(person.address) in participants
    ]
    main = {normalise(person.address) for person in to}
    cc = [person for person in also if normalise(person.address) not in main]
    return Recipients(tuple(to), tuple(cc))


def _by_form(thread: Thread, house: House) -> tuple[Address, ...]:
    """The customer whom a contact form, sent by a program, wants answered."""
    forms = Message.objects.kept().filter(
        thread=thread, auto=True, bulk=False, bounce__isnull=True, is_first=True
    )
    customer = thread.customer
    for form in forms.filter(unverified_sender=False)[:1]:
        named = _outside(form.addresses.get("reply_to", []), house)
        if customer and customer.address in {normalise(p.address) for p in named}:
            return (Address(customer.address, customer.name),)
    return ()


def _last_written(thread: Thread) -> Message | None:
    return (
        Message.objects.kept()
        .filter(thread=thread, direction=Message.Direction.OUTBOUND)
        .exclude(status=Message.Status.DRAFT)
        .order_by("-id")
        .first()
    )


def _outside(people: Iterable[dict[str, str]], house: House) -> list[Address]:
    """Real addresses that are not ours, each once."""
    found: dict[str, Address] = {}
    for person in people:
        plain = normalise(person["address"])
        if plain and plain not in house.own and not house.is_ours(plain):
            found.setdefault(plain, Address(plain, person.get("name", "")))
    return list(found.values())
