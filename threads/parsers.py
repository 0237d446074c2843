"""Parsing in children: a mail that kills its parser kills nothing else.

A child reads one mail at a time; a thread feeds it, so that reading, parsing and
storing overlap; no thread touches the database. A first try among others is short;
whoever dies in it, or takes longer, may try again alone and at length.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from math import ceil
from time import monotonic
from types import TracebackType
from typing import Self

from threads.parser import COMMAND, Child, Job, Limits, ParserRaisedError

# A child reads mail faster than it is stored: another is worth its start and its memory
# when more waits for each than a pass has ahead, or one mail holds up all so long.
WAITING_EACH = 100
HELD_UP_SECONDS = 0.5
# So many mails a child has, the one in hand among them.
_IN_HAND = 16


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
        # What each feeder's child has, the first in hand.
        self._feeders: dict[threading.Thread, deque[Job]] = {}
        self._children: set[Child] = set()
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
            raw, trusted, limits.first_cpu_seconds, limits.first_seconds
        )

    def alone(self, raw: bytes, trusted: Sequence[str]) -> Job:
        """At length; the caller has charged the mail for it."""
        limits = self.limits
        return self._submit(raw, trusted, limits.cpu_seconds, limits.seconds)

    def warm(self) -> None:
        """Mail is coming: a child starts, unless somebody feeds one already."""
        if not self._feeders:
            with self._changed:
                self._keep = self.most
                self._add_feeder()

    def relieve(self) -> None:
        """Somebody waits: what is behind a mail that takes long goes to another child.

        To a new one if all are held up.
        """
        with self._changed:
            hands = self._feeders.values()
            held_up = [h for h in hands if h and h[0].late(HELD_UP_SECONDS)]
            if len(held_up) == len(hands) >= self.most:
                return  # there is nobody to go to
            for hand in held_up:
                while len(hand) > 1:
                    self._jobs.appendleft(hand.pop())
            if self._jobs:
                if len(held_up) == len(hands):
                    self._add_feeder()
                self._changed.notify_all()

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
            for hand in self._feeders.values():
                hand.clear()
            for parser in self._children:
                parser.process.kill()
            self._changed.notify_all()
        for feeder in feeders:
            feeder.join()

    def _submit(
        self, raw: bytes, trusted: Sequence[str], cpu_seconds: int, seconds: float
    ) -> Job:
        job = Job(raw, "\n".join(trusted).encode(), cpu_seconds, seconds)
        with self._changed:
            self._keep = self.most
            self._jobs.append(job)
            if len(self._jobs) > WAITING_EACH * len(self._feeders):
                self._add_feeder()
            self._changed.notify()
        return job

    def _add_feeder(self) -> None:
        if len(self._feeders) < self.most:
            hand: deque[Job] = deque()
            feeder = threading.Thread(
                target=self._feed, args=(hand,), name="parser", daemon=True
            )
            feeder.start()
            self._feeders[feeder] = hand

    # --- The feeders -----------------------------------------------------------------

    def _feed(self, hand: deque[Job]) -> None:
        """One child's life after another, all in the thread that starts them."""
        # They inherit this: a signal to the whole group is for us to act upon, and
        # the mail in hand is finished.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        parser: Child | None = None
        with suppress(Exception):  # it is tried again, and whose mail comes is told
            parser = self._start()
        while jobs := self._next(hand):
            job = jobs[0]
            try:
                parser = parser or self._start()
                answer = parser.parse(jobs)
            except Exception as error:  # noqa: BLE001 -- for whoever waits for the mail
                if parser and not isinstance(error, ParserRaisedError):
                    parser.ended = True  # nobody knows what it was sent, and answers
                self._drop(hand, job)
                job.done.set_exception(error)
            else:
                self._drop(hand, job)
                job.done.set_result(answer)
            # It may have more than is in hand: what was behind went to another.
            if parser and (parser.ended or parser.sent > len(hand)):
                self._end(parser)
                parser = None
        if parser:
            self._end(parser)

    def _next(self, hand: deque[Job]) -> list[Job]:
        """What the child is to have, more if it runs low; empty to end it and go."""
        until = monotonic() + self.idle_seconds
        with self._changed:
            while not (hand or self._jobs):
                idle = until - monotonic()
                if len(self._feeders) > self._keep or idle <= 0:
                    del self._feeders[threading.current_thread()]
                    return []
                self._changed.wait(idle)
            if len(hand) <= _IN_HAND // 2:
                share = ceil(len(self._jobs) / len(self._feeders))
                for _ in range(min(share, _IN_HAND - len(hand))):
                    hand.append(self._jobs.popleft())
            return list(hand)

    def _drop(self, hand: deque[Job], job: Job) -> None:
        """It is answered, or ended its parser; unless all was dropped meanwhile."""
        job.raw = b""
        with self._changed:
            if hand:
                hand.popleft()

    def _start(self) -> Child:
        parser = Child(self.command, self.limits)
        with self._changed:
            self._children.add(parser)
        return parser

    def _end(self, parser: Child) -> None:
        with self._changed:
            self._children.discard(parser)
        parser.end()
