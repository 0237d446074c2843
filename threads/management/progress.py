"""A live line on a terminal once work takes over two seconds; else nothing."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

_AFTER_SECONDS = 2.0


@contextmanager
def shown(what: str, *, silent: bool) -> Iterator[Callable[[int], None]]:
    """What it yields is told how much is done."""
    if silent or not sys.stderr.isatty():
        yield lambda _done: None
        return
    # Megabytes that no command needs in a pipe.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    started = monotonic()
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:.0f}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(what, total=None)

    def show(done: int) -> None:
        if monotonic() - started > _AFTER_SECONDS:
            bar.start()
        bar.update(task, completed=done)

    try:
        yield show
    finally:
        bar.stop()
