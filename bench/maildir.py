"""A new mail in a Maildir that is full of old ones.

    python -m bench.maildir [--mails N] [--rounds N] [--postgresql]

N files lie in `cur/`, and the ledger knows each. `ingest --watch` is at work; how long
from the moment a mail is dropped until its message is in the database, and how much
memory the watcher has then, beyond one with an empty `cur/`?
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from time import monotonic, sleep

from bench.databases import SQLite, postgresql
from bench.goals import Goal, head, say
from bench.memory import high_water
from bench.ours import MailBelly

SEEN = Goal("–", "new among old: stored", 5000, 1000, at_most=True, unit="ms")
MEMORY = Goal("–", "the watcher's peak, in MB", 200, 120, at_most=True, unit="")
MAIL = b"From: k%d@x.nl\nTo: support@shop.nl\nSubject: %d\nMessage-ID: <%d@x>\n\nHi\n"
_numbers = count()


def drop(folder: Path) -> None:
    number = next(_numbers)
    waiting = folder / "tmp" / f"9{number}.new"
    waiting.write_bytes(MAIL % (number, number, number))
    waiting.rename(folder / "new" / waiting.name)


def moved(folder: Path) -> bool:
    """The watcher has told the source: the mail is stored."""
    return not any((folder / "new").iterdir())


def until(question: Callable[[], bool], seconds: float = 300) -> float:
    begun = monotonic()
    while not question():
        assert monotonic() - begun < seconds, "it never came true"
        sleep(0.01)
    return monotonic() - begun


def measured(
    root: Path, site: MailBelly, mails: int, rounds: int
) -> tuple[list[float], float]:
    """Seconds of each round, and megabytes."""
    folder = root / f"Maildir-{mails}"
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True)
    for number in range(mails):
        (folder / "cur" / f"1{number:09}.M1P1.host:2,S").write_bytes(
            MAIL % (0, 0, number)
        )
    site.manage("migrate", "--verbosity", "0")
    site.script("known", str(folder))
    watcher = site.start("ingest", "--watch")
    try:
        drop(folder)
        until(lambda: moved(folder))  # it is up, and has made its first pass
        took = []
        for _ in range(rounds):
            sleep(1)
            drop(folder)
            took.append(until(lambda: moved(folder)))
        return took, high_water(watcher.pid) / 1e6
    finally:
        watcher.terminate()
        watcher.wait()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--postgresql", action="store_true")
    asked = parser.parse_args()
    with ExitStack() as stack:
        root = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="mailbelly-bench-"))
        )
        databases = (
            stack.enter_context(postgresql()) if asked.postgresql else SQLite(root)
        )
        name = "PostgreSQL" if asked.postgresql else "SQLite"
        head(f"{asked.mails:,} files in cur/, {name}")
        figures = []
        for mails in (0, asked.mails):
            site = MailBelly(databases.create(f"maildir_{mails}"))
            took, megabytes = measured(root, site, mails, asked.rounds)
            say(f"{mails:,} files: {statistics.median(took):.2f} s, {megabytes:.0f} MB")
            figures.append((max(took), megabytes))
    (bare, small), (full, large) = figures
    SEEN.report(full * 1000, f"{bare:.2f} s with an empty cur/")
    MEMORY.report(large, f"{small:.0f} MB with an empty cur/")


if __name__ == "__main__":
    main()
