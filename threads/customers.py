"""Who writes to a domain for the first time, and in how many threads."""

from collections.abc import Iterable
from datetime import datetime

from threads.house import House
from threads.mail.addresses import is_no_reply, normalise
from threads.mail.parsed import Address, ParsedMail
from threads.models import Customer
from webhooks.rows import insert_missing, new, update


def customer_of(mail: ParsedMail, house: House) -> Address | None:
    """From; for a contact form the outside Reply-To.

    A contact form is from us, from no-reply, or from a program that answers nobody.
    """
    sender = next((a for a in mail.from_ if normalise(a.address)), None)
    plain = normalise(sender.address) if sender else ""
    program = mail.auto and not (mail.bulk or mail.bounce or mail.in_reply_to)
    if not plain or plain in house.ours or is_no_reply(plain) or program:
        for person in mail.reply_to:
            if (address := normalise(person.address)) and address not in house.ours:
                return person
    return sender


class Customers:
    """The customers of one batch, locked until its transaction ends."""

    def __init__(self, domain: str, people: Iterable[Address], now: datetime) -> None:
        """Two statements: insert whoever is missing, then lock them all in id order."""
        names: dict[str, str] = {}
        for person in people:
            if address := normalise(person.address):
                names.setdefault(address, person.name)
        insert_missing(
            [
                new(
                    Customer,
                    domain=domain,
                    address=address,
                    name=name[:200],
                    created_at=now,
                )
                for address, name in sorted(names.items())
            ]
        )
        rows = (
            Customer.objects.filter(domain=domain, address__among=names)
            .select_for_update()
            .order_by("pk")
        )
        self._found = {customer.address: customer for customer in rows}
        # Only the row that we inserted bears the time of this batch.
        self._unseen = {a for a, c in self._found.items() if c.created_at == now}
        self._touched: set[str] = set()

    def meet(self, address: str) -> bool:
        """Somebody writes: True the first time ever."""
        plain = normalise(address)
        new = plain in self._unseen
        self._unseen.discard(plain)
        return new

    def same(self, customer: Customer | None) -> Customer | None:
        """One object for each, so that all events of a batch count alike."""
        if customer is None:
            return None
        return self._found.setdefault(customer.address, customer)

    def begin_thread(self, address: str) -> Customer | None:
        customer = self._found.get(normalise(address))
        if customer is not None:
            customer.thread_count += 1
            self._touched.add(customer.address)
        return customer

    def end_thread(self, customer: Customer | None) -> None:
        """A thread of theirs was merged into another."""
        mine = self.same(customer)
        if mine is not None and mine.thread_count:
            mine.thread_count -= 1
            self._touched.add(mine.address)

    def save(self) -> None:
        update(
            [self._found[address] for address in sorted(self._touched)],
            ["thread_count"],
        )
