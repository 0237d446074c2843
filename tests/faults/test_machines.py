"""Two machines, and nothing between them but a database at the end of a cable."""

from contextlib import ExitStack
from time import sleep

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from tests.faults.harness import LONG
from tests.faults.postgresql import Office, plugged
from tests.faults.test_worker import sends, unsent
from tests.processes import eventually, running
from tests.receivers import receiving
from webhooks import outbox, subscriptions
from webhooks.claims import LEASE_SECONDS
from webhooks.leases import in_seconds
from webhooks.models import Attempt, Delivery

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(240),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one machine"),
]
HOOKS, CAP, EVENTS = 40, 4, 20
# They notice in seconds that a line is dead, where production takes a minute.
BRIEF = (
    "connect_timeout=2&tcp_user_timeout=3000"
    "&keepalives_idle=1&keepalives_interval=1&keepalives_count=2"
)


@pytest.fixture
def office():
    with plugged(lambda: Office(2)) as office:
        yield office


def tell(*causes):
    with transaction.atomic():
        outbox.publish(
            [outbox.NewEvent(type="thread.updated", cause=cause) for cause in causes]
        )


def test_each_takes_its_share_and_one_whose_cable_is_pulled_keeps_nothing(
    office, environment, tmp_path, settings
):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["198.18.0.0/15"]
    there = {
        **environment,
        "DATABASE_URL": f"{office.url}?{BRIEF}",
        "WEBHOOK_ALLOWED_NETWORKS": "198.18.0.0/15",
    }
    logs = [tmp_path / name for name in ("one", "two")]
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving(delay=0.3, host=office.address))
        workers = [
            stack.enter_context(
                running(
                    there,
                    log.with_suffix(".log"),
                    "worker",
                    within=machine.within,
                    FAULT_STEP=f"log:{log}",
                )
            )
            for machine, log in zip(office.machines, logs, strict=True)
        ]
        for worker in workers:
            worker.says("is ready")
        for number in range(HOOKS):
            subscriptions.create(
                {
                    "url": f"{receiver.url}{number}",
                    "events": ["thread.updated"],
                    "max_in_flight": CAP,
                }
            )
        # More than one of them can have in hand, so that both are needed.
        for number in range(EVENTS):
            tell(f"a{number}")
        eventually(lambda: min(map(sends, logs)) > HOOKS)
        assert len(told(receiver)) == len(set(told(receiver)))

        office.machines[0].pull()
        alone = sends(logs[1])
        eventually(lambda: sends(logs[1]) > alone + HOOKS, 30)
        # What it had in hand stays so; the other's comes and goes.
        before = claims()
        sleep(2)
        held = {pk for pk, _token in before & claims()}
        assert 0 < len(held) <= HOOKS * CAP
        if not LONG:
            # Its leases run out; here we need not wait for that.
            past = in_seconds(-1)
            Delivery.objects.filter(pk__in=held).update(claimed_until=past)
        eventually(lambda: not unsent(), LEASE_SECONDS + 15)

        more = come_back(office, workers[0], logs[0]) if LONG else 0
        eventually(lambda: not unsent(), 40)
    assert len(set(told(receiver))) == HOOKS * (EVENTS + more)
    assert receiver.most_in_flight <= HOOKS * CAP + len(held)
    sums = Delivery.objects.aggregate(attempts=Sum("attempts"), lost=Sum("lost_leases"))
    # What it had sent when nobody heard of it any more was sent again, and no more.
    assert len(told(receiver)) - len(set(told(receiver))) <= sums["lost"] == len(held)
    assert sums["attempts"] == Attempt.objects.count() + sums["lost"]


def come_back(office, worker, log):
    """Events told until the machine that was gone sends again."""
    office.machines[0].put_back()
    worker.says("The database is out of reach", 20)
    again = sends(log)
    for number in range(1, 60):
        tell(f"b{number}")
        sleep(0.5)
        if sends(log) > again:
            return number
    pytest.fail(worker.output())


def claims():
    claimed = Delivery.objects.filter(state="claimed")
    return set(claimed.values_list("pk", "token"))


def told(receiver):
    return [(path, headers["webhook-id"]) for path, headers, _ in receiver.requests]
