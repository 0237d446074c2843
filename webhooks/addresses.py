"""Where a webhook may go. Pure: which URL, which port, which address.

An address is judged twice: its spelling when the webhook is saved, and the very
address that is connected to, at every attempt.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import SplitResult, urlsplit

from webhooks.wording import SentenceError
from webhooks.wording import marked as _

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

LONGEST_URL = 2048
_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024
# What `is_global` lets through on some Python version and must never be reached.
_NEVER = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "168.63.129.16/32",  # a cloud's internal service behind a public address
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "224.0.0.0/3",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b:1::/48",
        "100::/63",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/9",
        "ff00::/8",
    )
)
_NAT64 = ip_network("64:ff9b::/96")


class AddressRefusedError(SentenceError, ValueError):
    """The webhook may not go there: why, and in `mend` the word that would allow it."""

    def __init__(self, sentence: str, mend: str = "", **values: object) -> None:
        super().__init__(sentence, **values)
        self.mend = mend


def is_public(address: IPAddress) -> bool:
    """Whether this is an address of the open internet, however it is wrapped.

    >>> is_public(ip_address("64:ff9b::7f00:1"))
    False
    """
    inner = _unwrapped(address)
    if inner is not None:
        return is_public(inner)
    if any(address.version == n.version and address in n for n in _NEVER):
        return False
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_loopback
        or address.is_link_local
        or address.is_private
        or address.is_unspecified
    )


def _unwrapped(address: IPAddress) -> IPv4Address | None:
    """The IPv4 address within a mapped, NAT64 or 6to4 one."""
    if not isinstance(address, IPv6Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


@dataclass(frozen=True, slots=True)
class Policy:
    """What beyond public https addresses is allowed: networks, and names."""

    networks: tuple[IPNetwork, ...] = ()
    names: frozenset[str] = frozenset()
    # Where we ourselves are served: host and port.
    own: tuple[str, int] | None = None

    @classmethod
    def of(cls, words: Iterable[str], public_url: str = "") -> "Policy":
        """From the setting's words: CIDRs, addresses and host names."""
        networks, names = [], set()
        for word in words:
            try:
                networks.append(ip_network(word, strict=False))
            except ValueError:
                names.add(word.lower().rstrip("."))
        own = urlsplit(public_url)
        return cls(
            tuple(networks),
            frozenset(names),
            (own.hostname, _port(own)) if own.hostname else None,
        )

    def listed(self, address: IPAddress) -> bool:
        """Whether the operator named a network that holds this address."""
        inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        candidates = [address] if inner is None else [address, inner]
        return any(
            one.version == network.version and one in network
            for one in candidates
            for network in self.networks
        )

    def allows(self, address: IPAddress, host: str = "") -> bool:
        return (
            is_public(address)
            or self.listed(address)
            or host.lower().rstrip(".") in self.names
        )

    def check_url(self, url: str) -> SplitResult:
        """The parts of a URL that may be saved. Raises `AddressRefusedError`."""
        parts = _split(url)
        host = (parts.hostname or "").rstrip(".")
        literal = _literal(host)
        # What the operator named may be told over plain http as well.
        named = self._named(host)
        if literal is not None:
            self._check_literal(literal)
        elif (_is_local(host) or _looks_numeric(host)) and not named:
            raise AddressRefusedError(
                _("%(host)s is not a public host name."), host, host=host
            )
        self.check_own(host, _port(parts))
        # A name may yet resolve into an allowed network; connecting will tell.
        open_question = literal is None and bool(self.networks)
        if parts.scheme != "https" and not (named or open_question):
            raise AddressRefusedError(_("A webhook's URL begins with https://."), host)
        return parts

    def check_own(self, host: str, port: int) -> None:
        """We are no receiver of ours: an event could be the cause of its like.

        Other programs at our address have ports of their own, or are named by the
        operator. Raises `AddressRefusedError`.
        """
        if (host.lower().rstrip("."), port) == self.own and not self._named(host):
            raise AddressRefusedError(
                _("%(host)s is the address of MailBelly itself."), host, host=host
            )

    def check_address(self, scheme: str, address: IPAddress, host: str) -> None:
        """What a name points to. Raises `AddressRefusedError`.

        Plain http goes only into networks that the operator named.
        """
        if not self.allows(address, host):
            raise AddressRefusedError(
                _("%(host)s points to %(address)s, which is not a public address."),
                str(address),
                host=host,
                address=address,
            )
        if scheme == "https" or host.lower().rstrip(".") in self.names:
            return
        if not self.listed(address):
            raise AddressRefusedError(
                _("A public address is told over https only."), host
            )

    def _named(self, host: str) -> bool:
        """Whether the operator named this host, or the network it stands for."""
        if host.lower().rstrip(".") in self.names:
            return True
        address = IPv4Address("127.0.0.1") if _is_local(host) else _literal(host)
        return address is not None and self.listed(address)

    def _check_literal(self, address: IPAddress) -> None:
        if not self.allows(address):
            raise AddressRefusedError(
                _("%(address)s is not a public address."),
                f"{address}/{address.max_prefixlen}",
                address=address,
            )


def _split(url: str) -> SplitResult:
    """The syntax alone, stricter than any client's."""
    if len(url) > LONGEST_URL:
        raise AddressRefusedError(
            _("The URL is longer than %(limit)d characters."), limit=LONGEST_URL
        )
    if not url.isascii() or any(c <= " " or c in '\\"<>^`{|}\x7f' for c in url):
        raise AddressRefusedError(
            _(
                "The URL holds a character that must be percent-encoded;"
                " a host name with accents is written in its xn-- form."
            )
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefusedError(
            _("This is no URL: %(error)s."), error=error
        ) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise AddressRefusedError(_("A webhook's URL begins with https://."))
    if parts.username is not None or "@" in parts.netloc:
        raise AddressRefusedError(
            _("A user name or password may not stand in the URL; use basic auth.")
        )
    if "%" in parts.netloc:
        raise AddressRefusedError(_("The host name holds a percent sign."))
    if port is not None and port not in _PORTS and port < _FIRST_FREE_PORT:
        raise AddressRefusedError(
            _("Port %(port)d is neither 80, 443 nor above 1023."), port=port
        )
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _is_local(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _literal(host: str) -> IPAddress | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _looks_numeric(host: str) -> bool:
    """127.1, 0x7f.1, 2130706433: what a resolver takes for an address."""
    last = host.rpartition(".")[2]
    return last.isdigit() or last.lower().startswith("0x")
