"""When the surroundings fail: a clear line, exit 1, and nothing lost or half done."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from django.core.management import call_command
from django.db import connection

from tests.mails import Maildir, mail
from tests.processes import ROOT, command
from threads.laws import LAWS
from threads.models import IngestRecord, Message, Original, Source
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)

sqlite = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="a file's own trouble is SQLite's"
)
as_root = pytest.mark.skipif(
    os.geteuid() != 0 or connection.vendor != "sqlite",
    reason="only root can be somebody else, whom the tests' PostgreSQL refuses",
)


def broken():
    return [line for law in LAWS for line in law.broken()]


def fill(maildir, count, size=2000):
    for number in range(count):
        maildir.deliver(
            mail(message_id=f"<{number}@x>", text=f"{number} {'x' * size}\n")
        )


@pytest.fixture
def readable(tmp_path):
    """Other users may pass through the test's own folders."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)


def test_a_folder_that_is_gone_is_told_by_the_source_too(source, tmp_path, capsys):
    """One pass, as `--watch` does: the staff site and the dashboard show it."""
    Source.objects.update(location=str(tmp_path / "weg"))
    with pytest.raises(SystemExit):
        call_command("ingest")
    source.refresh_from_db()
    assert source.last_error in capsys.readouterr().err
    assert str(tmp_path / "weg") in source.trouble


@as_root
def test_a_user_without_permission_is_told_what_to_do(
    source, maildir, environment, readable
):
    maildir.deliver(mail())
    shut = maildir.deliver(mail(message_id="<2@x>", text="Dicht.\n"))
    shut.chmod(0)
    code, error = as_nobody(environment, maildir.path)
    assert code == 1
    assert f"{shut} can't be read: Permission denied" in error
    assert "Give this user read and write permission" in error
    # The neighbour is stored; that it stays in new/ is said, and changes nothing.
    assert Message.objects.count() == 1
    assert "can't be moved to cur/" in error
    shut.chmod(0o644)
    assert command(environment, "ingest").returncode == 0
    assert Message.objects.count() == 2
    assert maildir.names("new") == []
    assert broken() == []


@as_root
def test_a_name_that_is_no_text_and_may_not_be_read_stops_nobody(
    source, maildir, environment, readable
):
    shut = maildir.deliver(mail(), os.fsdecode(b"1\xff.a"))
    maildir.deliver(mail(message_id="<2@x>", text="Open.\n"), "2.b")
    shut.chmod(0)
    code, error = as_nobody(environment, maildir.path)
    assert code == 1
    assert "Traceback" not in error
    assert "1\\xff.a can't be read: Permission denied" in error
    assert Message.objects.count() == 1
    source.refresh_from_db()
    assert (source.owner, source.token) == ("", None)
    assert "1\\xff.a" in source.last_error


@as_root
def test_a_folder_that_is_shut_is_named(source, maildir, environment, readable):
    maildir.deliver(mail())
    (maildir.path / "new").chmod(0o700)
    code, error = as_nobody(environment, maildir.path)
    assert code == 1
    assert f"{maildir.path}/new can't be read: Permission denied" in error
    assert "Traceback" not in error
    assert IngestRecord.objects.count() == 0


def as_nobody(environment, maildir):
    """`ingest` as a user who owns the database, and not the Maildir."""
    database = Path(connection.settings_dict["NAME"])
    connection.close()
    mine = [database.parent, *database.parent.glob(f"{database.name}*")]
    for path in mine:
        os.chown(path, 65534, -1)
    try:
        finished = subprocess.run(
            [sys.executable, "manage.py", "ingest"],
            cwd=ROOT,
            env=environment,
            user="nobody",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        for path in mine:
            if path.exists():
                os.chown(path, os.geteuid(), -1)
    return finished.returncode, finished.stderr


def test_without_its_database_it_says_so(environment):
    nowhere = {**environment, "DATABASE_URL": "sqlite:////nowhere/x.sqlite3"}
    for arguments in (["ingest"], ["ingest", "--verify"]):
        finished = command(nowhere, *arguments)
        assert finished.returncode == 1
        assert finished.stderr.startswith("CommandError: The database refused:")
        assert "Traceback" not in finished.stderr


@sqlite
def test_a_full_disk_stops_ingest_and_loses_nothing(source, maildir, environment):
    """`max_page_count` makes SQLite refuse exactly as a full disk does."""
    fill(maildir, 120, size=20_000)
    name = connection.settings_dict["NAME"]
    connection.close()
    with closing(sqlite3.connect(name)) as database:
        database.execute("VACUUM")  # free pages of other tests are room, too
        pages = database.execute("PRAGMA page_count").fetchone()[0]
    limited = f"PRAGMA journal_mode=WAL; PRAGMA max_page_count={pages + 2_000};"
    full = {
        **environment,
        "DATABASE_URL": f"sqlite:///{name}?init_command={quote(limited)}",
    }
    finished = command(full, "ingest")
    assert finished.returncode == 1
    assert "The database refused: database or disk is full" in finished.stderr
    assert "Nothing is lost or half stored" in finished.stderr
    assert "Traceback" not in finished.stderr
    stored = Message.objects.count()
    assert 0 < stored < 120
    assert Event.objects.filter(type="message.received").count() == stored
    # Nothing was told done that is not stored.
    assert len(maildir.names("new")) >= 120 - stored
    assert command(full, "ingest").returncode == 1
    finished = command(environment, "ingest")
    assert finished.returncode == 0, finished.stderr
    assert Message.objects.count() == Original.objects.count() == 120
    assert set(IngestRecord.objects.values_list("state", flat=True)) == {"done"}
    assert maildir.names("new") == []
    assert broken() == []
    assert command(environment, "ingest", "--verify").returncode == 0


def test_two_ingests_at_once_take_each_mail_in_once(source, maildir, environment):
    fill(maildir, 150, size=200)
    both = [
        subprocess.Popen(
            [sys.executable, "manage.py", "ingest"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ends = [(*process.communicate(timeout=100), process.returncode) for process in both]
    for _, error, code in ends:
        # One waits for the other, or gives up and says who has it.
        assert code == 0 or "is being read by another process" in error, error
    assert 0 in [code for _, _, code in ends]
    assert Message.objects.count() == 150
    assert Event.objects.filter(type="message.received").count() == 150
    assert broken() == []
    assert command(environment, "ingest", "--verify").returncode == 0


def test_two_sources_of_one_mailbox_may_be_read_at_once(
    mailbox, maildir, environment, tmp_path
):
    """The same mails in both: one message each, the other copy is a duplicate."""
    other = Maildir(tmp_path / "Other")
    fill(maildir, 60, size=200)
    fill(other, 60, size=200)
    to = ("--to", mailbox.address, "--maildir")
    both = [
        subprocess.Popen(
            [sys.executable, "manage.py", "ingest", *to, str(folder.path)],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for folder in (maildir, other)
    ]
    for process in both:
        _, error = process.communicate(timeout=100)
        assert process.returncode == 0, error
    assert Message.objects.count() == 60
    states = sorted(IngestRecord.objects.values_list("state", flat=True))
    assert states == ["done"] * 60 + ["duplicate"] * 60
    assert broken() == []
