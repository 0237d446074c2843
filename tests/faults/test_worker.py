"""The worker survives whatever is killed in it, and leaves nothing behind."""

import os
import signal
from contextlib import ExitStack
from time import monotonic

import pytest
from django.db import connection, transaction
from django.db.models import F
from django_q.models import OrmQ

from tests.mails import Maildir, mail
from tests.mailservers import smtp_server
from tests.processes import alive, command, descendants, eventually, running
from tests.receivers import receiving
from threads.actors import SYSTEM
from threads.models import Mailbox, Message, Source, Thread
from threads.outbound import Reply, reply
from webhooks import bell, outbox, subscriptions
from webhooks.leases import in_seconds
from webhooks.models import Attempt, Delivery, DrainLease, Heartbeat

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def worker(environment, tmp_path):
    with running(environment, tmp_path / "worker.log", "worker") as process:
        process.says("is ready")
        yield process


def listen(url, **values):
    values.setdefault("events", ["message.received"])
    return subscriptions.create({"url": url, **values})[0]


def tell(*causes):
    with transaction.atomic():
        outbox.publish(
            [outbox.NewEvent(type="message.received", cause=cause) for cause in causes]
        )


def family(worker):
    """(cluster, sentinel, the sentinel's children) by their pids."""
    cluster = descendants(worker.pid)[0]
    sentinel = descendants(cluster)[0]
    return cluster, sentinel, descendants(sentinel)


def test_it_delivers_and_stops_leaving_nothing(worker):
    everybody = descendants(worker.pid)
    # While another machine has a later version already.
    bell.ring("webhooks.tasks.of_a_later_version")
    with receiving() as receiver:
        listen(receiver.url)
        tell("a")
        receiver.wait_for(1)
    eventually(lambda: not OrmQ.objects.exists())
    assert Heartbeat.objects.get().kind == "worker"
    assert worker.end() == 0, worker.output()
    assert not [pid for pid in everybody if alive(pid)]
    assert Heartbeat.objects.count() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_its_whole_group_stops_it_too(worker, number):
    everybody = descendants(worker.pid)
    os.killpg(worker.pid, number)
    assert worker.process.wait(5) == 0, worker.output()
    assert not [pid for pid in everybody if alive(pid)]


@pytest.mark.parametrize("victim", ["idle workers", "pusher", "sentinel", "cluster"])
def test_whoever_is_killed_the_next_event_arrives(worker, victim):
    cluster, sentinel, children = family(worker)
    victims = {
        "idle workers": children[:2],
        "pusher": children[-1:],
        "sentinel": [sentinel],
        "cluster": [cluster],
    }[victim]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    if victim != "pusher":
        eventually(lambda: worker.output().count("is ready") == 2)
        assert not [p for p in (cluster, sentinel, *children) if alive(p)]
    with receiving() as receiver:
        listen(receiver.url)
        tell("a")
        receiver.wait_for(1, seconds=30)
    assert worker.process.poll() is None


def test_a_killed_supervisor_takes_everybody_along(worker):
    everybody = descendants(worker.pid)
    assert len(everybody) >= 6
    os.kill(worker.pid, signal.SIGKILL)
    eventually(lambda: not [pid for pid in everybody if alive(pid)], 5)


def test_workers_killed_while_they_send_cost_one_extra_send_at_most(worker):
    with receiving(delay=1.0) as receiver:
        listen(receiver.url, max_in_flight=16)
        tell(*map(str, range(40)))
        eventually(lambda: receiver.in_flight == 16)
        for pid in family(worker)[2]:
            os.kill(pid, signal.SIGKILL)
        # The leases of the dead run out; here we need not wait for that.
        eventually(lambda: worker.output().count("is ready") == 2)
        Delivery.objects.filter(state="claimed").update(claimed_until=in_seconds(-1))
        tell("wake")
        eventually(lambda: Delivery.objects.filter(state="succeeded").count() == 41, 40)
        ids = [headers["webhook-id"] for _, headers, _ in receiver.requests]
    assert len(set(ids)) == 41
    assert len(ids) <= 41 + 16
    sums = Delivery.objects.annotate(sent=F("attempts") - F("lost_leases"))
    assert sum(sums.values_list("sent", flat=True)) == Attempt.objects.count()


def test_a_queue_that_is_wiped_costs_a_sweep_and_nothing_else(environment):
    with receiving() as receiver:
        listen(receiver.url)
        tell(*map(str, range(200)))
        OrmQ.objects.all().delete()
        assert command(environment, "deliver", "--once").returncode == 0
        assert len(receiver.requests) == 200


def test_a_secret_key_that_changes_loses_rings_and_no_delivery(environment):
    """The queue's tasks are signed with it; rows are not."""
    with receiving() as receiver:
        listen(receiver.url)
        tell("a", "b")
        assert OrmQ.objects.exists()
        changed = {**environment, "SECRET_KEY": "another" * 10}
        assert command(changed, "deliver", "--once").returncode == 0
        assert len(receiver.requests) == 2


def test_sigterm_finishes_what_was_begun_and_begins_nothing(environment, tmp_path):
    with receiving(delay=1.5) as receiver:
        listen(receiver.url, max_in_flight=1)
        for number in range(15):
            listen(f"{receiver.url}{number}", max_in_flight=1)
        tell(*map(str, range(5)))
        with running(environment, tmp_path / "log", "deliver", "--once") as process:
            eventually(lambda: receiver.in_flight == 16)
            begun = monotonic()
            assert process.end(seconds=20) == 0, process.output()
            assert monotonic() - begun < 10
        assert len(receiver.requests) == 16
    rows = Delivery.objects.exclude(state="succeeded")
    assert rows.count() == 64
    assert set(rows.values_list("state", "token")) == {("pending", None)}


def test_with_a_hundred_hanging_receivers_a_reply_is_sent_within_five_seconds(
    worker, tmp_path, environment
):
    folder = Maildir(tmp_path / "Maildir")
    mailbox = Mailbox.objects.create(address="support@shop.nl", name="Support")
    Source.objects.create(mailbox=mailbox, kind="maildir", location=str(folder.path))
    with ExitStack() as stack:
        hanging = stack.enter_context(receiving(delay=12))
        sink = stack.enter_context(smtp_server())
        mailbox.smtp = {"host": "127.0.0.1", "port": sink.port, "tls": "none"}
        mailbox.save()
        for number in range(100):
            listen(f"{hanging.url}{number}")
        for number in range(5):
            folder.deliver(mail(message_id=f"<{number}@x>", text=f"{number}\n"))
        assert command(environment, "ingest").returncode == 0
        eventually(lambda: hanging.in_flight >= 32)
        begun = monotonic()
        reply(Thread.objects.first().pk, Reply(body="Dank"), actor=SYSTEM)
        eventually(lambda: sink.mails)
        took = monotonic() - begun
        assert DrainLease.objects.filter(name__startswith="drain").count() == 1
    assert took < 5
    eventually(lambda: Message.objects.filter(status="sent").exists())


def test_a_healthy_receiver_is_told_while_a_hundred_hang(worker):
    with receiving(delay=12) as hanging, receiving() as healthy:
        for number in range(100):
            listen(f"{hanging.url}{number}")
        tell(*map(str, range(20)))
        eventually(lambda: hanging.in_flight >= 100)
        listen(healthy.url)
        begun = monotonic()
        tell("healthy")
        healthy.wait_for(1)
        assert monotonic() - begun < 3


# --- Two machines ----------------------------------------------------------------


@pytest.fixture
def machines(environment, tmp_path):
    """Two workers in process groups of their own, which share the database alone.

    Each writes down what it sends.
    """
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                running(
                    environment,
                    tmp_path / f"{name}.log",
                    "worker",
                    FAULT_STEP=f"log:{tmp_path / name}",
                )
            )
            for name in ("one", "two")
        ]
        for worker in workers:
            worker.says("is ready")
        yield [
            (worker, tmp_path / name)
            for worker, name in zip(workers, ("one", "two"), strict=True)
        ]


def sends(file):
    steps = file.read_text().split() if file.exists() else []
    return steps.count("delivery.sending")


def signal_all(worker, number):
    for pid in [worker.pid, *descendants(worker.pid)]:
        os.kill(pid, number)


def test_two_machines_share_the_load_and_one_that_freezes_keeps_nobody(machines):
    (one, one_sent), (_two, two_sent) = machines
    hooks, cap, events = 40, 4, 40
    with receiving(delay=0.3) as receiver:
        for number in range(hooks):
            listen(f"{receiver.url}{number}", max_in_flight=cap)
        # More than one of them can have in hand, so that both are needed.
        for number in range(events):
            tell(f"a{number}")
        receiver.wait_for(hooks * 10)
        eventually(lambda: min(sends(one_sent), sends(two_sent)) > 0)
        # SQLite has one lock, and one machine: who freezes with it stops everybody.
        if connection.vendor == "postgresql":
            signal_all(one, signal.SIGSTOP)
            before = sends(two_sent)
            eventually(lambda: sends(two_sent) > before + 40)
            # What the frozen one holds comes back with its leases, within a minute.
            held = Delivery.objects.filter(state="claimed")
            held.update(claimed_until=in_seconds(-1))
            eventually(lambda: not unsent(), 40)
            signal_all(one, signal.SIGCONT)
        tell("b")
        eventually(lambda: not unsent(), 40)
        told = [(path, headers["webhook-id"]) for path, headers, _ in receiver.requests]
        assert receiver.most_in_flight <= hooks * cap
    assert min(sends(one_sent), sends(two_sent)) > hooks * 2
    assert len(set(told)) == hooks * (events + 1)
    lost = sum(Delivery.objects.values_list("lost_leases", flat=True))
    assert len(told) - len(set(told)) <= lost <= hooks * cap
    attempts = sum(Delivery.objects.values_list("attempts", flat=True))
    assert attempts == Attempt.objects.count() + lost


def unsent():
    return list(Delivery.objects.exclude(state="succeeded").values_list("pk"))
