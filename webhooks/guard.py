"""Connections that are judged: resolved once, every address, then that very one.

An HTTP client would connect wherever a name points at that moment. Here a name is
looked up once for a connection, all of its addresses must be allowed, and the socket
goes to one of those.
"""

import queue
import socket
import threading
from ipaddress import ip_address
from time import monotonic
from typing import Any

from webhooks.addresses import Policy
from webhooks.wire import Wire, left

CONNECT_SECONDS = 5.0


class NotFoundError(OSError):
    """The name has no address, or nobody says which."""


class NotConnectedError(OSError):
    """None of its addresses takes a connection."""


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


def found(host: str, port: int, until: float) -> list[Any]:
    """The addresses of a receiver. Raises `NotFoundError`."""
    try:
        return resolve(host, port, left(until))
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        raise NotFoundError(str(error)) from error


def judge(records: list[Any], policy: Policy, scheme: str, host: str) -> None:
    """Each of them; one that is refused refuses all. Raises `AddressRefusedError`."""
    for *_, address in records:
        literal = ip_address(str(address[0]).partition("%")[0])
        policy.check_address(scheme, literal, host)


def connected(records: list[Any], until: float) -> tuple[Wire, str]:
    """To the first that takes us, and its address. Raises `NotConnectedError`."""
    patience = min(monotonic() + CONNECT_SECONDS, until)
    last: OSError = OSError("no address")
    for family, kind, protocol, _, address in records:
        one = socket.socket(family, kind, protocol)
        try:
            one.settimeout(left(patience))
            one.connect(address)
        except OSError as error:
            last = error
            one.close()
            continue
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Wire(one, until), str(address[0])
    raise NotConnectedError(str(last)) from last
