"""`manage.py doctor`: each trouble is a line that names it and its mend."""

import json
import os
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from tests.mails import Maildir, mail
from tests.mailservers import smtp_server
from tests.processes import command
from threads.doctor.mail import _closed
from threads.models import IngestRecord, Mailbox, Original, User
from webhooks.models import Heartbeat, Webhook

pytestmark = pytest.mark.django_db


@pytest.fixture
def healthy(mailbox, source, settings):
    """A house in order, but for its web server: nobody serves PUBLIC_URL in a test."""
    settings.SECRET_KEY = "abcdefghijklmnopqrstuvwxyz" * 3
    settings.PUBLIC_URL = "https://mail.jouwdomein.nl"
    for name in ("SECURE_PUBLIC", "SECURE_SSL_REDIRECT"):
        setattr(settings, name, True)
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.EMAIL_HOST = "smtp.jouwdomein.nl"
    settings.DEFAULT_FROM_EMAIL = "mailbelly@jouwdomein.nl"
    User.objects.create_superuser("beheer", "beheer@shop.nl", "x")
    for kind in ("worker", "watch"):
        Heartbeat.objects.create(name=f"{kind}:a:1", kind=kind, at=timezone.now())
    source.last_pass_at = timezone.now()
    source.save()


@pytest.fixture
def doctor(capsys):
    """Its findings, by level and what they are about; its errors."""

    def run(*arguments):
        try:
            call_command("doctor", "--json", *arguments)
        except CommandError as refusal:
            said = str(refusal)
        else:
            said = ""
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        troubles = {f["about"]: f for f in lines if f["level"] != "ok"}
        fine = {f["about"]: f["text"] for f in lines if f["level"] == "ok"}
        return troubles, fine, said

    return run


def test_a_house_in_order_is_all_ok(healthy, doctor):
    troubles, fine, said = doctor("--quick")
    assert troubles == {}
    assert said == ""
    assert {"configuration", "database", "disk", "secrets", "laws"} <= set(fine)
    assert "migrated" in fine["database"]


def test_an_empty_installation_says_what_comes_first(doctor):
    troubles, _fine, said = doctor()
    assert troubles["team"]["mend"] == "manage.py setup --admin you@example.com"
    assert troubles["source"]["level"] == "warning"
    assert said.startswith("team: There is no administrator.")
    assert "threads.W001" in troubles["configuration"]["text"]


def test_a_worker_that_is_gone_is_an_error(healthy, doctor):
    Heartbeat.objects.filter(kind="worker").delete()
    troubles, _fine, said = doctor("--quick")
    assert troubles["worker"]["level"] == "error"
    assert "manage.py worker" in troubles["worker"]["mend"]
    assert said.startswith("worker: No worker is running")


def test_a_source_that_is_no_maildir_says_so_with_the_mend(healthy, doctor, source):
    source.location = "/nowhere"
    source.save()
    troubles, _fine, said = doctor()
    assert "is not a Maildir" in troubles["source"]["text"]
    assert "mkdir -p" in troubles["source"]["text"]
    assert "source:" in said


@contextmanager
def as_nobody():
    """Root may write everywhere, so these tests may not stay root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_folders_that_may_not_be_written_are_named(source, tmp_path_factory):
    with TemporaryDirectory() as folder:
        place = Maildir(Path(folder) / "M")
        for known in (Path(folder), place.path, *place.path.iterdir()):
            known.chmod(0o555)
        source.location = str(place.path)
        with as_nobody():
            assert _closed(source) == [f"{place.path}/new", f"{place.path}/cur"]
        for known in place.path.iterdir():
            known.chmod(0o777)
        with as_nobody():
            assert _closed(source) == []
        Path(folder).chmod(0o700)
        place.path.chmod(0o700)


def test_a_source_that_can_be_read_counts_its_mails(healthy, doctor, maildir):
    maildir.deliver(mail())
    _troubles, fine, _said = doctor()
    assert fine["source"].endswith("Connected. 1 mail found.")


def test_each_mail_server_is_asked_once(healthy, doctor, settings, mailbox):
    Mailbox.objects.create(address="info@shop.nl")
    with smtp_server() as server:
        settings.EMAIL_HOST = "127.0.0.1"
        settings.EMAIL_PORT = server.port
        settings.EMAIL_USE_TLS = False
        _troubles, fine, _said = doctor()
    assert fine["smtp"].startswith("info@shop.nl, support@shop.nl: Connected")
    troubles, _fine, _said = doctor()
    assert "Nothing answers" in troubles["smtp"]["text"]


def test_a_secret_that_no_key_opens_is_named_and_not_shown(healthy, doctor, settings):
    box = Mailbox.objects.create(address="a@shop.nl", smtp={"password": "geheim"})
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    troubles, _fine, said = doctor("--quick")
    assert f"Mailbox {box.pk}, smtp: no key opens it." in said
    assert "ENCRYPTION_KEYS" in troubles["secrets"]["mend"]
    assert "geheim" not in said


def test_a_secret_under_an_older_key_is_a_warning(healthy, doctor, settings):
    Mailbox.objects.create(address="a@shop.nl", smtp={"password": "geheim"})
    settings.ENCRYPTION_KEYS = [
        Fernet.generate_key().decode(),
        *settings.ENCRYPTION_KEYS,
    ]
    troubles, _fine, said = doctor("--quick")
    assert troubles["secrets"]["level"] == "warning"
    assert "rotate_encryption_keys" in troubles["secrets"]["mend"]
    assert said == ""


def test_webhooks_quarantine_and_what_was_left_are_told(healthy, doctor, source):
    Webhook.objects.create(
        url="https://hooks.nl/x",
        events=["thread.closed"],
        failing_since=timezone.now() - timedelta(hours=3),
    )
    for state in ("oversize", "unfetchable"):
        IngestRecord.objects.create(source=source, ref=state, size=1, state=state)
    troubles, _fine, _said = doctor("--quick")
    assert "hooks.nl has been failing" in troubles["webhooks"]["text"]
    assert "support@shop.nl: 2 mails are" in troubles["left at the source"]["text"]


def test_a_broken_law_is_an_error(healthy, doctor, source):
    original = Original.objects.create(sha256="0" * 64, size=1, content=b"x")
    IngestRecord.objects.create(
        source=source, ref="x", size=1, state="done", original=original
    )
    troubles, _fine, said = doctor()
    assert "is done without its mail" in said
    assert troubles["laws"]["mend"] == "Report this, with: manage.py fsck"
    # That one reads the whole ledger.
    troubles, fine, _said = doctor("--quick")
    assert "laws" not in troubles
    assert fine["laws"].endswith("manage.py fsck asks all")


@pytest.mark.django_db(transaction=True)
def test_a_database_out_of_reach_ends_in_what_can_be_said_without(environment):
    away = {**environment, "DATABASE_URL": "postgres://x:geheim@127.0.0.1:1/x"}
    said = command(away, "doctor", "--quick")
    assert said.returncode == 1
    assert "error    database: The database refused" in said.stdout
    assert "ok       disk: " in said.stdout
    assert "geheim" not in said.stdout + said.stderr


@pytest.mark.django_db(transaction=True)
def test_it_changes_nothing(environment):
    before = _rows()
    said = command(environment, "doctor")
    assert "language: Dutch and English" in said.stdout
    assert _rows() == before


def _rows():
    names = connection.introspection.django_table_names()
    with connection.cursor() as cursor:
        counts = {}
        for name in names:
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(name)}")
            counts[name] = cursor.fetchone()[0]
    return counts
