"""Deliveries go out: claimed by lease, sent by threads, recorded in bulk.

Only the drain's main thread touches the database; the senders speak HTTP. A death
costs at most one extra send for each delivery in flight.
"""

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from time import monotonic, sleep
from uuid import uuid4

from django.conf import settings
from django.db import (
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    connection,
)
from django.utils import timezone

from webhooks import bell, claims, dialect, faults, pace, results, stopping
from webhooks.claims import (
    LEASE_SECONDS,
    Rooms,
    claim,
    claim_one,
    recover,
    work,
)
from webhooks.jobs import Job, Lane, Result, Targets, load
from webhooks.leases import Lease
from webhooks.models import Delivery
from webhooks.rules import policy
from webhooks.senders import Senders, send
from webhooks.transport import Outcome, Transport

log = logging.getLogger(__name__)

SENDERS = 32
# Claimed ahead, so that a sender never waits for the database.
IN_HAND = 96
# Webhooks that fail share a quarter as many. Those that are slow, or not known yet,
# have their own beside all others: a thread that waits costs next to nothing.
FAILING_SENDERS = SENDERS // 4
UNKNOWN_SENDERS = 256
# A webhook that takes longer is slow.
PROMPT_SECONDS = 1.0
FLUSH_SECONDS = 0.25
# Who has heard nothing for so long has time for the database.
LULL_SECONDS = 0.01
IDLE_SECONDS = 0.05
CLAIM_SECONDS = 0.1
# Whoever has his hands full calls other machines so often.
CALL_SECONDS = 1
RECOVER_SECONDS = 5
PACED_SECONDS = 1
# A drain stays for retries that are due within a minute, and while others have any in
# hand: it comes back within a minute should they die.
LINGER_SECONDS = 60
# How long results wait for a database that is out of reach.
PATIENCE_SECONDS = 30
# A transaction here takes milliseconds. Of a process that froze in one, its locks go.
FROZEN_SECONDS = 10
# The database is away, or has ended our session.
_AWAY = (OperationalError, InterfaceError, InternalError)


@dataclass(slots=True)
class Drained:
    sent: int = 0
    succeeded: int = 0


def drain(*, budget_seconds: float, lease: str = "") -> Drained:
    """Send what is due, until nothing is or the budget is spent.

    With the name of a `lease` there is one such drain at a time, which also stays for
    retries that are due soon; whoever comes second leaves, for the first one looks
    again after giving the lease back. When its budget is spent it rings for the next
    one before it waits for its last answers.
    """
    return _Drain(monotonic() + budget_seconds, Lease(lease) if lease else None).run()


def overdue(seconds: float) -> bool:
    """Whether something that can be sent has been due for so long."""
    return work(within=-seconds)


def waiting_since() -> datetime | None:
    """Since when the oldest delivery that could be sent has been due."""
    return claims.oldest_due()


def deliver_now(delivery: Delivery, *, wait_seconds: float = 20.0) -> Delivery:
    """Send this one in this thread, by the same lease and guard as all others.

    When a worker was faster, its attempt is waited for. Not to be called in a
    transaction. The delivery comes back as it is then.
    """
    until = monotonic() + wait_seconds
    token = uuid4()
    ends = monotonic() + LEASE_SECONDS
    if claim_one(delivery, token):
        transport = Transport(policy(), settings.WEBHOOK_PROXY)
        _record([send(job, transport) for job in load(token, ends, Targets())])
        transport.close()
    else:
        before = delivery.attempts
        while monotonic() < until:
            delivery.refresh_from_db()
            if delivery.attempts > before:
                break
            sleep(CLAIM_SECONDS)
    delivery.refresh_from_db()
    return delivery


class _Drain:
    def __init__(self, deadline: float, lease: Lease | None) -> None:
        self.deadline = deadline
        self.lease = lease
        self.senders = Senders()
        self.targets = Targets()
        self.done: list[Result] = []
        self.flushed_at = self.claimed_at = self.recovered_at = self.called_at = 0.0
        self.paced, self.paced_asked_at = False, 0.0
        self.leaving = False
        # What this drain has learnt: who answers at once, and who takes his time.
        self.prompt: set[int] = set()
        self.slow: set[int] = set()
        self.drained = Drained()

    def run(self) -> Drained:
        dialect.free_locks_after(FROZEN_SECONDS)
        if not self._hold():
            return self.drained
        try:
            while self._step():
                pass
        finally:
            self.senders.end()
        return self.drained

    def _step(self) -> bool:
        """One round; False when there is nothing left to do here."""
        try:
            return self._round()
        except _AWAY:
            # What was sent is kept in memory and written when the database is back.
            if monotonic() > self.deadline + PATIENCE_SECONDS:
                raise
            log.warning("The database is out of reach; results wait.", exc_info=True)
            connection.close()
            sleep(1)
            return True

    def _round(self) -> bool:
        if not self.leaving and (monotonic() >= self.deadline or stopping.asked()):
            self._leave()
        news = self._collect()
        flushed = self._flush(force=not news or self._hungry())
        if self.leaving:
            return bool(self.senders.flying or self.done)
        self._recover()
        if flushed or self._claim_is_due():
            self._start_more()
        if self.senders.flying:
            self._hold()
            return True
        return self._wait_for_more()

    # --- Claim and send -----------------------------------------------------------

    def _hungry(self) -> bool:
        """Time for the next chunk, while the senders still have work in hand."""
        return self._lanes()[Lane.PROMPT] <= SENDERS

    def _lanes(self) -> Counter[Lane]:
        """How many are on their way, by lane; who hangs changes to the slow one."""
        late = monotonic() - PROMPT_SECONDS
        for job in self.senders.flying.values():
            if job.lane == Lane.PROMPT and job.begun and job.begun < late:
                job.lane = Lane.UNKNOWN
                self.prompt.discard(job.webhook_pk)
        return Counter(job.lane for job in self.senders.flying.values())

    def _busy(self) -> set[int]:
        """Webhooks that may have no more at once; who is not known yet, one."""
        flying = self.senders.flying.values()
        most = {
            job.webhook_pk: job.target.max_in_flight
            if job.webhook_pk in self.prompt or job.webhook_pk in self.slow
            else 1
            for job in flying
        }
        counted = Counter(job.webhook_pk for job in flying)
        return {pk for pk, count in counted.items() if count >= most[pk]}

    def _claim_is_due(self) -> bool:
        return monotonic() - self.claimed_at >= CLAIM_SECONDS

    def _recover(self) -> None:
        if monotonic() - self.recovered_at >= RECOVER_SECONDS:
            recover()
            self.recovered_at = monotonic()

    def _is_paced(self) -> bool:
        """Whether any webhook has a pace of its own, as it was a second ago."""
        if monotonic() - self.paced_asked_at >= PACED_SECONDS:
            self.paced, self.paced_asked_at = pace.is_kept_by_any(), monotonic()
        return self.paced

    def _start_more(self) -> None:
        lanes = self._lanes()
        rooms = Rooms(
            room=max(IN_HAND - lanes[Lane.PROMPT], 0),
            unknown=max(UNKNOWN_SENDERS - lanes[Lane.UNKNOWN], 0),
            failing=max(FAILING_SENDERS - lanes[Lane.FAILING], 0),
            prompt=self.prompt,
            slow=self.slow,
            busy=self._busy(),
            paced=self._is_paced(),
        )
        self.claimed_at = monotonic()
        token = uuid4()
        claimed = claim(token, rooms)
        if not claimed.count:
            return
        if claimed.count >= rooms.room:
            self._call()
        faults.step("delivery.claimed")
        jobs = load(token, self.claimed_at + LEASE_SECONDS, self.targets)
        pace.place(jobs, claimed.slots, monotonic())
        for job in jobs:
            if job.lane == Lane.PROMPT and job.webhook_pk not in self.prompt:
                job.lane = Lane.UNKNOWN
            self.senders.start(job)

    def _call(self) -> None:
        """More is due than fits: a ring may find a cluster that does nothing."""
        if self.lease is not None and monotonic() - self.called_at >= CALL_SECONDS:
            self.called_at = monotonic()
            bell.ring()

    # --- Results ------------------------------------------------------------------

    def _collect(self) -> bool:
        """Take in what has ended; False when nothing did."""
        if not self.senders.flying:
            return False
        ended = self.senders.finished(LULL_SECONDS if self.done else IDLE_SECONDS)
        for result in ended:
            job = result.job
            self.prompt.discard(job.webhook_pk)
            self.slow.discard(job.webhook_pk)
            if result.outcome is not None and result.success:
                prompt = result.outcome.duration_ms < 1000 * PROMPT_SECONDS
                (self.prompt if prompt else self.slow).add(job.webhook_pk)
            if result.gone or result.throttled:
                self._hand_back(self.senders.call_back(job.webhook_pk))
        self.done += ended
        return bool(ended)

    def _hand_back(self, jobs: list[Job]) -> None:
        """Unsent, to be claimed again."""
        self.done += [Result(job, timezone.now(), None) for job in jobs]

    def _flush(self, *, force: bool) -> bool:
        late = monotonic() - self.flushed_at >= FLUSH_SECONDS
        if not self.done or not (force or late):
            return False
        faults.step("delivery.sent")
        _record(self.done)
        faults.step("delivery.flushed")
        sent = [result for result in self.done if result.outcome is not None]
        self.drained.sent += len(sent)
        self.drained.succeeded += sum(1 for result in sent if result.success)
        self.done = []
        self.flushed_at = monotonic()
        return True

    # --- Staying and leaving ------------------------------------------------------

    def _hold(self) -> bool:
        return self.lease is None or self.lease.hold()

    def _wait_for_more(self) -> bool:
        """Nothing is on its way: is anything due, or, with the lease, soon due?"""
        if work(within=LINGER_SECONDS if self.lease else 0):
            # What is due and was not claimed just now waits for somebody's cap.
            sleep(CLAIM_SECONDS)
            return self._hold()
        if self.lease is None:
            return False
        if _in_other_hands():
            sleep(CLAIM_SECONDS)
            return self._hold()
        # Whoever was sent away while we held the lease relies on this last look.
        self.lease.give_back()
        return work() and self._hold()

    def _leave(self) -> None:
        """Claim no more, hand back what has not begun, and let the next one begin."""
        self.leaving = True
        self._hand_back(self.senders.withdraw())
        if self.lease is not None:
            more = work(within=LINGER_SECONDS) or _in_other_hands()
            self.lease.give_back()
            if more:
                bell.ring()


def _in_other_hands() -> bool:
    """Claimed, but not by who asks and has none: by somebody who may be dead.

    Then it is due when his lease ends, and nobody rings for it.
    """
    claimed = "SELECT 1 FROM webhooks_delivery WHERE state = 'claimed' LIMIT 1"
    return bool(dialect.fetch(claimed))


def _record(done: list[Result]) -> None:
    """All at once, or, when one of them can't be written, one by one."""
    try:
        results.record(done)
    except _AWAY:
        raise
    except DatabaseError:
        log.exception("Results could not be written together")
        for result in done:
            _record_alone(result)


def _record_alone(result: Result) -> None:
    try:
        results.record([result])
    except _AWAY:
        raise
    except DatabaseError as error:
        log.exception("A result could not be written: %s", result.job.delivery_id)
        result.outcome = Outcome(error="internal_error", detail=type(error).__name__)
        results.record([result])
