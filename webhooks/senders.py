"""Threads that send. They speak HTTP only; whoever hands them jobs has the database."""

import logging
import threading
from heapq import heapify, heappop, heappush
from queue import Empty, SimpleQueue
from time import monotonic, time

from django.conf import settings
from django.utils import timezone

from webhooks import faults, signing
from webhooks.jobs import Job, Result
from webhooks.rules import policy
from webhooks.transport import Outcome, Transport

log = logging.getLogger(__name__)

# A send starts only if the lease outlasts its hard deadline by this much.
LEASE_MARGIN = 5
_USER_AGENT = f"MailBelly/{settings.VERSION}"


class Senders:
    """As many as there are jobs in flight, and never fewer again until the end."""

    def __init__(self) -> None:
        self.transport = Transport(policy(), settings.WEBHOOK_PROXY)
        self.flying: dict[int, Job] = {}
        self._todo: SimpleQueue[Job | None] = SimpleQueue()
        # What waits for its slot, the next one first.
        self._later: list[tuple[float, int, Job]] = []
        self._done: SimpleQueue[Result] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self, job: Job) -> None:
        """At once, or when its slot begins and somebody waits in `finished`."""
        self.flying[id(job)] = job
        if job.not_before > monotonic():
            heappush(self._later, (job.not_before, id(job), job))
        else:
            self._give(job)

    def _give(self, job: Job) -> None:
        if len(self._threads) < len(self.flying) - len(self._later):
            thread = threading.Thread(target=self._work, name="sender", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._todo.put(job)

    def finished(self, seconds: float) -> list[Result]:
        """What has ended, all of it; waits so long for the first, or for a slot."""
        found: list[Result] = []
        if self._later:
            seconds = min(max(self._later[0][0] - monotonic(), 0), seconds)
        try:
            found.append(self._done.get(timeout=seconds))
            while True:
                found.append(self._done.get_nowait())
        except Empty:
            pass
        for result in found:
            del self.flying[id(result.job)]
        while self._later and self._later[0][0] <= monotonic():
            self._give(heappop(self._later)[-1])
        return found

    def call_back(self, webhook_pk: int) -> list[Job]:
        """What waits for its slot at a receiver that wants no more just now."""
        found = [job for *_slot, job in self._later if job.webhook_pk == webhook_pk]
        if found:
            self._later = [one for one in self._later if one[-1] not in found]
            heapify(self._later)
        for job in found:
            del self.flying[id(job)]
        return found

    def withdraw(self) -> list[Job]:
        """Take back what nobody has begun."""
        found = [job for *_slot, job in self._later]
        self._later.clear()
        try:
            while job := self._todo.get_nowait():
                found.append(job)
        except Empty:
            pass
        for job in found:
            del self.flying[id(job)]
        return found

    def end(self) -> None:
        """When what they have begun has ended."""
        self.withdraw()
        for _thread in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()
        self.transport.close()

    def _work(self) -> None:
        while job := self._todo.get():
            self._done.put(send(job, self.transport))


def send(job: Job, transport: Transport) -> Result:
    """HTTP only, and no exception, whatever happens."""
    started_at = timezone.now()
    job.begun = monotonic()
    if job.target.trouble:
        outcome = Outcome(error="invalid_settings", detail=job.target.trouble)
        return Result(job, started_at, outcome)
    is_short = job.lease_ends - job.begun < job.target.timeout + LEASE_MARGIN
    if is_short or job.begun > job.not_after:
        return Result(job, started_at, None)
    try:
        faults.step("delivery.sending")
        return Result(job, started_at, _post(job, transport))
    except Exception as error:
        # One webhook's trouble, and of a kind nobody thought of, is its own.
        log.exception("A delivery could not be sent: %s", job.delivery_id)
        outcome = Outcome(error="internal_error", detail=type(error).__name__)
        return Result(job, started_at, outcome)


def _post(job: Job, transport: Transport) -> Outcome:
    target = job.target
    moment = int(time())
    headers = {
        **target.headers,
        "content-type": "application/json",
        "user-agent": _USER_AGENT,
        "webhook-id": job.event_id,
        "webhook-timestamp": str(moment),
        "webhook-signature": signing.standard(
            target.secrets, job.event_id, moment, job.body
        ),
        "X-MailBelly-Event": job.event_type,
        "X-MailBelly-Delivery": job.delivery_id,
        "X-MailBelly-Attempt": str(job.number),
        "X-MailBelly-Signature-256": signing.simple(target.secrets, job.body),
    }
    return transport.post(
        target.url, job.body, headers, timeout=target.timeout, auth=target.auth
    )
