"""The image, compose and systemd files, as far as one can try without an engine."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from tests.processes import ROOT
from tests.programs import program

SETTINGS = set(
    re.findall(
        r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "mailbelly/settings.py").read_text()
    )
)
UNITS = sorted((ROOT / "deploy").glob("*.service"))
PROCESSES = ("web", "worker", "watch")


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def dockerfile():
    """(instruction, arguments) one by one, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word, " ".join(rest.split())


# --- The image ----------------------------------------------------------------------


def test_hadolint_has_nothing_to_say_of_the_dockerfile():
    linter = Path(sys.executable).with_name("hadolint")
    said = subprocess.run(
        [linter, "--no-color", "Dockerfile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_image_is_built_from_the_lock_and_runs_as_nobody_in_particular():
    steps = list(dockerfile())
    words = [word for word, _ in steps]
    assert steps[0] == ("FROM", "python:3.11-slim")
    lock = steps.index(("COPY", "requirements.txt ."))
    assert "--require-hashes" in steps[lock + 1][1]
    assert steps.index(("COPY", ". .")) > lock + 1
    assert words.index("USER") < words.index("CMD")
    user = dict(steps)["USER"]
    assert user.isdecimal()
    assert user != "0"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """What .dockerignore lets in, and nothing else, with the build's own steps run."""
    folder = tmp_path_factory.mktemp("image")
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    dropped = tuple(rule.removeprefix("**/") for rule in rules if "**" in rule)
    for name in (rule[1:] for rule in rules if rule.startswith("!")):
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns(*dropped)
            shutil.copytree(source, folder / name, ignore=ignored)
        elif not any(fnmatch(name, rule) for rule in dropped):
            shutil.copy(source, folder / name)
    steps = [rest for word, rest in dockerfile() if word == "RUN" and "pip" not in rest]
    assert len(steps) == 1
    build = re.sub(r"&& useradd .*", "", steps[0]).replace(
        "python ", f"{sys.executable} "
    )
    within(folder, ["sh", "-ec", build])
    return folder


def within(folder, command, **environment):
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_goes_into_the_image_is_enough_to_run(image, tmp_path):
    environment = {
        "SECRET_KEY_FILE": str(tmp_path / "secret_key"),
        "ENCRYPTION_KEYS": "3mK0cV5cJ2J8bqg8lC3i5mFqRr5r4xg5n8m0o1p2q3s=",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "PUBLIC_URL": "https://mail.jouwdomein.nl",
    }
    (tmp_path / "secret_key").write_text("n3q5Zr8-tB_w1LxK7vYc2Ja9Ds4Gf6Hh0Pm-Qe_Ui5O")
    python = sys.executable
    for arguments in (
        ["manage.py", "check", "--fail-level", "WARNING"],
        ["manage.py", "migrate", "--verbosity", "0"],
        ["manage.py", "ingest"],
        ["manage.py", "deliver", "--once"],
        ["-m", "gunicorn", "--check-config", "mailbelly.wsgi"],
    ):
        within(image, [python, *arguments], **environment)
    assert list((image / "var/static").glob("staticfiles.json"))


def test_nothing_private_goes_into_the_image(image):
    names = {path.name for path in image.iterdir()}
    assert names.isdisjoint({".env", ".git", "secrets", "tests", "mail"})


# --- Compose ------------------------------------------------------------------------


def test_compose_itself_understands_the_file(tmp_path):
    environment = {**os.environ, "PUBLIC_URL": "https://mail.jouwdomein.nl"}
    docker = shutil.which("docker")
    command = [docker, "compose"]
    if not docker or subprocess.run([*command, "version"], check=False).returncode:
        command = [program("docker-compose")]
    files = ["-f", str(ROOT / "compose.yaml"), "config"]
    said = subprocess.run(
        [*command, *files],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    services = yaml.safe_load(said.stdout)["services"]
    # Old ones list what has a profile as well.
    assert set(services) - {"lmtp"} == {"database", "migrate", *PROCESSES}
    del environment["PUBLIC_URL"]
    said = subprocess.run(
        [*command, *files], env=environment, capture_output=True, text=True, check=False
    )
    assert said.returncode != 0
    assert "PUBLIC_URL=https://" in said.stderr


def test_nobody_begins_before_the_database_is_migrated(compose):
    services = compose["services"]
    healthy = {"database": {"condition": "service_healthy"}}
    assert services["migrate"]["depends_on"] == healthy
    done = {"migrate": {"condition": "service_completed_successfully"}}
    assert [services[name]["depends_on"] for name in PROCESSES] == [done] * 3


def test_each_process_says_how_it_is_and_has_time_to_stop(compose):
    services = compose["services"]
    health = dict(dockerfile())["HEALTHCHECK"]
    assert health.endswith('CMD ["python", "manage.py", "alive", "web"]')
    for name in ("worker", "watch"):
        test = services[name]["healthcheck"]["test"]
        assert test == ["CMD", "python", "manage.py", "alive", name]
    for name in PROCESSES:
        assert services[name]["stop_signal"] == "SIGTERM"
        assert services[name]["stop_grace_period"] == "90s"
        assert services[name]["init"]
        assert services[name]["read_only"]
    assert "healthcheck" in services["database"]


def test_the_lmtp_listener_comes_when_it_is_asked_for_and_to_this_machine_only(compose):
    listener = compose["services"]["lmtp"]
    assert listener["profiles"] == ["lmtp"]
    assert listener["ports"] == ["127.0.0.1:8024:8024"]
    assert listener["command"][-2:] == ["--listen", "0.0.0.0:8024"]
    assert listener["healthcheck"]["test"][-2:] == ["alive", "lmtp"]
    unit = (ROOT / "deploy" / "mailbelly-lmtp.service").read_text()
    assert "lmtp --listen /run/mailbelly/lmtp" in unit
    assert "RuntimeDirectory=mailbelly" in unit


def test_compose_sets_only_what_there_is_and_keeps_secrets_in_files(compose):
    environment = compose["services"]["web"]["environment"]
    names = {name.removesuffix("_FILE") for name in environment}
    assert names <= SETTINGS
    for name, value in environment.items():
        if re.search("KEY|PASSWORD|DATABASE_URL|TOKEN", name):
            assert name.endswith("_FILE"), name
            assert value.removeprefix("/run/secrets/") in compose["secrets"]
    used = {s for service in compose["services"].values() for s in service["secrets"]}
    assert used == set(compose["secrets"])


def test_a_maildir_that_a_page_names_is_mounted_where_it_is_read(compose):
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text() for page in pages)
    named = re.findall(
        r"^docker compose (?:exec|run --rm) (\w+) .* (/\S+)$", text, re.MULTILINE
    )
    assert ("web", "/mail/support") in named
    for service, path in named:
        volumes = compose["services"][service]["volumes"]
        mounted = [re.sub(r"^\$\{[^}]+\}:|:ro$", "", volume) for volume in volumes]
        assert any(Path(path).is_relative_to(folder) for folder in mounted), path
    # Mail that is in is moved, by the watcher alone.
    assert compose["services"]["web"]["volumes"][0].endswith(":/mail:ro")


# --- Commands and units ---------------------------------------------------------------


def commands(compose):
    """Every command line that a file of the deployment names."""
    for word, rest in dockerfile():
        if word in {"CMD", "HEALTHCHECK"}:
            yield yaml.safe_load(rest[rest.index("[") :])
    for service in compose["services"].values():
        if "command" in service:
            yield service["command"]
        test = service.get("healthcheck", {}).get("test", [])
        if "manage.py" in test:
            yield test[1:]
    for unit in UNITS:
        line = re.search(r"^ExecStart=(.+)$", unit.read_text(), re.MULTILINE)[1]
        yield shlex.split(line.replace("/srv/mailbelly/.venv/bin/", ""))


def test_every_command_that_is_named_exists(compose):
    found = list(commands(compose))
    assert len(found) >= 9
    asked = set()
    for program_name, *arguments in found:
        if program_name == "gunicorn":
            asked.add(("-m", "gunicorn", "--check-config", *arguments))
        else:
            assert arguments[0] == "manage.py"
            asked.add((*arguments, "--help"))
    for arguments in asked:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stderr)


def test_systemd_understands_the_units(tmp_path):
    analyze = program("systemd-analyze", "systemd")
    assert [unit.stem for unit in UNITS] == [
        f"mailbelly-{n}" for n in sorted((*PROCESSES, "lmtp"))
    ]
    for unit in UNITS:
        text = unit.read_text()
        for line in ("Restart=always", "KillMode=mixed", "TimeoutStopSec=90"):
            assert line in text
        # What it starts is not installed here.
        text = re.sub(r"^(ExecStart=)\S+", r"\1/bin/true", text, flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
        said = subprocess.run(
            [analyze, "verify", str(tmp_path / unit.name)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 0, said.stderr
        assert unit.name not in said.stderr
