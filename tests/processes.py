"""Our own commands as processes, to be killed."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

ROOT = Path(__file__).resolve().parent.parent


def command(environment, *arguments, fault="", timeout=60, stdin=None):
    """Runs `manage.py …` to its end; `fault` names the step at which it dies."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**environment, "FAULT_STEP": fault},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        input=stdin,
    )


class Running:
    """A command that is under way; what it says is in `output()`."""

    def __init__(self, process, log):
        self.process = process
        self.pid = process.pid
        self.log = log

    def output(self):
        return self.log.read_text()

    def says(self, words, seconds=30.0):
        """Waits until it has said so."""
        return eventually(lambda: words in self.output(), seconds, self.output)

    def end(self, number=signal.SIGTERM, seconds=10.0):
        """Sends a signal to it alone; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


def running(environment, log, *arguments, **settings):
    """`manage.py …` under way."""
    return started(environment, log, "manage.py", *arguments, **settings)


@contextmanager
def started(environment, log, *arguments, within=(), **settings):
    """`python …` in a session of its own; nothing of it is left afterwards.

    `within`: the words of a command that runs another.
    """
    with log.open("w") as file:
        process = subprocess.Popen(
            [*within, sys.executable, *arguments],
            cwd=ROOT,
            env={**environment, **settings},
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield Running(process, log)
    finally:
        everybody = [process.pid, *descendants(process.pid)]
        for pid in everybody:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(10)


def descendants(pid):
    """All processes below `pid`, nearest first."""
    children = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    children.setdefault(int(fields[1]), []).append(int(folder.name))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(0), [])
        found += below
        todo += below
    return found


def alive(pid):
    """Not gone, and no zombie either."""
    with suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] != "Z"
    return False


def killed(finished):
    return finished.returncode == -signal.SIGKILL


def eventually(question, seconds=20.0, explain=lambda: "it never came true"):
    """Asks until the answer is true."""
    end = monotonic() + seconds
    while not (answer := question()):
        assert monotonic() < end, explain()
        sleep(0.05)
    return answer
