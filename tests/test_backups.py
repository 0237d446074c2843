"""What `backup` wrote, `restore` makes the database again, and sends nothing of it."""

import os
import sqlite3
from urllib.parse import urlsplit

import pytest
from django.db import connection

from tests.desk import Desk, letter
from tests.processes import command
from tests.programs import postgres_path
from threads import outbound, restoring
from threads.actors import SYSTEM
from threads.laws import LAWS
from threads.models import Message
from webhooks import subscriptions
from webhooks.models import Delivery, Event, Heartbeat

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def busy(settings):
    """A delivery and a reply are on their way."""
    settings.EMAIL_HOST = "127.0.0.1"
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    told = {"url": "http://127.0.0.1:9999/", "events": ["message.received"]}
    subscriptions.create(told)
    message = Desk().arrive(letter())
    outbound.reply(message.thread_id, outbound.Reply(body="Dag"), actor=SYSTEM)
    Heartbeat.objects.create(name="worker:a:1", kind="worker", at="2026-01-01T00:00Z")


def test_nothing_of_a_restored_moment_is_sent_by_itself(busy):
    held = restoring.hold_back()
    assert (held.deliveries, held.replies) == (1, 1)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"held"}
    reply = Message.objects.get(direction="outbound")
    assert (reply.status, reply.error_code) == ("in_doubt", "restored")
    assert Event.objects.latest("pk").type == "message.in_doubt"
    assert not Heartbeat.objects.exists()
    assert [sentence for law in LAWS for sentence in law.broken()] == []
    assert restoring.hold_back() == restoring.Held(0, 0)


def test_a_backup_is_restored_whole(busy, environment, tmp_path):
    file, other = tmp_path / "backup", _another(environment, tmp_path)
    made = command(environment, "backup", str(file))
    assert made.returncode == 0, made.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("*.part"))
    assert command(environment, "backup", str(file)).returncode == 2
    again = command(other, "restore", str(file))
    assert again.returncode == 0, again.stderr
    assert "Deliveries held: 1; replies in doubt: 1." in again.stdout
    assert command(other, "fsck").returncode == 0
    # It is not empty any more; and neither is this one.
    assert command(other, "restore", str(file)).returncode == 2
    assert command(environment, "restore", str(file)).returncode == 2
    assert Delivery.objects.get().state == "pending"


def test_what_is_no_backup_is_refused(environment, tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"hello")
    other = _another(environment, tmp_path)
    said = command(other, "restore", str(file))
    assert (said.returncode, "is no backup of" in said.stderr) == (2, True)
    assert command(other, "restore", str(tmp_path / "none")).returncode == 2


def _another(environment, tmp_path):
    if connection.vendor == "sqlite":
        file = tmp_path / "other.sqlite3"
        sqlite3.connect(file).close()
        return {**environment, "DATABASE_URL": f"sqlite:///{file}"}
    environment["PATH"] = postgres_path(connection.get_database_version()[0])
    name = f"other_{os.getpid()}"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
    url = urlsplit(environment["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    return {**environment, "DATABASE_URL": url}
