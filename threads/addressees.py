"""Whom a mail of ours names, and who may not be named."""

from collections.abc import Sequence
from typing import Protocol

from django.utils.translation import gettext as _

from threads.errors import RefusedError
from threads.house import House
from threads.mail.addresses import normalise
from threads.mail.parsed import Address
from threads.models import Customer, Mailbox, Message, Thread
from threads.recipients import Recipients, reply_recipients

RECIPIENT_LIMIT = 50


class Named(Protocol):
    """Addresses, as somebody wrote them; without `to` the thread decides."""

    @property
    def to(self) -> Sequence[str]: ...
    @property
    def cc(self) -> Sequence[str]: ...
    @property
    def bcc(self) -> Sequence[str]: ...
    @property
    def reply_all(self) -> bool: ...


def strangers(mailbox: Mailbox, named: Named) -> list[str]:
    """The named recipients who are no customers of the domain yet.

    Raises `RefusedError` with invalid_recipient.
    """
    refuse_what_is_no_address(named)
    found = {normalise(one): one for one in _all(named)}
    known = Customer.objects.filter(domain=mailbox.domain, address__in=found)
    for address in known.values_list("address", flat=True):
        found.pop(address)
    return list(found.values())


def outsiders(thread: Thread, named: Named) -> list[str]:
    """The named recipients who are not participants of the thread.

    Raises `RefusedError` with invalid_recipient.
    """
    refuse_what_is_no_address(named)
    known = {normalise(person["address"]) for person in thread.participants}
    return [address for address in _all(named) if normalise(address) not in known]


def chosen(
    thread: Thread, named: Named, answered: Message | None, house: House
) -> Recipients:
    """Who is named, or else who is to have an answer to `answered`.

    Raises `RefusedError` with no_recipient, invalid_recipient or too_many_recipients.
    """
    refuse_what_is_no_address(named)
    found = reply_recipients(thread, answered, house, everybody=named.reply_all)
    to = tuple(Address(normalise(a)) for a in named.to) or found.to
    cc = tuple(Address(normalise(a)) for a in named.cc) or found.cc
    if not to:
        raise RefusedError(
            "no_recipient",
            _("Nobody in this thread can be answered."),
            fix=_('Name the recipients: "to": ["klant@bedrijf.nl"].'),
            field="to",
        )
    for person in (*to, *cc):
        _refuse_unwritable(person.address, "to")
    if len(to) + len(cc) + len(named.bcc) > RECIPIENT_LIMIT:
        raise RefusedError(
            "too_many_recipients",
            _("A reply goes to at most %d people.") % RECIPIENT_LIMIT,
            fix=_("Send several replies."),
            field="to",
        )
    return Recipients(to, cc)


def refuse_what_is_no_address(named: Named) -> None:
    """Raises `RefusedError` with invalid_recipient."""
    for name in ("to", "cc", "bcc"):
        for address in getattr(named, name):
            _refuse_unwritable(address, name)


def _all(named: Named) -> list[str]:
    return [*named.to, *named.cc, *named.bcc]


def _refuse_unwritable(address: str, field: str) -> None:
    plain = normalise(address)
    if plain and plain.isascii():
        return
    raise RefusedError(
        "invalid_recipient",
        (
            _("%r has letters before the @ that few mail servers accept.")
            if plain
            else _("%r is not an e-mail address.")
        )
        % address,
        fix=_("Write each as name@example.com."),
        field=field,
    )
