"""The bell in Redis, for workers on several machines; what it loses, rows keep."""

import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager

import pytest
from django_q.models import OrmQ

from tests.processes import command, eventually, running
from tests.programs import program
from tests.receivers import receiving
from webhooks import subscriptions
from webhooks.models import Delivery, Heartbeat

pytestmark = pytest.mark.django_db(transaction=True)

TELL = """
from django.db import transaction
from webhooks import outbox
with transaction.atomic():
    outbox.publish([
        outbox.NewEvent(type="message.received", cause=f"%s:{number}")
        for number in range(%d)
    ])
"""


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def redis(port, folder):
    server = program("redis-server")
    options = ["--port", str(port), "--dir", str(folder), "--save", "", "--bind"]
    process = subprocess.Popen(
        [server, *options, "127.0.0.1"], stdout=subprocess.DEVNULL
    )
    try:
        eventually(lambda: _listens(port))
        yield process
    finally:
        process.kill()
        process.wait(10)


def _listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def publish(environment, cause, count=1):
    said = command(environment, "shell", "-v0", "-c", TELL % (cause, count))
    assert said.returncode == 0, said.stderr
    return said


def test_two_machines_share_the_work_by_it(environment, tmp_path, port, settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    environment = {**environment, "REDIS_URL": f"redis://127.0.0.1:{port}/3"}
    with ExitStack() as everybody, receiving() as receiver:
        everybody.enter_context(redis(port, tmp_path))
        for number in range(2):
            log = tmp_path / f"worker-{number}.log"
            worker = running(environment, log, "worker")
            everybody.enter_context(worker).says("is ready")
        subscriptions.create({"url": receiver.url, "events": ["message.received"]})
        before = time.monotonic()
        publish(environment, "a", 60)
        receiver.wait_for(60)
        # Long before the minute's sweep.
        assert time.monotonic() - before < 30
        assert Heartbeat.objects.filter(kind="worker").count() == 2
        assert not OrmQ.objects.exists()
        eventually(lambda: Delivery.objects.filter(state="succeeded").count() == 60)
        assert len(receiver.requests) == 60


def test_while_it_is_gone_nothing_is_lost_and_nobody_hangs(
    environment, tmp_path, port, settings
):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    environment = {**environment, "REDIS_URL": f"redis://127.0.0.1:{port}/3"}
    with receiving() as receiver:
        subscriptions.create({"url": receiver.url, "events": ["message.received"]})
        # Nobody listens; then somebody who does not answer.
        said = publish(environment, "gone")
        assert "Error calling" in said.stderr
        with redis(port, tmp_path) as server:
            server.send_signal(signal.SIGSTOP)
            publish(environment, "hangs")
            server.send_signal(signal.SIGCONT)
        assert Delivery.objects.filter(state="pending").count() == 2
        # Workers without it are woken by the schedule; this is what cron would do.
        assert command(environment, "deliver", "--once").returncode == 0
        receiver.wait_for(2)
