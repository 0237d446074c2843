"""What every command shares: an example, a quick start, a clear word on settings."""

import json
import os
import subprocess
import sys

import pytest
from django.contrib import admin
from django.core.checks import Tags, run_checks
from django.core.management import get_commands, load_command_class
from django.db import connection

from tests.processes import ROOT
from threads.models import Mailbox, Team
from webhooks.management.base import OperatorCommand

OURS = {
    name: app
    for name, app in get_commands().items()
    if app in {"threads", "webhooks", "api"}
}


@pytest.mark.parametrize("name", OURS)
def test_a_command_starts_quickly_and_shows_an_example(name):
    command = load_command_class(OURS[name], name)
    assert isinstance(command, OperatorCommand)
    shown = command.create_parser("manage.py", name).format_help()
    assert f"manage.py {name}" in shown.partition("\nexample")[2]


def run(code, **settings):
    return subprocess.run(
        [sys.executable, *code],
        cwd=ROOT,
        env={**os.environ, "ENV_FILE": "tests/environment.env", **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("tasks", "works_by"), [("ingest", "threads.ingest"), ("worker", "threads.smtp")]
)
def test_a_command_loads_nothing_that_only_others_need(tasks, works_by):
    code = f"""
import atexit, sys
from django.core.management import execute_from_command_line
atexit.register(lambda: (__import__("threads.tasks"), print(*sys.modules)))
execute_from_command_line(["manage.py", "{tasks}", "--help"])
"""
    found = run(["-c", code], DJANGO_SETTINGS_MODULE="mailbelly.settings")
    loaded = set(found.stdout.split())
    assert works_by in loaded, found.stderr
    # The staff site; the parser, which has a process of its own; what few sources use.
    others = {"threads.admin", "mailbelly.urls", "threads.mail.parse", "requests"}
    assert not others & loaded


def test_the_check_of_everything_still_looks_at_every_page():
    class Wrong(admin.ModelAdmin):
        list_display = ("no_such_column",)

    admin.autodiscover()
    right = admin.site.get_model_admin(Team)
    admin.site.unregister(Team)
    admin.site.register(Team, Wrong)
    try:
        found = [message.id for message in run_checks(tags=[Tags.admin])]
    finally:
        admin.site.unregister(Team)
        admin.site.register(Team, type(right))
    assert found == ["admin.E108"]
    assert run_checks(tags=[Tags.admin]) == []


@pytest.mark.parametrize(
    ("settings", "mend"),
    [
        ({"DATABASE_URL": ""}, "Write postgres://user:password@host:5432/name"),
        ({"DATABASE_URL": "mongo://geheim@x"}, "DATABASE_URL is not the URL"),
        ({"DEBUG": "perhaps"}, "DEBUG"),
    ],
)
def test_settings_that_cannot_be_read_are_one_line(settings, mend):
    found = run(["manage.py", "fsck"], **settings)
    assert found.returncode == 1
    assert mend in found.stderr
    assert found.stderr.count("\n") == 1
    assert "geheim" not in found.stderr


@pytest.mark.parametrize("name", ["fsck", "ingest", "worker"])
def test_a_database_without_tables_is_one_line(name, tmp_path):
    database = {"DATABASE_URL": f"sqlite:///{tmp_path}/new.sqlite3"}
    found = run(["manage.py", name], **database)
    assert found.returncode == 1
    assert found.stderr == (
        "CommandError: The database is not up to date. First run: manage.py migrate\n"
    )


# `listen` asks no database; `lmtp` and `worker` run on while it is away, and `restore`
# wants an empty one.
ASKING = {
    "alive": ["worker"],
    "backup": ["/nowhere/backup"],
    "create_api_key": ["crm"],
    "create_mailbox": ["support@shop.nl"],
    "deliver": ["--once"],
    "doctor": ["--quick"],
    "erase": ["klant@bedrijf.nl", "--dry-run"],
    "explain": ["cmm1k0v2h3q8w5n1x7z4p6r0t"],
    "fsck": [],
    "ingest": [],
    "quarantine": ["list"],
    "reparse": [],
    "rotate_encryption_keys": [],
    "sample": ["--remove"],
    "setup": ["--admin", "a@shop.nl"],
}
ALL_OF_THEM = """
import json, sys, django
django.setup()
from django.core.management import CommandError, call_command
for name, arguments in json.loads(sys.argv[1]).items():
    try:
        call_command(name, *arguments, stdout=sys.stderr)
    except (CommandError, SystemExit) as error:
        print(f"{name}: {error}")
"""


def all_of_them(database):
    """By command, what it ended with; one that ended in a traceback fails here."""
    assert set(OURS) == {*ASKING, "listen", "lmtp", "restore", "worker"}
    settings = {"DJANGO_SETTINGS_MODULE": "mailbelly.settings"}
    code = ["-c", ALL_OF_THEM, json.dumps(ASKING)]
    found = run(code, DATABASE_URL=database, **settings)
    assert found.returncode == 0, found.stderr
    return dict(line.split(": ", 1) for line in found.stdout.splitlines())


@pytest.mark.parametrize(
    ("database", "word"),
    [
        ("postgres://x:geheim@127.0.0.1:1/x", "The database"),
        ("sqlite:///FOLDER/new.sqlite3", "First run: manage.py migrate"),
        ("sqlite:////nowhere/at/all.sqlite3", "The database"),
    ],
)
def test_no_command_ends_in_a_traceback_for_want_of_a_database(
    database, word, tmp_path
):
    said = all_of_them(database.replace("FOLDER", str(tmp_path)))
    for name in ASKING:
        # It is asked so often that it looks for itself.
        assert name == "alive" or word in said[name], name


def test_no_command_ends_in_a_traceback_when_nothing_can_be_written(environment):
    Mailbox.objects.create(address="info@shop.nl")
    read_only = {
        "sqlite": "init_command=PRAGMA query_only=1;",
        "postgresql": "options=-c default_transaction_read_only=on",
    }[connection.vendor]
    url = environment["DATABASE_URL"]
    said = all_of_them(f"{url}{'&' if '?' in url else '?'}{read_only}")
    for name in ("create_api_key", "create_mailbox", "setup"):
        assert said[name].startswith("The database refused: "), name
    assert not Mailbox.objects.filter(address="support@shop.nl").exists()


def test_a_database_out_of_reach_is_one_line():
    found = run(["manage.py", "fsck"], DATABASE_URL="postgres://x:geheim@127.0.0.1:1/x")
    assert found.returncode == 1
    assert "The database refused: " in found.stderr
    assert found.stderr.count("\n") == 1
    assert "geheim" not in found.stderr
