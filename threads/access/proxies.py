"""Where a request really comes from; headers count when a known proxy sent them."""

from collections.abc import Callable, Iterable
from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

Next = Callable[[HttpRequest], HttpResponseBase]
Network = IPv4Network | IPv6Network

# A web server that listens on a Unix socket knows no address of its peer.
UNIX = "unix"
_FORWARDED = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
)


class ProxyMiddleware:
    """Before all others: afterwards REMOTE_ADDR is the client, whoever asks.

    A listed proxy's X-Forwarded-For is read from the right, over further listed
    proxies, to the first address that is none: what stands left of it was written by
    the client itself. X-Forwarded-Host never counts.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        meta = request.META
        peer = meta.get("REMOTE_ADDR", "")
        proxies = tuple(settings.TRUSTED_PROXIES)
        trusted = _is_proxy(peer, proxies)
        if trusted:
            chain = meta.get("HTTP_X_FORWARDED_FOR", "").split(",")
            meta["REMOTE_ADDR"] = _client(chain, proxies) or peer
        for name in _FORWARDED:
            if not (trusted and name == "HTTP_X_FORWARDED_PROTO"):
                meta.pop(name, None)
        return self.get_response(request)


def client_address(request: HttpRequest) -> str | None:
    """The client, once `ProxyMiddleware` has seen the request; None: a Unix socket."""
    address = request.META.get("REMOTE_ADDR", "")
    return address if _plain(address) else None


def unreadable(words: Iterable[str]) -> list[str]:
    """Those of TRUSTED_PROXIES that are neither address nor network.

    >>> unreadable(["10.0.0.0/8", "unix", "proxy.example", "10.0.0.1/33"])
    ['proxy.example', '10.0.0.1/33']
    """
    return [word for word in words if word != UNIX and _network(word) is None]


def _client(chain: Iterable[str], proxies: tuple[str, ...]) -> str:
    """The rightmost of `chain` that is no proxy; empty when there is no such address.

    >>> _client(["6.6.6.6", " 203.0.113.9", "10.0.0.2"], ("10.0.0.0/8",))
    '203.0.113.9'
    >>> _client(["6.6.6.6", "nonsense"], ("10.0.0.0/8",))
    ''
    """
    for written in reversed(list(chain)):
        address = _plain(written.strip())
        if not address or not _is_proxy(address, proxies):
            return address
    return ""


def _is_proxy(address: str, proxies: tuple[str, ...]) -> bool:
    plain = _plain(address)
    if not plain:
        return address == "" and UNIX in proxies
    found = ip_address(plain)
    return any(found in network for network in map(_network, proxies) if network)


def _plain(address: str) -> str:
    """An IP address in its shortest form, IPv4 out of its IPv6 dress; else empty.

    >>> _plain("::ffff:10.0.0.1")
    '10.0.0.1'
    """
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    inner = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(inner or found)


@cache
def _network(word: str) -> Network | None:
    try:
        return ip_network(word, strict=False)
    except ValueError:
        return None
