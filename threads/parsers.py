"""Parsing in children: a mail that kills its parser kills nothing else.

Each child has one mail in hand. A thread feeds it, so that reading, parsing and
storing overlap; no thread touches the database. A first try among others is short;
whoever dies in it, or takes longer, may try again alone and at length.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import IO, Self

from threads.mail import wire
from threads.mail.limits import clean_text
from threads.mail.parsed import ParsedMail
from webhooks.wording import Sentence, SentenceError, after
from webhooks.wording import marked as _

# A child reads mail faster than it is stored: another is worth its start and its memory
# when more waits for each than a pass has ahead, or one mail holds up all so long.
WAITING_EACH = 100
HELD_UP_SECONDS = 0.5
START_SECONDS = 60
_LONGEST_REASON = 20_000
_LAST_WORDS_SECONDS = 2
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
    trusted: Sequence[str]
    cpu_seconds: int
    seconds: float
    done: "Future[ParsedMail]" = field(default_factory=Future)
    # When a parser took it in hand; 0 while it waits for one.
    begun: float = 0.0

    def late(self, seconds: float) -> bool:
        return bool(self.begun) and monotonic() - self.begun > seconds


class Parsers:
    """Starts children as there is work, keeps one warm, lets go of it when idle.

    Close it: a `with` statement does.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        most: int | None = None,
        idle_seconds: float = 60,
        command: Sequence[str] | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.most = most or os.cpu_count() or 1
        self.idle_seconds = idle_seconds
        self.command = command or COMMAND
        self._changed = threading.Condition()
        self._jobs: deque[Job] = deque()
        # What each feeder has in hand; None between two mails.
        self._feeders: dict[threading.Thread, Job | None] = {}
        self._children: set[_Child] = set()
        # How many feeders may stay when there is nothing to do.
        self._keep = self.most

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- For those who have mail ---------------------------------------------------

    def first(self, raw: bytes, trusted: Sequence[str]) -> Job:
        """Among others, and briefly."""
        limits = self.limits
        return self._submit(
            Job(raw, trusted, limits.first_cpu_seconds, limits.first_seconds)
        )

    def alone(self, raw: bytes, trusted: Sequence[str]) -> Job:
        """At length; the caller has charged the mail for it."""
        limits = self.limits
        return self._submit(Job(raw, trusted, limits.cpu_seconds, limits.seconds))

    def relieve(self) -> None:
        """Somebody waits: another child, if a mail holds up all there are."""
        with self._changed:
            held_up = all(
                job is not None and job.late(HELD_UP_SECONDS)
                for job in self._feeders.values()
            )
            if self._jobs and held_up:
                self._add_feeder()

    def rest(self) -> None:
        """No work for now: one child stays warm."""
        with self._changed:
            self._keep = 1
            self._changed.notify_all()

    def close(self) -> None:
        """End the children, whatever they have in hand."""
        with self._changed:
            self._keep = 0
            self._jobs.clear()
            feeders = list(self._feeders)
            for parser in self._children:
                parser.process.kill()
            self._changed.notify_all()
        for feeder in feeders:
            feeder.join()

    def _submit(self, job: Job) -> Job:
        with self._changed:
            self._keep = self.most
            self._jobs.append(job)
            if len(self._jobs) > WAITING_EACH * len(self._feeders):
                self._add_feeder()
            self._changed.notify()
        return job

    def _add_feeder(self) -> None:
        if len(self._feeders) < self.most:
            feeder = threading.Thread(target=self._feed, name="parser", daemon=True)
            self._feeders[feeder] = None
            feeder.start()

    # --- The feeders -----------------------------------------------------------------

    def _feed(self) -> None:
        """One child's life after another, all in the thread that starts them."""
        # They inherit this: a signal to the whole group is for us to act upon, and
        # the mail in hand is finished.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        parser: _Child | None = None
        while (job := self._next()) is not None:
            try:
                parser = parser or self._start()
                answer = parser.parse(job)
            except Exception as error:  # noqa: BLE001 -- for whoever waits for the mail
                job.done.set_exception(error)
            else:
                job.done.set_result(answer)
            if parser and parser.ended:
                self._end(parser)
                parser = None
        if parser:
            self._end(parser)

    def _next(self) -> Job | None:
        """The next mail; None when this feeder is to go."""
        until = monotonic() + self.idle_seconds
        me = threading.current_thread()
        with self._changed:
            self._feeders[me] = None
            while not self._jobs:
                idle = until - monotonic()
                if len(self._feeders) > self._keep or idle <= 0:
                    del self._feeders[me]
                    return None
                self._changed.wait(idle)
            job = self._feeders[me] = self._jobs.popleft()
            return job

    def _start(self) -> "_Child":
        parser = _Child(self.command, self.limits)
        with self._changed:
            self._children.add(parser)
        return parser

    def _end(self, parser: "_Child") -> None:
        with self._changed:
            self._children.discard(parser)
        parser.end()


class _Child:
    """One process, and the socket to it. Raises `NoParserError` if it can't start."""

    def __init__(self, command: Sequence[str], limits: Limits) -> None:
        self.limits = limits
        self.ended = False
        self.link, theirs = socket.socketpair()
        self.said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by `end`
        try:
            self.process = subprocess.Popen(  # noqa: S603 -- our own command
                [*command, str(os.getpid()), str(limits.memory_bytes)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self.said,
                cwd="/",
                # No secret of ours is where hostile bytes are read.
                env={"PYTHONPATH": str(_ROOT)},
                start_new_session=True,
            )
        except OSError as error:
            self._close()
            raise NoParserError(
                _("No parser can be started: %(error)s."), error=error
            ) from error
        finally:
            theirs.close()
        try:
            self._receive(monotonic() + START_SECONDS)
        except OSError as error:
            self.process.kill()
            how = self._last_words() or str(error)
            self.end()
            raise NoParserError(
                _("The parser does not start: %(how)s"), how=how
            ) from error

    def parse(self, job: Job) -> ParsedMail:
        """Raises `ParserDiedError`, or `ParserRaisedError` with a traceback."""
        job.begun = monotonic()
        raw, job.raw = job.raw, b""
        try:
            kind, data = self._asked(job, raw)
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

    def _asked(self, job: Job, raw: bytes) -> tuple[bytes, bytes]:
        ids = "\n".join(job.trusted).encode()
        self.link.settimeout(job.seconds)
        self.link.sendall(wire.REQUEST.pack(job.cpu_seconds, len(ids), len(raw)) + ids)
        self.link.sendall(raw)
        return self._receive(job.begun + job.seconds)

    def _receive(self, deadline: float) -> tuple[bytes, bytes]:
        """Raises `OSError` when it hangs up, is late, or says too much."""
        kind, size = wire.ANSWER.unpack(self._read(wire.ANSWER.size, deadline))
        if size > self.limits.answer_bytes:
            raise OSError(f"an answer of {size} bytes")
        return kind, bytes(self._read(size, deadline))

    def _read(self, size: int, deadline: float) -> bytearray:
        data = bytearray(size)
        view, position = memoryview(data), 0
        while position < size:
            self.link.settimeout(max(deadline - monotonic(), 0.001))
            count = self.link.recv_into(view[position:])
            if not count:
                raise ConnectionError("it hung up")
            position += count
        return data

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
