"""What every command shares: an example, a quick start, a clear word on settings."""

import os
import subprocess
import sys

import pytest
from django.contrib import admin
from django.core.checks import Tags, run_checks
from django.core.management import get_commands, load_command_class

from tests.processes import ROOT
from threads.models import Team
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


def test_a_command_leaves_the_staff_site_alone():
    code = """
import atexit, sys
from django.core.management import execute_from_command_line
atexit.register(lambda: print(*sys.modules))
execute_from_command_line(["manage.py", "ingest", "--help"])
"""
    found = run(["-c", code], DJANGO_SETTINGS_MODULE="mailbelly.settings")
    loaded = set(found.stdout.split())
    assert "threads.ingest" in loaded, found.stderr
    assert not {"threads.admin", "mailbelly.urls"} & loaded


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


def test_a_database_out_of_reach_is_one_line():
    found = run(["manage.py", "fsck"], DATABASE_URL="postgres://x:geheim@127.0.0.1:1/x")
    assert found.returncode == 1
    assert "The database refused: " in found.stderr
    assert found.stderr.count("\n") == 1
    assert "geheim" not in found.stderr
