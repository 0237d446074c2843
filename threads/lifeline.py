"""Whoever is killed takes its children along: no orphan goes on working."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Linux: SIGKILL when the parent dies (prctl(2)); elsewhere init's affair.

    To the kernel the parent is the thread that started us: it must live as long.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)
