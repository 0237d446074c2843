"""One bit that a process shares with all it forks: "finish what is in hand".

The cluster's main process hears SIGTERM; the workers, which hold the work, do not.
"""

import mmap

_bit = mmap.mmap(-1, 1)


def ask(*_: object) -> None:
    """Fit for a signal handler: it only writes a byte."""
    _bit[0] = 1


def asked() -> bool:
    return _bit[0] != 0
