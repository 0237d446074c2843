"""What we ask of django-q2, and what we do not: it wakes people, and no more."""

import os

import pytest
from django.conf import settings as project
from django.db import connection, transaction
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

from tests.faults.harness import begun
from tests.processes import descendants, running
from tests.receivers import receiving
from threads.tasks import SCHEDULES
from webhooks import bell, checks, outbox, subscriptions, tasks
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


def tell(count):
    with transaction.atomic():
        outbox.publish(
            [
                outbox.NewEvent(type="message.received", cause=f"test:{number}")
                for number in range(count)
            ]
        )


def test_no_task_is_given_to_two_for_being_slow(settings):
    assert checks.queue(None) == []
    ours = project.Q_CLUSTER
    assert (ours["orm"], ours["save_limit"], ours["max_attempts"]) == ("default", -1, 1)
    # It waits from when it was fetched; and the sweep has to fit twice.
    settings.Q_CLUSTER = {**ours, "retry": ours["timeout"]}
    assert [found.id for found in checks.queue(None)] == ["webhooks.W001"]


def test_two_clusters_that_sweep_at_once_call_one_drain():
    """The queue was wiped; the minute's sweep alone finds what is due."""
    with receiving() as receiver:
        subscriptions.create({"url": receiver.url, "events": ["message.received"]})
        tell(100)
        bell.every_minute(SCHEDULES)
        OrmQ.objects.all().delete()
        both = [begun(scheduler) for _ in range(2)]
        assert [os.waitpid(pid, 0)[1] for pid in both] == [0, 0]
        called = [row.task["func"] for row in OrmQ.objects.all()]
        assert sorted(called) == sorted(SCHEDULES.values())
        assert Schedule.objects.count() == len(SCHEDULES)
        tasks.drain()
        assert len(receiver.requests) == 100
    assert not Delivery.objects.exclude(state="succeeded").exists()


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has no connections to count"
)
def test_workers_that_are_replaced_leave_no_connection_behind(environment, tmp_path):
    often = {**environment, "DJANGO_SETTINGS_MODULE": "tests.recycling"}
    with (
        receiving() as receiver,
        running(often, tmp_path / "log", "worker") as worker,
    ):
        worker.says("is ready")
        for _ in range(24):
            bell.ring("threads.tasks.wake")
        most, met = 0, set()
        while OrmQ.objects.exists():
            most = max(most, connections())
            met |= set(descendants(worker.pid))
        # Each of twelve took two tasks; on a busy machine some were gone unseen. With
        # sentinel, pusher and monitor there would be six if none was replaced.
        assert len(met) > 8
        subscriptions.create({"url": receiver.url, "events": ["message.received"]})
        tell(1)
        receiver.wait_for(1)
        # Supervisor, sentinel, pusher, monitor, three workers and who takes over.
        assert 0 < most <= 10, most
        assert connections() <= 10
        # Nobody took it for a death.
        assert worker.output().count("is ready") == 1, worker.output()


def connections():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone()[0]
