"""kill -9 at random moments while webhooks are told: each event arrives, and no more
is sent twice than was in flight.

Publishers, drains under one lease, a cron `deliver` and the minute's tasks work on one
database, and one after the other is killed and started again, or frozen for a while. A
short run here; `make faults` kills some hundreds on each database, a real worker's
processes among them. The seed is printed, and `FAULT_SEED` takes it.
"""

import os
import random
import signal
import sys
from collections import Counter
from contextlib import ExitStack, suppress
from time import monotonic, sleep
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F, Sum
from django.db.models.functions import Now

from tests.faults.harness import begun, healthy
from tests.processes import descendants, running
from tests.receivers import receiving
from webhooks import claims, delivery, outbox, subscriptions, tasks
from webhooks.leases import in_seconds
from webhooks.models import Attempt, Delivery, Event

LONG = "FAULT_KILLS" in os.environ
KILLS = int(os.environ.get("FAULT_KILLS", "8"))
RECOVERY_SECONDS = 150
CAP = 16
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(90 + 5 * KILLS + RECOVERY_SECONDS),
]
State = Delivery.State


def draining():
    _sign()
    while True:
        delivery.drain(budget_seconds=3, lease="drain:test")
        sleep(0.05)


def cron():
    _sign()
    while True:
        call_command("deliver", "--once")
        sleep(0.1)


def _sign():
    """What this process claims tells that it was this process."""
    delivery.uuid4 = lambda: UUID(int=os.getpid() << 64 | random.getrandbits(63))


def looking_after():
    while True:
        tasks.look_after()
        sleep(0.2)


def publishing():
    dice = random.Random(os.getpid())
    number = 0
    while True:
        with transaction.atomic():
            outbox.publish(
                [
                    outbox.NewEvent(
                        type="thread.updated",
                        cause=f"test:{os.getpid()}:{monotonic()}:{number + one}",
                        body_text="Hallo, é 🎉",
                    )
                    for one in range(dice.randint(1, 4))
                ]
            )
        number += 4
        sleep(dice.uniform(0.05, 0.2))


class Crew:
    """Processes that are killed, and started again."""

    def __init__(self, **works):
        self.works = works
        self.pids = {name: begun(work) for name, work in works.items()}
        self.frozen = {}
        self.struck = Counter()
        # How many deliveries were in flight in those who were struck, then.
        self.in_flight = 0
        self.known = set(self.pids.values())

    def kill(self, name):
        pid = self.pids[name]
        self._stop(pid)
        self.frozen.pop(name, None)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.pids[name] = begun(self.works[name])
        self.known.add(self.pids[name])
        self.struck["kills"] += 1

    def freeze(self, name, seconds):
        if name not in self.frozen:
            self._stop(self.pids[name])
            self.frozen[name] = monotonic() + seconds
            self.struck["freezes"] += 1

    def strike(self, pid):
        """Kill a process that is none of ours: of a worker, which sees to itself."""
        self._stop(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.struck["kills"] += 1

    def thaw(self, *, everybody=False):
        for name, until in list(self.frozen.items()):
            if everybody or until < monotonic():
                os.kill(self.pids[name], signal.SIGCONT)
                del self.frozen[name]

    def end(self):
        self.thaw(everybody=True)
        for pid in self.pids.values():
            self._stop(pid)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.pids = {}

    def _stop(self, pid):
        """So that nothing moves on between the count and the kill."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        # A commit that was asked for is done without whoever asked.
        sleep(0.02)
        claimed = Delivery.objects.filter(state=State.CLAIMED)
        holders = Counter(
            token.int >> 64 for token in claimed.values_list("token", flat=True)
        )
        if pid in self.known:
            self.in_flight += holders[pid]
        else:
            # One of a worker's: whatever none of the others holds.
            self.in_flight += sum(
                count for one, count in holders.items() if one not in self.known
            )


def test_each_event_arrives_and_only_what_was_in_flight_arrives_twice(
    settings, monkeypatch, environment, tmp_path
):
    seed = int(os.environ.get("FAULT_SEED", str(random.randrange(10**6))))
    dice = random.Random(seed)
    print(f"\nseed={seed}", file=sys.__stderr__)
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    # It outlasts a deadline of five seconds; so the dead are missed soon.
    for module in (claims, delivery):
        monkeypatch.setattr(module, "LEASE_SECONDS", 12)
    with ExitStack() as stack:
        receivers = [
            stack.enter_context(receiving(*answers, delay=delay))
            for answers, delay in [
                ([], 0.0),
                ([], 0.0),
                ([], 0.1),
                ([(500, {}, b"")] * 20 + [(204, {}, b"")], 0.0),
            ]
        ]
        hooks = [
            subscriptions.create(
                {
                    "url": receiver.url,
                    "events": ["thread.updated"],
                    "timeout": 5,
                    "max_in_flight": CAP,
                }
            )[0]
            for receiver in receivers
        ]
        crew = Crew(
            one=draining,
            two=draining,
            cron=cron,
            care=looking_after,
            teller=publishing,
            other=publishing,
        )
        stack.callback(crew.end)
        worker = None
        if LONG:
            log = tmp_path / "worker.log"
            worker = stack.enter_context(running(environment, log, "worker"))
        while crew.struck["kills"] < KILLS:
            sleep(dice.uniform(0.05, 0.4))
            crew.thaw()
            name = dice.choice(sorted(crew.works))
            below = descendants(worker.pid) if worker else []
            if below and dice.random() < 0.15:
                crew.strike(dice.choice(below))
            elif dice.random() < 0.15:
                crew.freeze(name, dice.uniform(0.1, 14.0 if LONG else 1.0))
            else:
                crew.kill(name)
        crew.thaw(everybody=True)
        for name in ("teller", "other"):
            os.kill(crew.pids[name], signal.SIGKILL)
        begin = monotonic()
        if not LONG:
            # The leases of the dead run out; a short run does not wait for that.
            crew.end()
            Delivery.objects.filter(state=State.CLAIMED).update(
                claimed_until=in_seconds(-1)
            )
        while not at_rest() and monotonic() - begin < RECOVERY_SECONDS:
            if not LONG:
                delivery.drain(budget_seconds=20)
            hurry()
            sleep(0.3)
        took = monotonic() - begin
        crew.end()
        check(crew, hooks, receivers, took, seed)
    healthy()


def hurry():
    """Whoever answered 500 is asked again after minutes. In nobody's way who claims."""
    pending = Delivery.objects.filter(state=State.PENDING)
    with transaction.atomic():
        free = list(pending.select_for_update(skip_locked=True).values_list("pk"))
        pending.filter(pk__in=[pk for (pk,) in free]).update(next_at=Now())


def at_rest():
    return not Delivery.objects.exclude(state=State.SUCCEEDED).exists()


def check(crew, hooks, receivers, took, seed):
    events = set(Event.objects.values_list("public_id", flat=True))
    heard = [
        Counter(headers["webhook-id"] for _path, headers, _body in receiver.requests)
        for receiver in receivers
    ]
    lost = sum(len(events - set(ids)) for ids in heard)
    sends = sum(ids.total() for ids in heard)
    attempts = Attempt.objects.count()
    sums = Delivery.objects.aggregate(a=Sum("attempts"), l=Sum("lost_leases"))
    extra = sends - attempts
    print(
        f"kills={crew.struck['kills']} freezes={crew.struck['freezes']}"
        f" events={len(events)} deliveries={Delivery.objects.count()} sends={sends}"
        f" lost={lost} extra={extra} lost_leases={sums['l']}"
        f" in_flight_at_kills={crew.in_flight} recovery={took:.0f}s"
        f" database={connection.vendor} seed={seed}",
        file=sys.__stderr__,
    )
    again = f"FAULT_SEED={seed}"
    assert lost == 0, again
    assert at_rest(), again
    # Every event has its delivery for each webhook, and none has two.
    assert Delivery.objects.count() == len(events) * len(hooks), again
    # What was sent and not recorded cost a lease, and there are no more of these than
    # were in flight when somebody was struck.
    assert 0 <= extra <= sums["l"] <= crew.in_flight, again
    # Attempts are never reset, and each is a row or a lost lease.
    assert sums["a"] == attempts + sums["l"], again
    for ids, hook in zip(heard, hooks, strict=True):
        mine = Delivery.objects.filter(webhook=hook)
        counted = dict(mine.values_list("event__public_id", F("attempts")))
        assert all(ids[event] <= counted[event] for event in events), again
    assert all(receiver.most_in_flight <= CAP for receiver in receivers), again
