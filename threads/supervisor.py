"""Keeps a cluster at work: restarts one that died, lost a worker, or stands still.

A django-q2 cluster can die and look alive: a worker killed while it waited holds the
queue's lock for ever, a sentinel that is gone leaves a process that exits with 0. So
the cluster runs as a child, and its work is judged by what is in the database.
"""

import logging
import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from django.db import DatabaseError, InterfaceError, close_old_connections

from threads import smtp
from threads.heartbeat import Heart
from threads.tasks import SCHEDULES
from webhooks import bell, delivery, leases

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
START_SECONDS = 60
STOP_SECONDS = 30
# Something is due for so long and nobody has worked: it stands still.
STALL_SECONDS = 120
FAILED_STARTS = 5
_LONGEST_PAUSE = 30


def run(command: list[str], stop: threading.Event) -> str:
    """Until `stop`; `command` starts a cluster, given a folder and our pid.

    Returns why it gave up: empty when it was asked to stop.
    """
    failed = 0
    with _Heart() as heart:
        while not stop.is_set():
            with _Child(command) as child:
                reason = _watch(child, heart, stop)
            if not reason:
                break
            failed = 0 if child.started else failed + 1
            if failed >= FAILED_STARTS:
                return f"The cluster does not start: {reason}"
            log.error(
                "Cluster %d ends: %s Another one starts.", child.process.pid, reason
            )
            stop.wait(min(2.0**failed, _LONGEST_PAUSE) if failed else 0)
    return ""


def _watch(child: "_Child", heart: "_Heart", stop: threading.Event) -> str:
    """Why the cluster must be replaced; empty when it is to stop."""
    while not stop.wait(LOOK_SECONDS):
        if trouble := child.trouble():
            return trouble
        heart.beat()
        if child.age() > STALL_SECONDS and heart.stalled:
            return f"Work has been due for {STALL_SECONDS} s and nobody does it."
    return ""


class _Child:
    """One cluster process; leaving the block ends it, gently if it can."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.started = False
        self.born = monotonic()

    def __enter__(self) -> Self:
        self.folder = tempfile.TemporaryDirectory(prefix="mailbelly-worker-")
        # A session of its own: a signal to our group is ours to pass on.
        self.process = subprocess.Popen(  # noqa: S603 -- our own command
            [*self.command, self.folder.name, str(os.getpid())],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an unclean death it would wait for a lock that is never released.
        if not self._dead_workers():
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                log.warning("Cluster %d is killed.", self.process.pid)
        # Its children die with it; where the system can't do that, we do.
        self.process.kill()
        self.process.wait()
        for pid in self._workers():
            _kill(pid)
        self.folder.cleanup()

    def age(self) -> float:
        return monotonic() - self.born

    def trouble(self) -> str:
        code = self.process.poll()
        if code is not None:
            return f"It exited with {code}."
        if dead := self._dead_workers():
            return f"Its worker {dead[0]} was killed."
        if not self.started and self._workers():
            self.started = True
            log.info("Cluster %d is ready.", self.process.pid)
        if not self.started and self.age() > START_SECONDS:
            return f"No worker came up within {START_SECONDS} s."
        return ""

    def _workers(self) -> list[int]:
        return [int(file.name) for file in Path(self.folder.name).iterdir()]

    def _dead_workers(self) -> list[int]:
        # Asked before the look at the file: one that ends cleanly removes it first.
        gone = [pid for pid in self._workers() if not _alive(pid)]
        return [pid for pid in gone if (Path(self.folder.name) / str(pid)).exists()]


class _Heart:
    """What the database says of us, and we of ourselves; it may be away for a while."""

    def __init__(self) -> None:
        self.pulse = Heart("worker")
        self.stalled = False
        self._scheduled = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.pulse.stop()
        except (DatabaseError, InterfaceError):
            log.warning("The database is out of reach; the heartbeat stays.")

    def beat(self) -> None:
        if self.pulse.resting():
            return
        close_old_connections()
        try:
            self.pulse.beat()
            if not self._scheduled:
                bell.every_minute(SCHEDULES)
                leases.forget_old()
                self._scheduled = True
            self.stalled = not leases.worked_within(STALL_SECONDS) and (
                delivery.overdue(STALL_SECONDS) or smtp.overdue(STALL_SECONDS)
            )
        except (DatabaseError, InterfaceError) as error:
            self.stalled = False
            log.warning("The database is out of reach: %s", error)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
