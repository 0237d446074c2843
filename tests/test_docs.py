"""What exists is documented, and what the README says works."""

import ast
import json
import os
import re
import socket
import subprocess
import sys
from argparse import SUPPRESS
from pathlib import Path
from runpy import run_path

import pytest
from django.conf import settings as ours
from django.core.management import get_commands, load_command_class

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
# Of every command; `--json` is said once for all.
STANDARD = {
    *("--help", "--version", "--verbosity", "--settings", "--pythonpath"),
    *("--traceback", "--no-color", "--force-color", "--skip-checks", "--json"),
}


def read(name):
    return (ROOT / name).read_text("utf-8")


def pages():
    """Every page that somebody reads."""
    kept = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert {"README.md", "docs/webhooks.md"} <= set(kept)
    return kept


def names_of(path):
    """The variables that a file of ours reads from the environment."""
    called = re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', read(path))
    return {*called, *re.findall(r'environ\.get\("([A-Z_]+)"', read(path))}


def test_every_setting_of_the_environment_is_documented():
    files = [path.relative_to(ROOT) for path in ROOT.glob("mailbelly/**/*.py")]
    names = set().union(*map(names_of, files)) - HIDDEN
    page = read("docs/configuration.md")
    assert {"SECRET_KEY", "LOG_FORMAT", "ENV_FILE", "PORT"} <= names
    assert sorted(name for name in names if f"`{name}`" not in page) == []


def test_no_setting_is_documented_that_does_not_exist():
    files = [path.relative_to(ROOT) for path in ROOT.glob("mailbelly/**/*.py")]
    names = set().union(*map(names_of, files))
    rows = re.findall(
        r"^\| (`[A-Z].+?) \|", read("docs/configuration.md"), re.MULTILINE
    )
    shown = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert shown - names == set()


def our_commands():
    apps = {"threads", "webhooks", "api"}
    return [name for name, app in get_commands().items() if app in apps]


def test_every_command_is_documented_with_its_options():
    page = read("docs/configuration.md")
    assert "ingest" in our_commands()
    for name in our_commands():
        row = next((r for r in page.splitlines() if r.startswith(f"| `{name}")), None)
        assert row, name
        parser = load_command_class(get_commands()[name], name).create_parser("", name)
        for action in parser._actions:
            option = max(action.option_strings, key=len, default="")
            if option in STANDARD or action.help == SUPPRESS or not option:
                continue
            assert option in row, f"{name} {option}"


def test_every_event_is_documented():
    page = read("docs/webhooks.md")
    assert [event for event in EVENTS if f"`{event}`" not in page] == []


def test_the_page_of_events_shows_todays_samples():
    written = run_path(str(ROOT / "docs/events.py"))
    assert read("docs/events.md") == written["page"](), "run docs/events.py"


def test_every_route_is_documented():
    page = read("docs/api.md")
    for route in v1:
        shown = re.sub(
            r"<\w+:(kind|\w+_id)>", lambda m: _name(m[1]), str(route.pattern)
        )
        # Within its backticks: `GET threads/:id` says nothing of threads/:id/reply.
        assert re.search(rf"[` /]{re.escape(shown)}`", page), shown


def _name(converter):
    return ":type" if converter == "kind" else ":id"


def codes_made(path):
    """The codes of problems and refusals: an argument where one is made."""
    tree = ast.parse(path.read_text("utf-8"))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        place = PLACES.get(name)
        if place is not None and len(call.args) > place:
            # Sometimes one of two, by a condition.
            for found in ast.walk(call.args[place]):
                if isinstance(found, ast.Constant) and isinstance(found.value, str):
                    yield found.value
        for keyword in call.keywords:
            if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                yield keyword.value.value


# Which argument is the code.
PLACES = {"Problem": 0, "RefusedError": 0, "InvalidWebhookError": 1}


def test_every_code_of_an_error_is_documented():
    page = read("docs/api.md")
    rooms = [*ROOT.glob("api/**/*.py"), *ROOT.glob("threads/*.py")]
    rooms += [*ROOT.glob("webhooks/*.py")]
    codes = {code for path in rooms for code in codes_made(path)} | set(_CODES)
    assert {"rate_limited", "internal_error", "thread_is_spam"} <= codes
    assert {"url_not_allowed", "reserved_header", "unknown_field"} <= codes
    assert sorted(code for code in codes if f"`{code}`" not in page) == []


def anchors(text):
    """Of its headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        yield plain.replace(" ", "-")


@pytest.mark.parametrize("where", pages())
def test_no_link_is_dead(where):
    text = re.sub(r"^```.*?^```", "", read(where), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for link in links:
        if re.match(r"https?:|mailto:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / where).parent / name if name else ROOT / where
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link


def test_every_decision_is_listed():
    folder = ROOT / "docs/adr"
    index = read("docs/adr/README.md")
    decisions = sorted(folder.glob("0*.md"))
    assert len(decisions) > 4
    for path in decisions:
        number, title = (
            path.read_text().splitlines()[0].removeprefix("# ").split(" ", 1)
        )
        assert path.name.startswith(f"{number}-")
        assert f"| [{number}]({path.name}) | {title} |" in index, path.name
    numbers = [path.name[:4] for path in decisions]
    assert len(numbers) == len(set(numbers))


def test_the_readme_says_what_each_dependency_is_for():
    table = read("README.md").partition("What each dependency is for")[2]
    named = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    named = {name.strip() for cell in named for name in cell.split(",")}
    wanted = re.findall(
        r"^([A-Za-z][\w.\[\]-]*)", read("requirements.in"), re.MULTILINE
    )
    assert len(wanted) > 15
    assert sorted(set(wanted) - named) == []
    assert sorted(named - set(wanted) - {"package", "---"}) == []


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


def test_the_receiver_says_in_a_line_what_it_lacks():
    said = subprocess.run(
        [sys.executable, "examples/receiver.py"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert said.returncode == 1
    assert said.stderr.startswith("Set WEBHOOK_SECRET to ")
    assert said.stderr.count("\n") == 1


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
