"""Places where a test may kill this process, to prove that nothing is lost there.

`FAULT_STEP=NAME` and the process sends itself SIGKILL the first time it passes
`step("NAME")`; `NAME:3` the third time; a number `7` at the seventh step it passes,
whatever its name. `FAULT_STEP=log:FILE` kills nothing and writes the names of the
steps it passes, a line for each. Unset, a step costs one look-up.
"""

import os
import signal
import threading
from collections import Counter
from pathlib import Path

from django.conf import settings

_passed: Counter[str] = Counter()
_lock = threading.Lock()


def step(name: str) -> None:
    if settings.FAULT_STEP:
        with _lock:
            _pass(name, settings.FAULT_STEP)


def _pass(name: str, wanted: str) -> None:
    _passed[name] += 1
    what, _, count = wanted.partition(":")
    if what == "log":
        with Path(count).open("a") as file:
            file.write(f"{name}\n")
    elif what.isdecimal():
        if _passed.total() == int(what):
            os.kill(os.getpid(), signal.SIGKILL)
    elif name == what and _passed[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
