"""How lean mail comes in: G20.

    python -m bench.memory [--mails N] [--rounds N]

The peak memory of a pass over a Maildir, PostgreSQL: the peaks of the command and of
all processes it starts, added up, whether they came at one time or not. What two
processes share counts twice, which never flatters us: only MailBelly starts any.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path
from time import sleep

from bench.corpus import Corpus, large, mails
from bench.databases import postgresql
from bench.goals import Goal, head, turns
from bench.ingest import Command, Ours, django_mailbox
from bench.ours import ROOT

G20 = Goal("G20", "peak memory, against django-mailbox", 1, 0.8, at_most=True)
G20_LARGE = Goal("G20", "added by a mail of 25 MB, in mails", 4, 3, at_most=True)
LARGE_MEGABYTES = 25
SAMPLE_SECONDS = 0.005


def peak(command: Command) -> float:
    """Megabytes."""
    arguments, environment = command
    process = subprocess.Popen(
        arguments, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL
    )
    peaks: dict[int, int] = {}
    while process.poll() is None:
        for pid in _tree(process.pid):
            # It only rises; but a process just forked has its parent's, for a moment.
            peaks[pid] = high_water(pid) or peaks.get(pid, 0)
        sleep(SAMPLE_SECONDS)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return sum(peaks.values()) / 1e6


def _tree(root: int) -> list[int]:
    found, left = [], [root]
    while left:
        pid = left.pop()
        found.append(pid)
        try:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                left += map(int, (thread / "children").read_text("ascii").split())
        except OSError:
            continue
    return found


def high_water(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def measure(folder: Path, count: int, rounds: int) -> None:
    corpus = Corpus(folder / "corpus", mails(count))
    further = large(LARGE_MEGABYTES * 1_000_000)
    head(f"{count} mails of {corpus.bytes / count / 1000:.0f} kB, MB")
    with postgresql() as databases:
        ours = Ours(databases, folder, corpus)
        theirs = django_mailbox(databases, folder, corpus)
        found = turns(
            rounds,
            {
                "mailbelly": lambda: peak(ours.ready()),
                "with a large mail": lambda: peak(ours.ready(further)),
                "django-mailbox": lambda: peak(theirs.ready()),
            },
        )
    mine, more, peer = found.values()
    G20.report(mine.median / peer.median, f"{mine} against {peer}")
    added = (more.median - mine.median) / LARGE_MEGABYTES
    G20_LARGE.report(added, f"{more} against {mine}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailbelly-bench-") as folder:
        measure(Path(folder), asked.mails, asked.rounds)


if __name__ == "__main__":
    main()
