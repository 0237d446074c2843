"""Which mailbox a mail is for, when it may be any of ours.

An address of ours counts first, as it is or without what follows its `+`; then the
catch-all of its domain.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from threads.house import without_extension
from threads.mail.addresses import normalise
from threads.mail.parsed import ParsedMail
from threads.models import Alias, Mailbox, Source


@dataclass(frozen=True, slots=True)
class Router:
    """All mailboxes at one moment; two statements."""

    mailboxes: dict[int, Mailbox]
    # Of mailboxes and aliases.
    addresses: dict[str, int]
    # Domain → who takes what nobody else has.
    catch_all: dict[str, int]

    @classmethod
    def now(cls) -> "Router":
        mailboxes = Mailbox.objects.order_by("pk").in_bulk()
        aliases = Alias.objects.order_by().values_list("address", "mailbox_id")
        own = {mailbox.address: pk for pk, mailbox in mailboxes.items()}
        return cls(
            mailboxes=mailboxes,
            addresses=dict(aliases) | own,
            catch_all={m.domain: pk for pk, m in mailboxes.items() if m.catch_all},
        )

    def mailbox_of(self, addresses: Iterable[str]) -> Mailbox | None:
        """The first address that is one of ours; else the first that is caught."""
        plain = [found for one in addresses if (found := normalise(one))]
        for address in plain:
            for spelled in (address, without_extension(address)):
                if (pk := self.addresses.get(spelled)) is not None:
                    return self.mailboxes[pk]
        for address in plain:
            if (pk := self.catch_all.get(address.rpartition("@")[2])) is not None:
                return self.mailboxes[pk]
        return None

    def addressee(self, mail: ParsedMail, source: Source) -> Mailbox | None:
        """Delivered-To, X-Original-To, Envelope-To, To, Cc.

        What names nobody of ours is for the source's own mailbox, if that takes what
        nobody else does.
        """
        found = self.mailbox_of(recipients(mail))
        if found is None and source.mailbox.catch_all:
            return source.mailbox
        return found


def recipients(mail: ParsedMail) -> list[str]:
    """Whom it was delivered to, then whom it was written to."""
    written = (address.address for address in (*mail.to, *mail.cc))
    return [*mail.delivered_to, *written]
