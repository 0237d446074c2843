"""Deliveries go out: claimed by lease, sent by threads, recorded in bulk.

Only the drain's main thread touches the database; the senders speak HTTP. A death
costs at most one extra send for each delivery in flight.
"""

import threading
from collections import defaultdict
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from time import monotonic, sleep, time
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from webhooks import faults, results, signing
from webhooks.claims import LEASE_SECONDS, claim, due, recover
from webhooks.leases import in_seconds
from webhooks.models import Delivery, DrainLease, Secret, Webhook
from webhooks.results import Job, Result
from webhooks.subscriptions import policy
from webhooks.transport import Transport

SENDERS = 32
# Claimed ahead, so that a sender never waits for the database.
IN_HAND = 96
# Unhealthy webhooks together may use a quarter of the senders.
UNHEALTHY_SENDERS = SENDERS // 4
# A send starts only if the lease outlasts its hard deadline by this much.
LEASE_MARGIN = 5
FLUSH_SECONDS = 0.25
CLAIM_SECONDS = 0.1
# A drain stays for retries that are due within a minute.
LINGER_SECONDS = 60
DRAIN_LEASE_SECONDS = 10
USER_AGENT = f"MailBelly/{settings.VERSION}"

State = Delivery.State


@dataclass(slots=True)
class Drained:
    sent: int = 0
    succeeded: int = 0
    # The budget was spent before the work was done.
    left_over: bool = False


def drain(*, budget_seconds: float, lease: str = "") -> Drained:
    """Send what is due, until nothing is or the budget is spent.

    With the name of a `lease` there is one such drain at a time, which also stays for
    retries that are due soon; whoever comes second leaves, for the first one looks
    again after giving the lease back.
    """
    return _Drain(monotonic() + budget_seconds, lease).run()


class _Drain:
    def __init__(self, deadline: float, lease: str) -> None:
        self.deadline = deadline
        self.lease = lease
        self.token = uuid4()
        self.flying: dict[Future[Result], Job] = {}
        self.done: list[Result] = []
        self.flushed_at = self.claimed_at = self.held_at = 0.0
        self.drained = Drained()
        self.secrets: dict[int, list[str]] = {}
        self.local = threading.local()
        self.policy = policy()

    def run(self) -> Drained:
        if not self._hold():
            return self.drained
        recover()
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="sender") as self.pool:
            while True:
                over = monotonic() >= self.deadline
                news = self._collect()
                self._flush(force=not self.flying or self._hungry())
                if not over and (news or self._claim_is_due()):
                    self._start_more()
                if self.flying:
                    self._hold()
                elif over or not self._wait_for_more():
                    break
        self.drained.left_over = over and self._work(within=LINGER_SECONDS)
        self._give_back()
        return self.drained

    # --- Claim and send -----------------------------------------------------------

    def _hungry(self) -> bool:
        """Time for the next chunk, while the senders still have work in hand."""
        return len(self.flying) <= SENDERS

    def _claim_is_due(self) -> bool:
        return monotonic() - self.claimed_at >= CLAIM_SECONDS

    def _start_more(self) -> None:
        if not self._hungry():
            return
        unhealthy = sum(1 for job in self.flying.values() if job.unhealthy)
        self.claimed_at = monotonic()
        token = uuid4()
        claimed = claim(
            token,
            room=IN_HAND - len(self.flying),
            unhealthy_room=max(UNHEALTHY_SENDERS - unhealthy, 0),
        )
        if not claimed:
            return
        faults.step("delivery.claimed")
        for job in self._load(token, self.claimed_at + LEASE_SECONDS):
            self.flying[self.pool.submit(self._send, job)] = job

    def _load(self, token: UUID, lease_ends: float) -> list[Job]:
        deliveries = Delivery.objects.filter(
            token=token, state=State.CLAIMED
        ).select_related("webhook", "event", "body")
        jobs = [Job.of(delivery, lease_ends) for delivery in deliveries]
        wanted = {job.webhook_pk for job in jobs} - set(self.secrets)
        if wanted:
            grouped = defaultdict(list)
            for secret in Secret.objects.live().filter(webhook__in=wanted):
                grouped[secret.webhook_id].append(secret.value)
            self.secrets |= {pk: grouped[pk] for pk in wanted}
        for job in jobs:
            job.secrets = self.secrets[job.webhook_pk]
        return jobs

    def _send(self, job: Job) -> Result:
        """In a sender thread: HTTP only."""
        started_at = timezone.now()
        if job.lease_ends - monotonic() < job.timeout + LEASE_MARGIN:
            return Result(job, started_at, None)
        if not hasattr(self.local, "transport"):
            self.local.transport = Transport(self.policy, settings.WEBHOOK_PROXY)
        moment = int(time())
        headers = {
            **job.headers,
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "webhook-id": job.event_id,
            "webhook-timestamp": str(moment),
            "webhook-signature": signing.standard(
                job.secrets, job.event_id, moment, job.body
            ),
            "X-MailBelly-Event": job.event_type,
            "X-MailBelly-Delivery": job.delivery_id,
            "X-MailBelly-Attempt": str(job.number),
            "X-MailBelly-Signature-256": signing.simple(job.secrets, job.body),
        }
        outcome = self.local.transport.post(
            job.url, job.body, headers, timeout=job.timeout, auth=job.auth
        )
        return Result(job, started_at, outcome)

    # --- Results ------------------------------------------------------------------

    def _collect(self) -> bool:
        """Take in what has ended; False when nothing did."""
        if not self.flying:
            return True
        ready, _ = wait(self.flying, timeout=0.05, return_when=FIRST_COMPLETED)
        for future in ready:
            del self.flying[future]
            self.done.append(future.result())
        return bool(ready)

    def _flush(self, *, force: bool) -> None:
        late = monotonic() - self.flushed_at >= FLUSH_SECONDS
        if not self.done or not (force or late):
            return
        faults.step("delivery.sent")
        results.record(self.done)
        faults.step("delivery.flushed")
        self.drained.sent += len(self.done)
        self.drained.succeeded += sum(1 for result in self.done if result.success)
        self.done = []
        self.flushed_at = monotonic()

    # --- Staying ------------------------------------------------------------------

    def _wait_for_more(self) -> bool:
        """Nothing is on its way: is anything due, or, with the lease, soon due?"""
        if not self.lease:
            return self._work(within=0)
        self.secrets = {}  # they may have been rotated meanwhile
        if self._work(within=LINGER_SECONDS):
            sleep(CLAIM_SECONDS)
            recover()
            return self._hold()
        # Whoever was sent away while we held the lease relies on this last look.
        self._give_back()
        return self._work(within=0) and self._hold()

    def _work(self, *, within: float) -> bool:
        return Delivery.objects.filter(
            Q(webhook__breaker_until=None)
            | Q(webhook__breaker_until__lte=in_seconds(within)),
            state=State.PENDING,
            next_at__lte=in_seconds(within),
            webhook__state=Webhook.State.ACTIVE,
            webhook__deleted_at=None,
        ).exists()

    def _hold(self) -> bool:
        """Take or keep the lease. True without one."""
        if not self.lease or monotonic() - self.held_at < DRAIN_LEASE_SECONDS / 3:
            return True
        DrainLease.objects.bulk_create(
            [DrainLease(name=self.lease)], ignore_conflicts=True
        )
        free = Q(token=self.token) | Q(token=None) | Q(until__lt=Now())
        held = DrainLease.objects.filter(free, name=self.lease).update(
            token=self.token, until=in_seconds(DRAIN_LEASE_SECONDS)
        )
        self.held_at = monotonic() if held else 0.0
        return bool(held)

    def _give_back(self) -> None:
        if self.lease:
            self.held_at = 0.0
            DrainLease.objects.filter(name=self.lease, token=self.token).update(
                token=None
            )


def oldest_due() -> datetime | None:
    """For doctor and health: since when the oldest due delivery has been waiting."""
    return (
        Delivery.objects.filter(due(), webhook__state=Webhook.State.ACTIVE)
        .order_by("next_at")
        .values_list("next_at", flat=True)
        .first()
    )
