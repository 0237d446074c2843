"""Places where a test may kill this process, to prove that nothing is lost there.

Set `FAULT_STEP=NAME` and the process sends itself SIGKILL the first time it passes
`step("NAME")`; `FAULT_STEP=NAME:3` the third time. Unset, a step costs one look-up.
"""

import os
import signal
from collections import Counter

from django.conf import settings

_passed: Counter[str] = Counter()


def step(name: str) -> None:
    if not settings.FAULT_STEP:
        return
    wanted, _, count = settings.FAULT_STEP.partition(":")
    _passed[name] += 1
    if name == wanted and _passed[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
