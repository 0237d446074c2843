"""Runs a command that ends with its parent: `python -m mailbelly.run.child CMD …`."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Linux: SIGTERM when the parent dies (prctl(2)), kept over exec."""
    parent = os.getppid()
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            sys.exit(1)
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 -- our own command


if __name__ == "__main__":
    main()
