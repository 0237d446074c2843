"""Bytes to and from a receiver, until a moment that no slowness moves.

A client's timeout counts between two reads, so a byte a second keeps it waiting for
ever. Here each read and each write has no more time than is left for all of them.
"""

import select
import socket
import ssl
from time import monotonic

from urllib3.util.ssltransport import SSLTransport

_AT_ONCE = 65_536


class Wire:
    """A connected socket. `until` is on the monotonic clock, and may be moved."""

    def __init__(self, connected: socket.socket, until: float) -> None:
        self.connected = connected
        self.until = until

    def recv(self, size: int = _AT_ONCE) -> bytes:
        """Raises `OSError`, and of these `TimeoutError` when it is too late."""
        self.connected.settimeout(left(self.until))
        return self.connected.recv(size)

    def sendall(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            self.connected.settimeout(left(self.until))
            view = view[self.connected.send(view) :]

    def fileno(self) -> int:
        return self.connected.fileno()

    def close(self) -> None:
        self.connected.close()

    @property
    def is_quiet(self) -> bool:
        """Nothing to read: an idle connection that speaks, or has ended, is no use."""
        poll = select.poll()
        poll.register(self.connected, select.POLLIN)
        return not poll.poll(0)


Stream = Wire | SSLTransport


def secured(stream: Stream, context: ssl.SSLContext, host: str) -> SSLTransport:
    """TLS over a stream, which may be TLS itself. Raises `OSError`."""
    # It uses no more of a socket than a `Wire` has.
    inner: socket.socket = stream  # type: ignore[assignment]
    return SSLTransport(inner, context, server_hostname=host)


def left(until: float) -> float:
    """Seconds; raises `TimeoutError` when there are none."""
    seconds = until - monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds
