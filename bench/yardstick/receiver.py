"""A receiver that is never the bottleneck: one process, epoll, no framework.

    python -m bench.yardstick.receiver

Prints its port and answers every POST with 204 on a kept connection. The path says
when: `/ok/…` at once, `/wait50/…` after 50 ms, `/hang/…` never. `GET /` tells how many
came by the first word of the path, and when the first and the last of them came;
`GET /noted` when each `webhook-id` came to `/note/…`, which is answered at once.
"""

import heapq
import json
import select
import socket
from http.client import HTTPConnection
from time import monotonic
from typing import Any

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receiver:
    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self.epoll = select.epoll()
        self.epoll.register(self.listener, select.EPOLLIN)
        self.peers: dict[int, socket.socket] = {}
        self.parts: dict[int, bytes] = {}
        self.late: list[tuple[float, int]] = []
        self.came: dict[str, list[float]] = {}
        self.noted: dict[str, float] = {}

    def run(self) -> None:
        while True:
            timeout = max(self.late[0][0] - monotonic(), 0) if self.late else -1
            for descriptor, _ in self.epoll.poll(timeout):
                if descriptor == self.listener.fileno():
                    self._accept()
                else:
                    self._read(descriptor)
            while self.late and self.late[0][0] <= monotonic():
                self._send(heapq.heappop(self.late)[1], ANSWER)

    def _accept(self) -> None:
        peer, _ = self.listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peers[peer.fileno()] = peer
        self.epoll.register(peer, select.EPOLLIN)

    def _read(self, descriptor: int) -> None:
        try:
            more = self.peers[descriptor].recv(262_144)
        except OSError:
            more = b""
        if not more:
            self.epoll.unregister(descriptor)
            self.peers.pop(descriptor).close()
            self.parts.pop(descriptor, None)
            return
        request = self.parts.pop(descriptor, b"") + more
        head, blank, body = request.partition(b"\r\n\r\n")
        if not blank or len(body) < _length(head):
            self.parts[descriptor] = request
            return
        if request.startswith(b"GET"):
            noted = request.startswith(b"GET /noted")
            self._tell(descriptor, self.noted if noted else self.came)
        else:
            self._answer(descriptor, head)

    def _answer(self, descriptor: int, head: bytes) -> None:
        now = monotonic()
        word = head.split(b"/", 2)[1].split(b" ")[0].decode()
        seen = self.came.setdefault(word, [0, now, now])
        seen[0] += 1
        seen[2] = now
        if word == "note":
            event = head.split(b"webhook-id: ", 1)[1].split(b"\r\n", 1)[0]
            self.noted.setdefault(event.decode(), now)
        if word.startswith("wait"):
            later = now + int(word.removeprefix("wait")) / 1000
            heapq.heappush(self.late, (later, descriptor))
        elif word != "hang":
            self._send(descriptor, ANSWER)

    def _tell(self, descriptor: int, what: object) -> None:
        body = json.dumps(what).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._send(descriptor, head + body)

    def _send(self, descriptor: int, answer: bytes) -> None:
        try:
            self.peers[descriptor].sendall(answer)
        except (KeyError, OSError):
            return


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"content-length:")
    return int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def came(port: int) -> dict[str, tuple[int, float, float]]:
    """By the first word of the path: how many, and when the first and last came."""
    found: dict[str, tuple[int, float, float]] = _asked(port, "/")
    return found


def noted(port: int) -> dict[str, float]:
    """When each event came, by its id, on the monotonic clock."""
    found: dict[str, float] = _asked(port, "/noted")
    return found


def _asked(port: int, path: str) -> Any:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    found = json.loads(connection.getresponse().read())
    connection.close()
    return found


if __name__ == "__main__":
    receiver = Receiver()
    print(receiver.listener.getsockname()[1], flush=True)
    receiver.run()
