"""PostgreSQL is stopped, killed, or its disk is full, while mail comes in and goes out.

It has a server of its own, for the tests' other databases are on theirs.
"""

import os
import shutil
import sys
import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import sleep
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from tests.faults.conftest import loaded
from tests.faults.harness import LONG, forked, healthy
from tests.faults.load import RECOVERY_SECONDS
from tests.faults.postgresql import Away, plugged, server
from tests.faults.test_surroundings import (
    deliver,
    faketime,
    needs_faketime,
    once,
    small_disk,
)
from tests.mails import mail
from tests.processes import eventually, running
from threads import sourcelease
from threads.models import Mailbox, Message, Source
from webhooks import leases

OUTAGES = int(os.environ.get("FAULT_KILLS", "12")) // 12
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(120 + OUTAGES * (30 + LONG * RECOVERY_SECONDS)),
    pytest.mark.skipif(
        connection.vendor == "sqlite", reason="SQLite has no server that can be gone"
    ),
]
WAYS = ("kill", "stop fast", "stop immediate")
JUMPS = ("-1d", "+2m", "-2m", "+1d") if LONG else ("-1d", "+1d")


def test_a_database_that_is_stopped_or_killed_costs_no_mail_and_brings_none_twice(
    tmp_path, environment, settings, dice, imap
):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    slowest, ways = 0.0, []
    with server() as own, own.connected():
        there = {**environment, "DATABASE_URL": own.url}
        with loaded(tmp_path, there, dice, imap) as load:
            load.arrive(20)
            load.rest()
            for number in range(OUTAGES):
                for _ in range(6):
                    load.arrive(8)
                    sleep(dice.uniform(0.0, 0.3))
                ways.append(WAYS[number % 3])
                connection.close()
                if ways[-1] == "kill":
                    own.kill()
                    sleep(0.3)
                else:
                    own.stop(ways[-1].removeprefix("stop "))
                # Who gives it a mail meanwhile is told to try again.
                assert load.refuses()
                load.arrive()
                sleep(dice.uniform(0.0, 5.0 if LONG else 1.0))
                own.start()
                slowest = max(slowest, load.rest(expire=not LONG))
            lost, twice = load.counted()
            print(
                f"outages={len(ways)} ({', '.join(sorted(set(ways)))}) lost={lost}"
                f" twice={twice} mails={len(load.expected)}"
                f" slowest recovery={slowest:.0f}s",
                file=sys.__stderr__,
            )
            assert (lost, twice) == (0, 0), load.said()
            assert slowest < RECOVERY_SECONDS, load.said()
            # What watches and listens has waited; a sender and cron come again anyway.
            assert not {"one", "two", "lmtp", "worker"} & set(load.crew.left)
            load.end()
            call_command("ingest", "--verify")
            healthy()


@pytest.fixture
def away():
    with plugged(Away) as away:
        yield away


def test_a_cable_that_is_pulled_in_silence_is_noticed(
    away, source, maildir, environment, tmp_path
):
    settings = connection.settings_dict["OPTIONS"]
    longest = settings["keepalives_idle"] + (
        settings["keepalives_interval"] * settings["keepalives_count"]
    )
    assert longest == settings["tcp_user_timeout"] / 1000 == 60
    # The same, in seconds.
    brief = "connect_timeout=2&tcp_user_timeout=3000&keepalives_idle=1"
    url = f"{away.url}?{brief}&keepalives_interval=1&keepalives_count=2"
    there = {**environment, "DATABASE_URL": url}
    with running(there, tmp_path / "log", "ingest", "--watch") as watcher:
        deliver(maildir, 0)
        eventually(lambda: Message.objects.count() == 1, 20, watcher.output)
        if not LONG:
            # Pulled in the middle of a pass, its lease has to run out first.
            eventually(lambda: not Source.objects.exclude(token=None).exists())
        away.pull()
        deliver(maildir, 1)
        watcher.says("The database is out of reach", 20)
        away.put_back()
        eventually(lambda: Message.objects.count() == 2, 70, watcher.output)
        sleep(0.5)
    once(2)


@needs_faketime
def test_its_clock_jumps_and_no_mail_is_lost_or_comes_twice(
    tmp_path, environment, maildir
):
    clock = Path(tempfile.mkstemp(prefix="mailbelly-clock-")[1])
    clock.chmod(0o644)
    clock.write_text("+0")
    with server(**faketime(clock)) as own, own.connected():
        there = {**environment, "DATABASE_URL": own.url}
        support = Mailbox.objects.create(address="support@shop.nl")
        Source.objects.create(
            mailbox=support, kind="maildir", location=str(maildir.path)
        )
        with (
            running(there, tmp_path / "a.log", "ingest", "--watch") as one,
            running(there, tmp_path / "b.log", "ingest", "--watch") as other,
        ):
            one.says("Watching")
            other.says("Watching")
            for number, jump in enumerate(JUMPS):
                clock.write_text(jump)
                deliver(maildir, number)
                eventually(lambda n=number: Message.objects.count() == n + 1, 30)
            # A machine dies that took its lease when the clock was a day ahead.
            assert leases.clock() - timezone.now() > timedelta(hours=23)
            Source.objects.update(
                owner="elsewhere:1",
                token=uuid4(),
                leased_until=leases.in_seconds(sourcelease.SECONDS),
            )
            clock.write_text("+0")
            deliver(maildir, len(JUMPS))
            eventually(lambda: Message.objects.count() == len(JUMPS) + 1, 30)
            sleep(0.5)
        once(len(JUMPS) + 1)
    clock.unlink()


def test_on_its_full_disk_nothing_is_said_to_be_done(tmp_path, maildir):
    """A real one: all of the server's files on a file system that is full soon."""
    folder = tmp_path / "pg"
    with small_disk(folder, "160m"), server(folder / "data") as own, own.connected():
        support = Mailbox.objects.create(address="support@shop.nl")
        Source.objects.create(
            mailbox=support, kind="maildir", location=str(maildir.path)
        )
        for number in range(200):
            maildir.deliver(mail(message_id=f"<{number}@x>", text="x" * 20_000))
        ballast = folder / "ballast"
        free = shutil.disk_usage(folder).free
        ballast.write_bytes(bytes(free - 3_000_000))
        assert forked(partial(call_command, "ingest")) == 1
        moved = len(maildir.names("cur"))
        assert moved < 200
        ballast.unlink()
        # A log that can't be written is the end of the server, too.
        own.start()
        assert moved <= Message.objects.count() < 200
        assert forked(partial(call_command, "ingest")) == 0
        once(200)
        assert forked(partial(call_command, "ingest", "--verify")) == 0
        assert maildir.names("new") == []
        healthy()
