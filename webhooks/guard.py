"""Connections that are judged: resolved once, every address, then that very one.

`requests` would connect wherever a name points at that moment. Here a name is looked
up once for a connection, all of its addresses must be allowed, and the socket goes to
one of those. A conversation is watched by its deadline, on reused connections too.
"""

import queue
import socket
import threading
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from ipaddress import ip_address
from time import monotonic
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from webhooks.addresses import Policy, is_public
from webhooks.deadline import Deadline

CONNECT_SECONDS = 5.0
# Connections kept open, by receiver; a drain speaks to as many as there are.
_POOLS = 100


@dataclass(slots=True)
class Conversation:
    """What this thread is sending, as its connection sees it."""

    policy: Policy
    deadline: Deadline
    # An egress proxy that the operator set may stand anywhere.
    judged: bool = True
    fresh: bool = False
    peer: str = ""
    peer_public: bool = False
    dns_ms: int | None = None
    connect_ms: int | None = None


_thread = threading.local()


def begin(conversation: Conversation) -> None:
    """The connections of this thread serve this conversation from now on."""
    _thread.conversation = conversation


class CutOffError(HTTPException):
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
            raise CutOffError("The connection ended within the headers.")


class _Guarded:
    """Mixed into urllib3's connections."""

    host: str
    port: int
    sock: socket.socket | None
    scheme = "http"
    response_class: Any = _WholeResponse
    peer: str = ""
    peer_public: bool = False

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            conversation: Conversation = _thread.conversation
            conversation.deadline.watch(self.sock)
            conversation.peer = self.peer
            conversation.peer_public = self.peer_public
        super().request(*args, **kwargs)  # type: ignore[misc]

    def _new_conn(self) -> socket.socket:
        conversation: Conversation = _thread.conversation
        conversation.fresh = True
        begun = monotonic()
        try:
            records = resolve(self.host, self.port, conversation.deadline.left())
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"dns: {error}") from error  # type: ignore[arg-type]
        conversation.dns_ms = milliseconds(begun)
        if conversation.judged:
            self._judge(records, conversation.policy)
        begun = monotonic()
        connection, self.peer = self._connect_to(records, conversation.deadline)
        self.peer_public = is_public(ip_address(self.peer.partition("%")[0]))
        conversation.connect_ms = milliseconds(begun)
        conversation.peer, conversation.peer_public = self.peer, self.peer_public
        conversation.deadline.watch(connection)
        return connection

    def _judge(self, records: list[Any], policy: Policy) -> None:
        for *_, address in records:
            found = ip_address(str(address[0]).partition("%")[0])
            policy.check_address(self.scheme, found, self.host)

    def _connect_to(
        self, records: list[Any], deadline: Deadline
    ) -> tuple[socket.socket, str]:
        begun = monotonic()
        last: OSError = OSError("no address")
        for family, kind, protocol, _, address in records:
            left = min(CONNECT_SECONDS - (monotonic() - begun), deadline.left())
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
            return connection, str(address[0])
        raise NewConnectionError(self, f"connect: {last}") from last  # type: ignore[arg-type]


def resolve(host: str, port: int | None, seconds: float) -> list[Any]:
    """`getaddrinfo`, which knows no timeout, within `seconds`.

    Raises `OSError` or `UnicodeError`.
    """
    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found: list[Any] = socket.getaddrinfo(
                host.rstrip("."), port, type=socket.SOCK_STREAM
            )
            answers.put(found)
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=max(min(seconds, CONNECT_SECONDS), 0.0))
    except queue.Empty:
        raise OSError("the name server did not answer in time") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


class _GuardedHTTP(_Guarded, HTTPConnection):
    pass


class _GuardedHTTPS(_Guarded, HTTPSConnection):
    scheme = "https"


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPS


_POOL_CLASSES = {"http": _HTTPPool, "https": _HTTPSPool}


class GuardedAdapter(HTTPAdapter):
    """To be used without a session, which would unpack what a redirect carries."""

    def __init__(self) -> None:
        super().__init__(max_retries=0, pool_connections=_POOLS, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOL_CLASSES

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOL_CLASSES
        return manager


def milliseconds(since: float) -> int:
    return int((monotonic() - since) * 1000)
