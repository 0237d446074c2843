"""The django-q2 cluster, as a process that its supervisor can trust to end.

Two cures. A signal to the process group would reach the sentinel before its parent
and block the parent for ever, so every child leaves the group. And whoever is killed
takes its children along, so that no orphan goes on working beside the next cluster.
"""

import os
from multiprocessing.util import Finalize
from pathlib import Path
from types import FrameType
from typing import Any

from django_q.cluster import Cluster
from django_q.signals import post_spawn

from threads.lifeline import die_with
from webhooks import stopping


def run(folder: Path, parent: int) -> None:
    """Until SIGTERM, or the death of `parent`.

    `folder` holds a file for each living worker, named by its pid. A file whose
    process is gone means an unclean death: django-q2 may then hold a lock for ever.
    """
    die_with(parent)
    os.register_at_fork(before=_remember, after_in_child=_leave_the_group)
    post_spawn.connect(_Register(folder), weak=False)
    cluster = _StoppingCluster()
    cluster.start()
    # What is left to do is done by the interpreter: it waits for the sentinel.


class _StoppingCluster(Cluster):  # type: ignore[misc]  # django-q2 has no types
    def sig_handler(self, signum: int, frame: FrameType | None) -> None:
        """Ask the workers to finish what is in hand, then stop them."""
        stopping.ask()
        if self.sentinel is not None:
            super().sig_handler(signum, frame)


_forker = 0


def _remember() -> None:
    global _forker  # noqa: PLW0603 -- the only way to tell a child who forked it
    _forker = os.getpid()


def _leave_the_group() -> None:
    os.setpgrp()
    die_with(_forker)


class _Register:
    """Writes a worker's file when it starts; a clean exit removes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, **_kwargs: Any) -> None:
        file = self.folder / str(os.getpid())
        file.touch()
        Finalize(None, file.unlink, kwargs={"missing_ok": True}, exitpriority=1)
