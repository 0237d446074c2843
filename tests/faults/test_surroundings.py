"""A full disk, a clock that jumps, a process that stands still: none lost or twice."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from time import sleep
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from tests.faults.harness import begun, forked, healthy
from tests.mails import mail
from tests.processes import ROOT, command, eventually, running
from tests.receivers import receiving
from threads import sourcelease
from threads.listening import BUSY_SECONDS
from threads.models import IngestRecord, Message, Source
from webhooks import faults, subscriptions
from webhooks.claims import Rooms, claim
from webhooks.delivery import drain
from webhooks.leases import in_seconds
from webhooks.models import Attempt, Delivery, Event
from webhooks.outbox import NewEvent, publish

pytestmark = pytest.mark.django_db(transaction=True)
FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def deliver(maildir, *numbers):
    for number in numbers:
        maildir.deliver(mail(message_id=f"<{number}@x>", text=f"{number}\n" * 500))


def once(count):
    assert Message.objects.count() == count
    assert Event.objects.filter(type="message.received").count() == count
    assert not IngestRecord.objects.exclude(state="done").exists()


# Between two transactions; and within one, where it has locks that others wait for.
BETWEEN = ["ingest.entered", "ingest.stored"]
WITHIN = ["ledger.records", "arrival.ledger"]


@pytest.mark.parametrize(
    ("where", "mails"),
    [*((where, 120) for where in BETWEEN), *((where, 1) for where in WITHIN)],
)
def test_a_process_that_stood_still_past_its_lease_does_nothing_twice(
    source, maildir, monkeypatch, where, mails
):
    if where in WITHIN:
        if connection.vendor == "sqlite":
            pytest.skip("SQLite has one writer, and whoever stands still is it")
        patience = connection.settings_dict["OPTIONS"]["options"]
        assert "idle_in_transaction_session_timeout=30s" in patience
        monkeypatch.setitem(
            connection.settings_dict["OPTIONS"],
            "options",
            patience.replace("30s", "2s"),
        )
    deliver(maildir, *range(mails))

    def stand_still(step):
        if step == where:
            monkeypatch.setattr(faults, "step", lambda _step: None)
            os.kill(os.getpid(), signal.SIGSTOP)

    def ingest():
        monkeypatch.setattr(faults, "step", stand_still)
        call_command("ingest")

    pid = begun(ingest)
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
    assert where in WITHIN or IngestRecord.objects.exists()
    # Its lease runs out; here we need not wait for that.
    Source.objects.update(leased_until=in_seconds(-1))
    assert forked(lambda: call_command("ingest")) == 0
    once(mails)
    os.kill(pid, signal.SIGCONT)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    # It has lost its claim, says so, and has written nothing.
    assert code == 1
    once(mails)
    assert forked(lambda: call_command("ingest", "--verify")) == 0
    healthy()


@contextmanager
def small_disk(folder, size):
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a small disk can't be mounted here: run as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has its own disk")
def test_on_a_full_disk_nothing_is_said_to_be_done(
    source, maildir, environment, tmp_path
):
    """A real one: a copy of the database on a file system that is full soon."""
    deliver(maildir, *range(400))
    connection.close()
    with small_disk(tmp_path / "disk", "6m") as disk:
        file = disk / "x.sqlite3"
        with (
            closing(sqlite3.connect(connection.settings_dict["NAME"])) as ours,
            closing(sqlite3.connect(file)) as copy,
        ):
            ours.execute("VACUUM")
            ours.backup(copy)
        there = {**environment, "DATABASE_URL": f"sqlite:///{file}"}

        def ran(*arguments, content=b""):
            return subprocess.run(
                [sys.executable, "manage.py", "ingest", *arguments],
                cwd=ROOT,
                env=there,
                input=content,
                capture_output=True,
                check=False,
            )

        full = ran()
        assert full.returncode == 1, full.stderr
        assert b"The database refused" in full.stderr
        piped = mail(message_id="<piped@x>", text="x" * 500_000)
        assert ran("--stdin", "--to", "support@shop.nl", content=piped).returncode == 75
        moved = len(maildir.names("cur"))
        with closing(sqlite3.connect(file)) as database:
            count = "SELECT count(*) FROM threads_message"
            assert moved <= database.execute(count).fetchone()[0] < 400
        subprocess.run(["mount", "-o", "remount,size=60m", str(disk)], check=True)
        assert ran().returncode == 0
        assert ran("--stdin", "--to", "support@shop.nl", content=piped).returncode == 0
        assert ran("--verify").returncode == 0
        with closing(sqlite3.connect(file)) as database:
            assert database.execute(count).fetchone()[0] == 401


needs_faketime = pytest.mark.skipif(
    not FAKETIME and not os.environ.get("CI"),
    reason="install it with: apt-get install faketime",
)


def faketime(clock):
    """For the environment of a process: its clock is as far off as that file says."""
    return {
        "LD_PRELOAD": str(FAKETIME[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@needs_faketime
def test_a_clock_that_jumps_costs_no_mail_and_brings_none_twice(
    source, maildir, environment, tmp_path
):
    clock = tmp_path / "clock"
    clock.write_text("+0")
    faked = faketime(clock)
    with (
        running(environment, tmp_path / "a.log", "ingest", "--watch", **faked) as one,
        running(environment, tmp_path / "b.log", "ingest", "--watch") as other,
    ):
        one.says("Watching")
        other.says("Watching")
        for number, jump in enumerate(("+0", "+1d", "-1d", "+2m", "-2m")):
            clock.write_text(jump)
            deliver(maildir, number)
            eventually(lambda n=number: Message.objects.count() == n + 1, 30)
            sleep(0.2)
    once(5)


@needs_faketime
@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite's clock is that of whoever asks"
)
def test_a_sender_whose_clock_is_off_takes_nothing_from_another(
    environment, tmp_path, settings
):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]

    def deliver_at(jump):
        clock = tmp_path / jump
        clock.write_text(jump)
        there = {**environment, **faketime(clock)}
        assert command(there, "deliver", "--once").returncode == 0

    with receiving() as receiver:
        subscriptions.create({"url": receiver.url, "events": ["thread.updated"]})
        with transaction.atomic():
            publish([NewEvent(type="thread.updated", cause="test")])
        mine = uuid4()
        assert claim(mine, Rooms(room=1, unknown=1, failing=1)).count == 1
        # To this one, my lease ended long ago.
        deliver_at("+10m")
        assert receiver.requests == []
        assert Delivery.objects.get().token == mine
        Delivery.objects.update(claimed_until=in_seconds(-1))
        # To this one, it has not ended yet.
        deliver_at("-10m")
        assert len(receiver.requests) == 1
    assert Delivery.objects.get().state == "succeeded"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has its own disk")
def test_what_was_sent_on_a_full_disk_is_written_down_when_there_is_room(
    settings, caplog
):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with receiving((200, {}, b"x" * 4096)) as receiver:
        subscriptions.create({"url": receiver.url, "events": ["thread.updated"]})
        with transaction.atomic():
            publish(
                [
                    NewEvent(type="thread.updated", cause=str(number))
                    for number in range(5)
                ]
            )
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")
            pages = cursor.execute("PRAGMA page_count").fetchone()[0]
            # For this connection; whoever connects anew has room again.
            cursor.execute(f"PRAGMA max_page_count = {pages}")
        drain(budget_seconds=20)
        assert "database or disk is full" in caplog.text
        ids = [headers["webhook-id"] for _, headers, _ in receiver.requests]
    assert len(ids) == len(set(ids)) == Attempt.objects.count() == 5
    assert not Delivery.objects.exclude(state="succeeded").exists()


@pytest.mark.parametrize("kind", ["maildir", "imap"])
def test_what_a_machine_that_is_gone_was_reading_is_taken_over_when_its_lease_ends(
    request, mailbox, environment, tmp_path, kind
):
    if kind == "imap":
        server = request.getfixturevalue("imap_server")
        user = server.new_user()
        source = Source.objects.create(
            mailbox=mailbox,
            kind="imap",
            location=server.url(user),
            settings=server.settings(),
            start="all",
        )
        with server.client(user) as client:
            client.append("INBOX", mail(message_id="<0@x>"))
    else:
        deliver(request.getfixturevalue("maildir"), 0)
        source = request.getfixturevalue("source")
    Source.objects.filter(pk=source.pk).update(
        owner="elsewhere:1", token=uuid4(), leased_until=in_seconds(60)
    )
    with running(environment, tmp_path / "log", "ingest", "--watch") as watcher:
        watcher.says("is being read by another process (elsewhere:1)")
        Source.objects.update(leased_until=in_seconds(0))
        eventually(lambda: Message.objects.count() == 1, BUSY_SECONDS + 3)
    assert sourcelease.SECONDS + BUSY_SECONDS < 60
