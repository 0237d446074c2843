"""The commands of docs/install.md and docs/operations.md, pasted where they can be."""

import os
import re
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet
from django.db import connection, connections

from tests.mails import Maildir, mail
from tests.processes import ROOT, command
from tests.programs import postgres_path, program
from threads.models import Mailbox, Message, Source


def blocks(page, kind):
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"^```sh {kind}\n(.+?)^```", text, re.MULTILINE | re.DOTALL)


def paste(script, folder, **environment):
    done = subprocess.run(
        ["sh", "-euc", script],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def settings_are_sound(environment):
    said = command({"PATH": os.environ["PATH"], **environment}, "check", "--deploy")
    assert said.returncode == 0, said.stderr
    assert "no issues" in said.stdout, said.stdout + said.stderr


# --- Install ------------------------------------------------------------------------


def test_the_secrets_of_compose_are_made_as_it_reads_them(tmp_path):
    paste(blocks("install.md", "compose")[0], tmp_path)
    made = {path.name: path for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == {
        *("secret_key", "encryption_keys", "postgres_password"),
        *("database_url", "email_password", "metrics_token"),
    }
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.values()} == {0o444}
    Fernet(made["encryption_keys"].read_text().strip())
    url = urlsplit(made["database_url"].read_text())
    assert url.password == made["postgres_password"].read_text().strip()
    lines = dict(
        line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines()
    )
    settings_are_sound(
        {
            "ENV_FILE": os.devnull,
            "SECRET_KEY_FILE": str(made["secret_key"]),
            "ENCRYPTION_KEYS_FILE": str(made["encryption_keys"]),
            "DATABASE_URL_FILE": str(made["database_url"]),
            "EMAIL_HOST_PASSWORD_FILE": str(made["email_password"]),
            "METRICS_TOKEN_FILE": str(made["metrics_token"]),
            "PUBLIC_URL": lines["PUBLIC_URL"],
            "TRUSTED_PROXIES": "172.31.250.1",
        }
    )
    compose = (ROOT / "compose.yaml").read_text()
    assert set(lines) <= set(re.findall(r"\$\{(\w+)", compose))
    folders = sorted(path.name for path in (tmp_path / "mail/support").iterdir())
    assert folders == ["cur", "new", "tmp"]


def test_the_settings_file_of_systemd_passes_the_deployment_check(tmp_path):
    (script,) = blocks("install.md", "systemd")
    group = re.compile(r"-g mailbelly|^chgrp .+$", re.MULTILINE)
    paste(group.sub("", script).replace("/etc", str(tmp_path)), tmp_path)
    file = tmp_path / "mailbelly/env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    settings_are_sound({"ENV_FILE": str(file)})


# --- Back up and restore --------------------------------------------------------------


@pytest.fixture
def stocked(environment, tmp_path):
    """An installation with a mail in it."""
    folder = Maildir(tmp_path / "Maildir")
    mailbox = Mailbox.objects.create(address="support@shop.nl")
    Source.objects.create(mailbox=mailbox, kind="maildir", location=str(folder.path))
    folder.deliver(mail(attachment=("factuur.pdf", os.urandom(100_000))))
    assert command(environment, "ingest").returncode == 0
    return folder


def come_back(environment, folder):
    """The restored installation is whole, and takes in what came since, once."""
    assert command(environment, "migrate", "--check").returncode == 0
    laws = command(environment, "fsck")
    assert laws.returncode == 0, laws.stdout + laws.stderr
    verdict = command(environment, "ingest", "--verify")
    assert "missing" in verdict.stderr
    assert verdict.returncode == 1
    assert command(environment, "ingest").returncode == 0
    verdict = command(environment, "ingest", "--verify")
    assert verdict.returncode == 0, verdict.stderr
    laws = command(environment, "fsck")
    assert laws.returncode == 0, laws.stdout + laws.stderr
    assert len(folder.names("cur")) == 2


@pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite")
def test_sqlite_is_backed_up_while_it_works_and_restored(
    environment, stocked, tmp_path
):
    program("sqlite3")
    save, restore = blocks("operations.md", "sqlite")
    live = Path(connection.settings_dict["NAME"])
    here = tmp_path / "site"
    (here / "var").mkdir(parents=True)
    paste(save.replace("var/mailbelly.sqlite3", str(live)), here)
    stocked.deliver(mail("Erna", message_id="<2@bedrijf.nl>"))
    (here / "var/mailbelly.sqlite3-wal").write_bytes(b"of another time")
    paste(restore, here)
    url = f"sqlite:///{here}/var/mailbelly.sqlite3"
    come_back({**environment, "DATABASE_URL": url}, stocked)
    assert Message.objects.count() == 1, "the live one is another database"


@pytest.fixture
def postgres_tools(db):
    return postgres_path(connection.get_database_version()[0])


@pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
def test_postgresql_is_backed_up_while_it_works_and_restored(
    environment, stocked, tmp_path, postgres_tools
):
    save, restore = blocks("operations.md", "postgresql")
    url = environment["DATABASE_URL"]
    name = f"{urlsplit(url).path.strip('/')}_restored"
    paste(save, tmp_path, DATABASE_URL=url, PATH=postgres_tools)
    stocked.deliver(mail("Erna", message_id="<2@bedrijf.nl>"))
    with connections["default"].cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    try:
        other = urlsplit(url)._replace(path=f"/{name}").geturl()
        paste(restore, tmp_path, DATABASE_URL=other, PATH=postgres_tools)
        come_back({**environment, "DATABASE_URL": other}, stocked)
    finally:
        with connections["default"].cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    assert Message.objects.count() == 1, "the live one is another database"
