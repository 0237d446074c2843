"""Our own commands as processes, to be killed."""

import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

ROOT = Path(__file__).resolve().parent.parent


def command(environment, *arguments, fault="", timeout=60):
    """Runs `manage.py …` to its end; `fault` names the step at which it dies."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**environment, "FAULT_STEP": fault},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def started(environment, *arguments, **settings):
    """Starts `manage.py …` in a group of its own; ending it is the caller's."""
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**environment, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def killed(finished):
    return finished.returncode == -signal.SIGKILL


def eventually(question, seconds=20.0):
    """Asks until the answer is true."""
    end = monotonic() + seconds
    while not (answer := question()):
        assert monotonic() < end, "it never came true"
        sleep(0.05)
    return answer
