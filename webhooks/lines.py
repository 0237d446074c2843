"""Lines to receivers: opened through the guard, kept while a receiver keeps them.

One set of them serves all senders of a drain, so there are as many as are in use.
"""

import base64
import ssl
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from time import monotonic
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import certifi

from webhooks import guard
from webhooks.addresses import Policy, is_public
from webhooks.answers import Reader
from webhooks.guard import NotConnectedError
from webhooks.wire import Stream, Wire, secured

# So many may be idle; one more is closed instead of kept.
_MOST_IDLE = 256
_PORTS = {"http": 80, "https": 443}


class Place(NamedTuple):
    """Where a line leads to."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As a Host header has it (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def name(self) -> str:
        """As a certificate has it."""
        return self.host.rstrip(".")


@dataclass(slots=True)
class Line:
    """A connection to a place. `stream` is what is spoken through; perhaps TLS."""

    place: Place
    wire: Wire
    stream: Stream
    peer: str
    dns_ms: int
    connect_ms: int
    peer_public: bool = False
    # It has served before.
    is_kept: bool = False
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self.peer_public = is_public(ip_address(self.peer.partition("%")[0]))
        self.listen()

    def listen(self) -> None:
        """Read from whatever is spoken through now."""
        self.reader = Reader(_reading(self.stream))


def _reading(stream: Stream) -> Callable[[], bytes]:
    def read() -> bytes:
        more = stream.recv(65_536)
        assert isinstance(more, bytes)
        return more

    return read


@dataclass(frozen=True, slots=True)
class Proxy:
    """An egress proxy that the operator set; it may stand anywhere."""

    place: Place
    authorization: str

    @classmethod
    def of(cls, url: str) -> "Proxy | None":
        if not url:
            return None
        parts = urlsplit(url if "://" in url else f"http://{url}")
        place = Place(
            parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]
        )
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        return cls(place, basic(pair) if parts.username else "")


def basic(pair: str) -> str:
    """The value of an `Authorization` header for `user:password`."""
    return "Basic " + base64.b64encode(pair.encode()).decode()


class TLSError(OSError):
    """No secure connection; the message says why."""


class Lines:
    def __init__(
        self, policy: Policy, proxy: Proxy | None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.policy = policy
        self.proxy = proxy
        self.tls = tls
        self._idle: dict[Place, deque[Line]] = defaultdict(deque)
        self._count = 0

    def kept(self, place: Place) -> Line | None:
        """One that has served before and is still there; the youngest first."""
        idle = self._idle[place]
        while True:
            try:
                line = idle.pop()
            except IndexError:
                return None
            self._count -= 1
            if line.wire.is_quiet:
                line.is_kept = True
                return line
            line.wire.close()

    def keep(self, line: Line) -> None:
        if self._count < _MOST_IDLE:
            self._count += 1
            self._idle[line.place].append(line)
        else:
            line.wire.close()

    def close(self) -> None:
        for idle in self._idle.values():
            while idle:
                idle.pop().wire.close()

    def open(self, place: Place, until: float) -> Line:
        """Raises `AddressRefusedError` and `OSError`, of which the guard's and ours."""
        hop = self.proxy.place if self.proxy else place
        begun = monotonic()
        records = guard.found(hop.host, hop.port, until)
        dns_ms = milliseconds(begun)
        if self.proxy is None:
            guard.judge(records, self.policy, place.scheme, place.host)
        begun = monotonic()
        wire, peer = guard.connected(records, until)
        line = Line(place, wire, wire, peer, dns_ms, milliseconds(begun))
        try:
            self._dress(line)
        except BaseException:
            wire.close()
            raise
        return line

    def _dress(self, line: Line) -> None:
        """TLS to the proxy, a tunnel through it, TLS to the receiver: what is asked."""
        if self.proxy:
            if self.proxy.place.scheme == "https":
                self._secure(line, self.proxy.place)
            if line.place.scheme == "https":
                self._tunnel(line, self.proxy)
        if line.place.scheme == "https":
            self._secure(line, line.place)

    def _secure(self, line: Line, place: Place) -> None:
        try:
            line.stream = secured(line.stream, self.tls or _trusting(), place.name)
        except TimeoutError:
            raise
        except ssl.SSLCertVerificationError as error:
            raise TLSError(error.verify_message) from error
        except (OSError, ValueError) as error:
            raise TLSError(getattr(error, "reason", None) or str(error)) from error
        line.listen()

    def _tunnel(self, line: Line, proxy: Proxy) -> None:
        there = f"{line.place.authority.removesuffix(':443')}"
        if line.place.port == _PORTS["https"]:
            there += ":443"
        head = f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n"
        if proxy.authorization:
            head += f"Proxy-Authorization: {proxy.authorization}\r\n"
        line.stream.sendall(f"{head}\r\n".encode("latin-1"))
        status = line.reader.head().status
        if status != 200:  # noqa: PLR2004 -- RFC 9110 section 9.3.6: 2xx, and all say 200
            raise NotConnectedError(f"the proxy answered {status}")


@cache
def _trusting() -> ssl.SSLContext:
    """Certificates that browsers trust, whatever this machine has installed."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def milliseconds(since: float) -> int:
    return int((monotonic() - since) * 1000)
