"""Who is who in a mailbox: its own addresses, all of ours, and the team."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from django.db.models import Value

from threads.mail.addresses import normalise
from threads.models import Alias, Mailbox, User


@dataclass(frozen=True, slots=True)
class House:
    """Read once a pass: two statements, whatever the number of mails."""

    # This mailbox's address and aliases: never lent, never answered.
    own: frozenset[str]
    # Every address of ours.
    ours: frozenset[str]
    staff: frozenset[str]
    # What our mailboxes are called.
    names: frozenset[str] = frozenset()
    # Domains of which some mailbox takes what no other one has.
    caught: frozenset[str] = frozenset()

    @classmethod
    def of(cls, mailbox: Mailbox) -> "House":
        team = User.objects.filter(is_active=True).values_list("email", flat=True)
        return cls.with_team(mailbox, team)

    @classmethod
    def with_team(cls, mailbox: Mailbox, team: Iterable[str]) -> "House":
        """The same for who has read the team's addresses: one statement."""
        unnamed = Alias.objects.order_by().annotate(
            called=Value(""), catches=Value(value=False)
        )
        aliases = unnamed.values_list("mailbox_id", "address", "called", "catches")
        mailboxes = Mailbox.objects.order_by().values_list(
            "pk", "address", "name", "catch_all"
        )
        named = list(aliases.union(mailboxes, all=True))
        own = {address for pk, address, _, _ in named if pk == mailbox.pk}
        return cls(
            own=frozenset({mailbox.address, *own}),
            ours=frozenset(address for _, address, _, _ in named),
            staff=frozenset(normalise(email) for email in team) - {""},
            names=frozenset(name for _, _, name, _ in named) - {""},
            caught=frozenset(_domain(a) for _, a, _, catches in named if catches),
        )

    @property
    def domains(self) -> frozenset[str]:
        return _domains(self.ours)

    def plain(self, address: str) -> str:
        """To compare: this mailbox's own addresses without what follows their `+`."""
        address = normalise(address)
        bare = without_extension(address)
        return bare if bare in self.own else address

    def is_ours(self, address: str) -> bool:
        plain = normalise(address)
        known = {plain, without_extension(plain)} & self.ours
        return bool(known) or _domain(plain) in self.caught

    def delivered_to(self, addresses: list[str], mailbox: Mailbox) -> str:
        """The first of `addresses` that is this mailbox's, as written."""
        for address in addresses:
            plain = normalise(address)
            if plain in self.own or without_extension(plain) in self.own:
                return address
        if mailbox.catch_all:
            for address in addresses:
                if _domain(normalise(address)) == mailbox.domain:
                    return address
        return mailbox.address


@lru_cache(maxsize=64)  # asked for each mail
def _domains(addresses: frozenset[str]) -> frozenset[str]:
    return frozenset(map(_domain, addresses))


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def without_extension(address: str) -> str:
    """Subaddressing (RFC 5233) taken off.

    >>> without_extension("support+x@example.com")
    'support@example.com'
    """
    local, _, domain = address.partition("@")
    return f"{local.partition('+')[0]}@{domain}"
