"""One HTTP POST, guarded: pinned addresses, one hard deadline, nothing followed.

`requests` alone would ask the environment for proxies and netrc, follow redirects,
replay cookies, wait per read instead of in all, and connect wherever a name points.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import HTTPException, HTTPResponse
from ipaddress import ip_address
from time import monotonic, sleep
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError

from webhooks.addresses import AddressRefusedError, Policy, is_public

CONNECT_SECONDS = 5.0
EXCERPT_BYTES = 4096
_WATCH_SECONDS = 0.05
_LONGEST_RETRY_AFTER = 86_400


@dataclass(slots=True)
class Outcome:
    """What became of an attempt. `error` is empty when there was an answer."""

    status: int | None = None
    error: str = ""
    detail: str = ""
    excerpt: bytes = b""
    retry_after: float | None = None
    peer: str = ""
    peer_public: bool = True
    dns_ms: int | None = None
    connect_ms: int | None = None
    first_byte_ms: int | None = None
    duration_ms: int = 0

    @property
    def success(self) -> bool:
        return not self.error and self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 -- 2xx


@dataclass(slots=True)
class _Attempt:
    """The attempt of this thread, as its connection sees it."""

    policy: Policy
    deadline: float
    outcome: Outcome
    connected: socket.socket | None = None
    fresh: bool = False
    expired: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def left(self) -> float:
        return self.deadline - monotonic()

    def expire(self) -> None:
        """Called by the watchdog: whatever blocks on the socket wakes up."""
        with self.lock:
            self.expired = True
            if self.connected is not None:
                with contextlib.suppress(OSError):
                    self.connected.shutdown(socket.SHUT_RDWR)

    def watch(self, connected: socket.socket) -> None:
        """Watch a connection; a duplicate, for TLS wraps and detaches the original."""
        with self.lock:
            self._close()
            self.connected = connected.dup()
        if self.left() <= 0:
            self.expire()

    def end(self) -> None:
        with self.lock:
            self._close()

    def _close(self) -> None:
        if self.connected is not None:
            self.connected.close()
            self.connected = None


class _Watchdog(threading.Thread):
    """Ends overdue attempts. One for all, because a thread each would cost more."""

    def __init__(self) -> None:
        super().__init__(name="webhook-watchdog", daemon=True)
        self.pid = os.getpid()
        self._known: dict[int, _Attempt] = {}
        self._busy = threading.Event()

    def add(self, attempt: _Attempt) -> None:
        self._known[id(attempt)] = attempt
        self._busy.set()

    def remove(self, attempt: _Attempt) -> None:
        self._known.pop(id(attempt), None)

    def run(self) -> None:
        while True:
            self._busy.wait()
            self._busy.clear()
            while self._known:
                for attempt in list(self._known.values()):
                    if attempt.left() <= 0:
                        attempt.expire()
                        self.remove(attempt)
                sleep(_WATCH_SECONDS)


_watchdogs: list[_Watchdog] = []
_watchdogs_lock = threading.Lock()


def _watchdog() -> _Watchdog:
    """This process's own: threads do not survive a fork."""
    with _watchdogs_lock:
        if not _watchdogs or _watchdogs[0].pid != os.getpid():
            _watchdogs[:] = [_Watchdog()]
            _watchdogs[0].start()
        return _watchdogs[0]


_current = threading.local()


class _CutOffError(HTTPException):
    """The stream ended within the headers, which http.client takes for their end."""


class _Lines:
    """A file that remembers the last line read from it."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.last: bytes = b""

    def readline(self, limit: int = -1) -> bytes:
        self.last = self.file.readline(limit)
        return self.last

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


class _WholeResponse(HTTPResponse):
    def begin(self) -> None:
        lines: Any = _Lines(self.fp)
        self.fp = lines
        super().begin()
        if self.fp is lines:
            self.fp = lines.file
        if lines.last == b"":
            raise _CutOffError("The connection ended within the headers.")


class _Guarded:
    """Mixed into urllib3's connections: resolve once, judge all, connect to that."""

    host: str
    port: int
    scheme = "http"
    response_class: Any = _WholeResponse

    def _new_conn(self) -> socket.socket:
        attempt: _Attempt = _current.attempt
        begun = monotonic()
        attempt.fresh = True
        try:
            records = socket.getaddrinfo(
                self.host.rstrip("."), self.port, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"dns: {error}") from error  # type: ignore[arg-type]
        attempt.outcome.dns_ms = _milliseconds(begun)
        for *_, address in records:
            found = ip_address(str(address[0]).partition("%")[0])
            if not attempt.policy.allows(found, self.host):
                raise AddressRefusedError(f"{self.host} points to {found}")
            attempt.policy.check_scheme(self.scheme, found, self.host)
        return self._connect_to(records, attempt)

    def _connect_to(self, records: list[Any], attempt: _Attempt) -> socket.socket:
        begun = monotonic()
        last: OSError = OSError("no address")
        for family, kind, protocol, _, address in records:
            left = min(CONNECT_SECONDS - (monotonic() - begun), attempt.left())
            if left <= 0:
                break
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(left)
            try:
                connection.connect(address)
            except OSError as error:
                last = error
                connection.close()
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            outcome = attempt.outcome
            outcome.connect_ms = _milliseconds(begun)
            outcome.peer = str(address[0])
            outcome.peer_public = is_public(ip_address(outcome.peer.partition("%")[0]))
            attempt.watch(connection)
            return connection
        raise NewConnectionError(self, f"connect: {last}") from last  # type: ignore[arg-type]


class _GuardedHTTP(_Guarded, HTTPConnection):
    pass


class _GuardedHTTPS(_Guarded, HTTPSConnection):
    scheme = "https"


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPS


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _HTTPPool,
            "https": _HTTPSPool,
        }


class _NoCookies(RequestsCookieJar):
    """Receivers share a session; what one sets is none of the others' business."""

    def set_cookie(self, *_args: Any, **_kwargs: Any) -> None:
        return


class Transport:
    """A session of one thread. Not to be shared between threads."""

    def __init__(self, policy: Policy, proxy: str = "") -> None:
        self.policy = policy
        self.proxies = {"http": proxy, "https": proxy} if proxy else {}
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.cookies = _NoCookies()
        # An egress proxy that the operator set connects for us, by its own rules.
        adapter = HTTPAdapter(max_retries=0) if proxy else _Adapter(max_retries=0)
        self.session.mount("http://", adapter)
        self.session.mount("https://", adapter)

    def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout: float,
        auth: tuple[str, str] | None = None,
    ) -> Outcome:
        """Never raises; ends within `timeout` seconds (and the resolver's patience)."""
        outcome = Outcome()
        begun = monotonic()
        attempt = _Attempt(self.policy, begun + timeout, outcome)
        _current.attempt = attempt
        watchdog = _watchdog()
        watchdog.add(attempt)
        send = partial(
            self._send, attempt, url, body, headers, timeout=timeout, auth=auth
        )
        try:
            if not self._guarded(send, attempt) and not attempt.expired:
                # A pooled connection that the receiver had closed: not its failure.
                outcome.error = outcome.detail = ""
                attempt.fresh = True
                self._guarded(send, attempt)
        finally:
            watchdog.remove(attempt)
            attempt.end()
        if attempt.expired:
            outcome.status = None
            outcome.error = "timeout"
            outcome.detail = f"No complete answer within {timeout:.0f} s."
        outcome.duration_ms = _milliseconds(begun)
        return outcome

    def _guarded(self, send: Callable[[], None], attempt: _Attempt) -> bool:
        """False when a reused connection died before any byte of an answer."""
        outcome = attempt.outcome
        try:
            send()
        except AddressRefusedError as error:
            outcome.error, outcome.detail = "address_refused", str(error)
        except requests.exceptions.SSLError as error:
            outcome.error, outcome.detail = "tls_error", _plain(error)
        except (requests.RequestException, HTTPError, OSError, HTTPException) as error:
            outcome.error, outcome.detail = _code(error), _plain(error)
            return attempt.fresh or outcome.error != "connection_closed"
        except ValueError as error:
            outcome.error, outcome.detail = "invalid_request", _plain(error)
        return True

    def _send(
        self,
        attempt: _Attempt,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout: float,
        auth: tuple[str, str] | None,
    ) -> None:
        outcome = attempt.outcome
        begun = monotonic()
        with self.session.post(
            url,
            data=body,
            headers=dict(headers),
            auth=auth,
            timeout=(CONNECT_SECONDS, timeout),
            allow_redirects=False,
            stream=True,
            proxies=self.proxies,
        ) as response:
            outcome.first_byte_ms = _milliseconds(begun)
            outcome.status = response.status_code
            outcome.retry_after = _retry_after(response.headers.get("retry-after"))
            excerpt = b""
            with contextlib.suppress(HTTPError, OSError, HTTPException):
                excerpt = response.raw.read(EXCERPT_BYTES + 1, decode_content=False)
            outcome.excerpt = excerpt[:EXCERPT_BYTES]
            if len(excerpt) > EXCERPT_BYTES:
                response.raw.close()


def _retry_after(value: str | None) -> float | None:
    """Seconds from now (RFC 9110 section 10.2.3), at most a day; None if unreadable."""
    if not value:
        return None
    text = value.strip()
    if text.isdecimal():
        return float(min(int(text[:9]), _LONGEST_RETRY_AFTER))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)


def _code(error: BaseException) -> str:
    """A stable word for what went wrong; documented in docs/webhooks.md."""
    text = str(error)
    if "within the headers" in text:
        return "incomplete_answer"
    if isinstance(error, requests.exceptions.Timeout):
        return "timeout"
    if "dns: " in text:
        return "dns_error"
    if "connect: " in text:
        return "connect_error"
    if isinstance(error, (requests.exceptions.InvalidURL, SSLError)):
        return "invalid_request"
    return "connection_closed"


def _plain(error: BaseException) -> str:
    """The innermost reason, without object addresses and without our URL."""
    reason: BaseException = error
    while (inner := getattr(reason, "reason", None)) or reason.args:
        if isinstance(inner, BaseException):
            reason = inner
        elif reason.args and isinstance(reason.args[0], BaseException):
            reason = reason.args[0]
        else:
            break
    text = str(reason)
    for mark in ("dns: ", "connect: "):
        if mark in text:
            text = text.partition(mark)[2]
    return text[:500]


def _milliseconds(since: float) -> int:
    return int((monotonic() - since) * 1000)
