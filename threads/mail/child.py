"""A process that only parses: one mail in hand, within limits, knowing no Django.

It is given mails over the socket that is its standard input, and answers each. It
reads hostile bytes, so it has no database, no secrets and no environment; what it
says is read strictly (`wire`). Whatever ends it ends one mail's parsing and no more.
"""

import faulthandler
import math
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from threads.lifeline import die_with
from threads.mail.parse import parse
from threads.mail.wire import (
    ANSWER,
    LAST,
    PARSED,
    RAISED,
    READY,
    REQUEST,
    TOO_BIG,
    packed,
)

_LONGEST_REASON = 20_000
# Memory that one mail took and the allocator keeps; a fresh process is cheaper.
_GROWN_KILOBYTES = 96 * 1024

Parse = Callable[[bytes, list[str]], bytes]


def understood(raw: bytes, trusted: list[str]) -> bytes:
    return packed(parse(raw, trusted_authserv_ids=trusted))


def serve(parse_one: Parse = understood) -> None:
    """Until the other side hangs up. Arguments: the parent's pid, bytes of memory."""
    die_with(int(sys.argv[1]))
    faulthandler.enable()
    # Where it was when its time was up; then it dies of it, as by default.
    faulthandler.register(signal.SIGXCPU, chain=True)
    _soft(resource.RLIMIT_CORE, 0)
    if base := _data_bytes():
        _soft(resource.RLIMIT_DATA, base + int(sys.argv[2]))
    born = _peak()
    link = socket.socket(fileno=0)
    requests = link.makefile("rb")
    link.sendall(ANSWER.pack(READY, 0))
    while request := _request(requests):
        kind, data = _answer(parse_one, *request)
        del request
        grown = _peak() - born > _GROWN_KILOBYTES
        link.sendall(ANSWER.pack(LAST[kind] if grown else kind, len(data)) + data)
        if grown:
            return


def _request(requests: BinaryIO) -> tuple[int, list[str], bytes] | None:
    head = requests.read(REQUEST.size)
    if len(head) < REQUEST.size:
        return None
    seconds, ids, size = REQUEST.unpack(head)
    trusted = requests.read(ids).decode().splitlines()
    return seconds, trusted, requests.read(size)


def _answer(
    parse_one: Parse, seconds: int, trusted: list[str], raw: bytes
) -> tuple[bytes, bytes]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _soft(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime) + seconds)
    try:
        return PARSED, parse_one(raw, trusted)
    except MemoryError as error:
        # To tell it takes memory too: what the mail took goes first.
        traceback.clear_frames(error.__traceback__)
        return TOO_BIG, _traceback()
    except Exception:  # noqa: BLE001 -- whatever it is, it is this mail's own
        return RAISED, _traceback()


def _traceback() -> bytes:
    text = traceback.format_exc()[-_LONGEST_REASON:]
    return text.encode("utf-8", "backslashreplace")


def _soft(which: int, value: int) -> None:
    """Lower only our own limit: the hard one stays, and is never exceeded."""
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, hard))


def _data_bytes() -> int:
    """What counts against RLIMIT_DATA now; 0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return 0
    return int(status.partition("VmData:")[2].split()[0]) * 1024


def _peak() -> int:
    """Kilobytes of memory at most so far (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    serve()
