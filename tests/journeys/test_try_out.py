"""`make run`, as somebody tries it who has nothing but Python and make."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest
from django.db import connection

from tests.mails import mail
from tests.processes import (
    ROOT,
    alive,
    command,
    descendants,
    eventually,
    started,
)

pytestmark = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="the try-out makes its own SQLite database"
)

VENV = ROOT / "mailbelly" / "run" / "venv.sh"


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture
def environment(tmp_path, port):
    """A machine where nothing was ever set up."""
    ours = {"SECRET_KEY", "ENCRYPTION_KEYS", "DEBUG", "DATABASE_URL", "PUBLIC_URL"}
    return {
        **{name: value for name, value in os.environ.items() if name not in ours},
        "ENV_FILE": str(tmp_path / ".env"),
        "DATA_DIR": str(tmp_path / "var"),
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }


def try_out(environment, tmp_path, name="log"):
    return started(environment, tmp_path / name, "-m", "mailbelly.run")


def test_it_is_up_with_a_sample_told_and_verified_and_stops_leaving_nothing(
    environment, tmp_path, port
):
    with try_out(environment, tmp_path) as run:
        run.says("MailBelly is up", 60)
        said = run.output()
        assert said.count("verified: message.received") == 4
        assert "REFUSED" not in said
        assert re.search(r"beheer@example\.test, password \S{10,}", said)
        pasted = next(line for line in said.splitlines() if line.startswith("curl"))
        assert said.rstrip().endswith(pasted)
        answer = subprocess.run(
            ["sh", "-c", pasted], capture_output=True, text=True, check=True
        )
        assert '"subject":"Kan niet inloggen sinds vanmorgen"' in answer.stdout
        assert f"http://localhost:{port}/api/v1/threads/" in answer.stdout
        folder = Path(re.search(r"drop a mail +into (\S+)", said)[1])
        (folder / "dropped").write_bytes(
            mail(subject="Erbij", to="support@example.test")
        )
        run.says("klant@bedrijf.nl · support@example.test · Erbij")
        everybody = descendants(run.pid)
        begun = monotonic()
        assert run.end(signal.SIGINT) == 0, run.output()
        assert monotonic() - begun < 15
        assert not [pid for pid in everybody if alive(pid)]

    secrets = (tmp_path / ".env").read_text()
    with try_out(environment, tmp_path, "again") as run:
        run.says("MailBelly is up", 30)
        said = run.output()
        assert "password" not in said
        assert "create_api_key" in said
        assert "$MAILBELLY_API_KEY" in said
        assert "taken in" not in said
        # Whoever is killed takes everybody along.
        everybody = descendants(run.pid)
        os.kill(run.pid, signal.SIGKILL)
        eventually(lambda: not [pid for pid in everybody if alive(pid)])
    assert (tmp_path / ".env").read_text() == secrets

    assert command(environment, "fsck").returncode == 0
    assert "is gone" in command(environment, "sample", "--remove").stdout
    assert "no sample" in command(environment, "sample", "--remove").stdout
    assert command(environment, "sample").returncode == 2
    checked = command(environment, "fsck")
    assert checked.returncode == 0, checked.stderr


def test_without_a_sample_it_starts_empty(environment, tmp_path):
    with try_out({**environment, "SAMPLE": "0"}, tmp_path) as run:
        run.says("MailBelly is up", 60)
        assert "drop a mail" not in run.output()
        assert "Listening" not in run.output()


def refused(environment):
    done = subprocess.run(
        [sys.executable, "-m", "mailbelly.run"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr


def test_a_busy_port_is_one_line_with_the_mend(environment, port):
    with socket.create_server(("127.0.0.1", port)):
        line = refused(environment)
    assert line == f"Port {port} is in use. Choose another: make run PORT={port + 1}\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"PORT": "http"}, "PORT is 'http'"),
        ({"DATA_DIR": "/proc/mailbelly"}, "/proc/mailbelly"),
        ({"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, "DATABASE_URL"),
        ({"DEBUG": "perhaps"}, "write true or false"),
    ],
)
def test_a_start_that_cannot_be_is_one_line(environment, change, said):
    line = refused({**environment, **change})
    assert said in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("fake", "said"),
    [
        ("case $1 in -V) echo Python 3.9.2;; *) exit 1;; esac", "Python 3.9.2 is too"),
        ("case $2 in *ensurepip*) exit 1;; esac", "apt install python3-venv"),
    ],
)
def test_a_python_that_does_not_do_is_one_line(tmp_path, fake, said):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{fake}\n")
    python.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", VENV, python, "requirements.txt"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
