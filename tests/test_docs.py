"""What exists is documented, and what the README says works."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as ours
from django.core.management import get_commands

from api.errors import _CODES
from api.models import ApiKey
from api.urls import v1
from tests.mails import Maildir
from tests.processes import command, eventually, running
from threads.models import Mailbox, Source
from webhooks import outbox, subscriptions
from webhooks.catalogue import EVENTS

ROOT = Path(ours.BASE_DIR)
# For tests only, and no business of anybody's.
HIDDEN = {"FAULT_STEP"}


def read(name):
    return (ROOT / name).read_text("utf-8")


def test_every_setting_of_the_environment_is_documented():
    names = re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', read("mailbelly/settings.py"))
    page = read("docs/configuration.md")
    assert len(names) > 15
    assert [n for n in names if f"`{n}`" not in page and n not in HIDDEN] == []


def test_every_command_is_documented():
    ours = [
        n for n, app in get_commands().items() if app in {"threads", "webhooks", "api"}
    ]
    page = read("docs/configuration.md")
    assert [name for name in ours if f"`{name}" not in page] == []


def test_every_event_is_documented():
    page = read("docs/webhooks.md")
    assert [event for event in EVENTS if f"`{event}`" not in page] == []


def test_every_route_is_documented():
    page = read("docs/api.md")
    for route in v1:
        shown = re.sub(
            r"<\w+:(kind|\w+_id)>", lambda m: _name(m[1]), str(route.pattern)
        )
        assert shown in page, shown


def _name(converter):
    return ":type" if converter == "kind" else ":id"


def test_every_code_of_an_error_is_documented():
    """Those of problems and refusals: the first argument where one is made."""
    page = read("docs/api.md")
    made = re.compile(r'(?:Problem|RefusedError)\(\s*"([a-z_]+)"')
    rooms = [*ROOT.glob("api/**/*.py"), *ROOT.glob("threads/*.py")]
    codes = {code for path in rooms for code in made.findall(path.read_text("utf-8"))}
    assert {"rate_limited", "internal_error", "thread_is_spam"} <= codes
    assert sorted(code for code in codes | set(_CODES) if f"`{code}`" not in page) == []


def test_every_page_that_the_readme_names_exists():
    for name in re.findall(r"\]\(([^)#]+)\)", read("README.md")):
        assert (ROOT / name).exists(), name


BLOCKS = re.findall(r"```sh\n(.+?)```", read("README.md"), re.DOTALL)


@pytest.mark.django_db(transaction=True)
def test_the_first_integration_of_the_readme_works(
    environment, settings, live_server, tmp_path
):
    """Every block of it, pasted in order; ports and folder are the test's own."""
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.DEBUG = True
    settings.DATA_DIR = tmp_path
    site = live_server.url.removeprefix("http://")
    folder = Maildir(tmp_path / "Maildir")
    mailbox = Mailbox.objects.create(address="support@example.test")
    Source.objects.create(mailbox=mailbox, kind="maildir", location=str(folder.path))
    pasting = {
        **environment,
        "MAILBELLY_API_KEY": ApiKey.objects.issue("readme")[1],
    }
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])

    def paste(name):
        block = next(block for block in BLOCKS if name in block)
        for old, new in (
            ("127.0.0.1:8000", site),
            ("127.0.0.1:8009", f"127.0.0.1:{port}"),
            ("var/sample/Maildir", str(folder.path)),
        ):
            block = block.replace(old, new)
        block = re.sub(r"export MAILBELLY_API_KEY=.*\n", "", block)
        return subprocess.run(
            ["sh", "-ec", block],
            env=pasting,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout

    secret = json.loads(paste('"events": ["message.received"]'))["secret"]
    receiver = subprocess.Popen(
        [sys.executable, "examples/receiver.py"],
        cwd=ROOT,
        env={**environment, "WEBHOOK_SECRET": secret, "PORT": port},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        paste("printf 'From: Klant")
        assert command(environment, "ingest").returncode == 0
        eventually(lambda: command(environment, "deliver", "--once").returncode == 0)
        line = receiver.stdout.readline()
    finally:
        receiver.kill()
        receiver.wait()
    assert line == "message.received klant@bedrijf.nl Vraag over factuur\n"
    assert json.loads(paste("/reply"))["status"] == "stored"
    written = next((tmp_path / "outbox").glob("*.eml")).read_text()
    assert "Bedankt voor je bericht." in written


@pytest.mark.django_db(transaction=True)
def test_listen_verifies_and_prints_each_event(environment, settings, tmp_path):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    port = "18010"
    webhook, secret = subscriptions.create(
        {"url": f"http://127.0.0.1:{port}/", "events": ["message.received"]}
    )[:2]
    arguments = ("listen", "--port", port, "--json")
    with running(
        environment, tmp_path / "log", *arguments, WEBHOOK_SECRET=secret.value
    ) as listener:
        listener.says("Listening")
        outbox.test(webhook, "message.received")
        assert command(environment, "deliver", "--once").returncode == 0
        listener.says("verified")
        assert listener.end() == 0
        said = json.loads(listener.output().splitlines()[-1])
    assert said["verified"]
    assert said["event"]["test"]
