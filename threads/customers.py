"""Who writes to a domain for the first time, and in how many threads."""

from collections.abc import Iterable
from datetime import datetime

from threads.house import House
from threads.mail.addresses import is_no_reply, normalise
from threads.mail.parsed import Address, ParsedMail
from threads.models import Customer
from webhooks import dialect
from webhooks.rows import insert_missing, new, read, update


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

    def __init__(
        self,
        domain: str,
        people: Iterable[Address],
        now: datetime,
        *,
        known: Iterable[int | None] = (),
    ) -> None:
        """Two statements: insert whoever is missing, then lock them all in id order.

        With them those of whom the keys are known.
        """
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
        rows = read(
            Customer,
            f"WHERE {dialect.among('id')}"
            f" OR (domain = %s AND {dialect.among('address', 'varchar')})"
            f" ORDER BY id {dialect.locked('threads_customer')}",
            dialect.keys({pk for pk in known if pk is not None}),
            domain,
            dialect.keys(names),
        )
        self.by_key = {customer.pk: customer for customer in rows}
        self._found = {c.address: c for c in rows if c.domain == domain}
        # Only the row that we inserted bears the time of this batch.
        self._unseen = {a for a, c in self._found.items() if c.created_at == now}
        self._touched: set[int] = set()

    def meet(self, address: str) -> bool:
        """Somebody writes: True the first time ever."""
        plain = normalise(address)
        new = plain in self._unseen
        self._unseen.discard(plain)
        return new

    def begin_thread(self, address: str) -> Customer | None:
        customer = self._found.get(normalise(address))
        if customer is not None:
            customer.thread_count += 1
            self._touched.add(customer.pk)
        return customer

    def end_thread(self, customer: Customer | None) -> None:
        """A thread of theirs was merged into another."""
        if customer is not None and customer.thread_count:
            customer.thread_count -= 1
            self._touched.add(customer.pk)

    def save(self) -> None:
        update([self.by_key[pk] for pk in sorted(self._touched)], ["thread_count"])
