"""One parser process, and the socket to it.

It is given mails ahead of the one in hand, as far as the socket takes them, so that it
never waits for us between two: a thread of a busy process is slow to look.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import IO

from threads.mail import wire
from threads.mail.limits import clean_text
from threads.mail.parsed import ParsedMail
from webhooks.wording import Sentence, SentenceError, after
from webhooks.wording import marked as _

START_SECONDS = 60
_LONGEST_REASON = 20_000
_LAST_WORDS_SECONDS = 2
_RECEIVED_BYTES = 64 * 1024
# As many pieces as a system sends at once, at least (POSIX).
_PIECES = 16
_ROOT = Path(__file__).resolve().parent.parent
COMMAND = (sys.executable, "-P", "-m", "threads.mail.child")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one mail may cost. A first try is short, a lone one has it all."""

    first_cpu_seconds: int = 5
    first_seconds: float = 15
    cpu_seconds: int = 30
    # On the wall's clock; then the parent ends it.
    seconds: float = 45
    # Beyond what an idle parser has.
    memory_bytes: int = 512 * 1024 * 1024
    # Parsed, a mail is its text, cut, and some headers.
    answer_bytes: int = 64 * 1024 * 1024


class _PostMortemError(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ParserRaisedError(_PostMortemError):
    """The parser could not understand a mail; the reason is its traceback."""


class ParserDiedError(_PostMortemError):
    """A mail ended its parser, or its time was up; the reason says how."""


class NoParserError(SentenceError):
    """No parser can be started: no mail is to blame."""


@dataclass(slots=True, eq=False)
class Job:
    """A mail on its way through a parser; `done` when it has come back."""

    raw: bytes
    # Servers whose verdicts count, a line each.
    trusted: bytes
    cpu_seconds: int
    seconds: float
    done: "Future[ParsedMail]" = field(default_factory=Future)
    # When a parser took it in hand; 0 while it waits for one.
    begun: float = 0.0

    def late(self, seconds: float) -> bool:
        return bool(self.begun) and monotonic() - self.begun > seconds


class Child:
    """One process, and the socket to it. Raises `NoParserError` if it can't start."""

    def __init__(self, command: Sequence[str], limits: Limits) -> None:
        self.limits = limits
        self.ended = False
        try:
            self.link, theirs = socket.socketpair()
            with theirs:
                self._start(command, theirs)
        except OSError as error:
            raise NoParserError(
                _("No parser can be started: %(error)s."), error=error
            ) from error
        # How many mails it was sent and has not answered.
        self.sent = 0
        self._unsent: deque[memoryview] = deque()
        self._received = bytearray()
        self.link.setblocking(False)
        self._poll = select.poll()
        try:
            self._answer(monotonic() + START_SECONDS)
        except OSError as error:
            self.process.kill()
            how = self._last_words() or str(error)
            self.end()
            raise NoParserError(
                _("The parser does not start: %(how)s"), how=how
            ) from error

    def _start(self, command: Sequence[str], theirs: socket.socket) -> None:
        try:
            self.said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by `end`
            self.process = subprocess.Popen(  # noqa: S603 -- our own command
                [*command, str(os.getpid()), str(self.limits.memory_bytes)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self.said,
                cwd="/",
                # No secret of ours is where hostile bytes are read.
                env={"PYTHONPATH": str(_ROOT)},
                start_new_session=True,
            )
        except OSError:
            self.link.close()
            raise

    def parse(self, jobs: Sequence[Job]) -> ParsedMail:
        """What it makes of the first; the others are sent ahead.

        Of the jobs of the calls before, all are there still but those it answered.
        Raises `ParserDiedError`, or `ParserRaisedError` with a traceback.
        """
        self._send(jobs[self.sent :])
        job = jobs[0]
        job.begun = monotonic()
        try:
            kind, data = self._answer(job.begun + job.seconds)
            self.sent -= 1
        except TimeoutError as error:
            raise self._died(
                Sentence(
                    _("It kept the parser busy for %(seconds)s s."),
                    seconds=job.seconds,
                )
            ) from error
        except OSError as error:
            raise self._died(self._cause(job)) from error
        if kind in wire.LAST.values():
            self.ended = True
        if kind in {wire.PARSED, wire.LAST[wire.PARSED]}:
            return self._understood(data)
        reason = clean_text(data.decode("utf-8", "replace"), _LONGEST_REASON)
        if kind in {wire.TOO_BIG, wire.LAST[wire.TOO_BIG]}:
            megabytes = self.limits.memory_bytes // 1024 // 1024
            cause = Sentence(
                _("It needed more than %(megabytes)d MiB of memory."),
                megabytes=megabytes,
            )
            raise ParserRaisedError(after(reason, cause))
        raise ParserRaisedError(reason)

    def _understood(self, data: bytes) -> ParsedMail:
        try:
            return wire.unpacked(data)
        except ValueError as error:
            self.ended = True  # it says what our parser never says
            reason = f"The parser's answer is no mail: {error}"
            raise ParserRaisedError(clean_text(reason, _LONGEST_REASON)) from error

    def end(self) -> None:
        self.ended = True
        self.process.kill()
        self.process.wait()
        self._close()

    # --- The conversation ----------------------------------------------------------

    def _send(self, jobs: Sequence[Job]) -> None:
        pieces: list[memoryview] = []
        for job in jobs:
            sizes = len(job.trusted), len(job.raw)
            head = wire.REQUEST.pack(job.cpu_seconds, *sizes) + job.trusted
            pieces += [memoryview(head), memoryview(job.raw)]
        self._unsent += pieces
        self.sent += len(jobs)

    def _answer(self, deadline: float) -> tuple[bytes, bytes]:
        """The next. Raises `OSError` when it hangs up, is late, or says too much."""
        while True:
            self._send_what_fits()
            if len(self._received) >= wire.ANSWER.size:
                kind, size = wire.ANSWER.unpack_from(self._received)
                if size > self.limits.answer_bytes:
                    raise OSError(f"an answer of {size} bytes")
                end = wire.ANSWER.size + size
                if len(self._received) >= end:
                    data = bytes(memoryview(self._received)[wire.ANSWER.size : end])
                    del self._received[:end]
                    return kind, data
            self._receive(deadline)

    def _send_what_fits(self) -> None:
        if not self._unsent:
            return
        try:
            count = self.link.sendmsg(islice(self._unsent, _PIECES))
        except BlockingIOError:
            return
        except OSError:  # it has ended; what it said last is there to be read
            self._unsent.clear()
            return
        while self._unsent and count >= len(self._unsent[0]):
            count -= len(self._unsent.popleft())
        if count:
            self._unsent[0] = self._unsent[0][count:]

    def _receive(self, deadline: float) -> None:
        """What has come; or return when there is room for what is not sent."""
        self._poll.register(
            self.link, select.POLLIN | (select.POLLOUT if self._unsent else 0)
        )
        ready = self._poll.poll(max(deadline - monotonic(), 0) * 1000)
        if not ready:
            raise TimeoutError
        if ready[0][1] & ~select.POLLOUT:
            data = self.link.recv(_RECEIVED_BYTES)
            if not data:
                raise ConnectionError("it hung up")
            self._received += data

    # --- The post-mortem -----------------------------------------------------------

    def _died(self, cause: str) -> ParserDiedError:
        self.ended = True
        if self.process.poll() is None:
            # It says where it was, and ends.
            self.process.send_signal(signal.SIGXCPU)
            self._wait()
        self.process.kill()
        where = self._last_words()
        return ParserDiedError(after(where, cause))

    def _cause(self, job: Job) -> str:
        self._wait()
        code = self.process.poll()
        if code == -signal.SIGXCPU:
            return Sentence(
                _("It needed more than %(seconds)d s of CPU time."),
                seconds=job.cpu_seconds,
            )
        if code is not None and code < 0:
            named = signal.strsignal(-code)
            return Sentence(
                _("The parser died with signal %(number)d (%(name)s)."),
                number=-code,
                name=named,
            )
        if code is not None:
            return Sentence(_("The parser ended with exit code %(code)d."), code=code)
        return Sentence(_("The parser said more than a mail can be."))

    def _wait(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_LAST_WORDS_SECONDS)

    def _last_words(self) -> str:
        """The end of what it wrote to stderr, where a crash leaves its traceback."""
        end = self.said.seek(0, os.SEEK_END)
        self.said.seek(max(end - _LONGEST_REASON // 4, 0))
        return clean_text(self.said.read().decode("utf-8", "replace")).strip()

    def _close(self) -> None:
        self.link.close()
        self.said.close()
