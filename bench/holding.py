"""How delivery holds out: G15, and what it takes of memory and of others' time.

    python -m bench.holding [--rounds N] [--only G15,memory,healthy,pruning]

PostgreSQL. G15 is the claim of a round with a hundred thousand deliveries waiting, and
how many rows of django-q2's these made while a worker was at work and no receiver
answered. `memory` is how that of one drain grows over 60,000 attempts, extrapolated to
a million. `healthy` is how long 20 events a second take from their commit to a receiver
that answers while a hundred hang. `pruning` is the longest that a claim takes while
200,000 attempts of long ago are forgotten.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from pathlib import Path
from time import sleep

import psycopg

from bench.databases import PostgreSQL, postgresql
from bench.delivery import WEBHOOKS, receiver, urls
from bench.goals import Goal, head, turns
from bench.ours import ROOT, MailBelly
from bench.yardstick.receiver import came, noted

G15 = Goal(
    "G15", "claim of a round, 100,000 waiting against 1,000", 1.2, 1.1, at_most=True
)
QUEUE = Goal(
    "G15", "rows of django-q2 with so many waiting", 20, 10, at_most=True, unit="rows"
)
MEMORY = Goal(
    "memory", "of a drain, added by a million attempts", 64, 16, at_most=True, unit="MB"
)
HEALTHY = Goal(
    "healthy", "event to a receiver, 100 others hang, p99", 2, 1, at_most=True, unit="s"
)
PRUNING = Goal(
    "pruning", "longest of 200 claims meanwhile", 100, 50, at_most=True, unit="ms"
)
FEW, MANY = 1_000, 100_000
CLAIMS = 200
ATTEMPTS = 60_000
OLD = 20_000


def grown(databases: PostgreSQL) -> tuple[float, str]:
    """MB that a million attempts would add, by the slope of what so many did."""
    site = MailBelly(databases.create("steady"))
    site.manage("migrate", "--verbosity", "0")
    seen: list[tuple[int, float]] = []
    with receiver() as port:
        site.script("backlog", str(ATTEMPTS // WEBHOOKS), *urls(port, "ok"))
        process = site.start("deliver", "--once")
        while process.poll() is None:
            count = came(port).get("ok", (0, 0.0, 0.0))[0]
            # What it makes once, it has made by then.
            if ATTEMPTS // 6 < count < ATTEMPTS:
                seen.append((count, resident(process.pid)))
            sleep(0.25)
    slope, _at = statistics.linear_regression(*zip(*seen, strict=True))
    first, last = seen[0], seen[-1]
    return 1_000_000 * slope, (
        f"{first[1]:.1f} MB after {first[0]:,}, {last[1]:.1f} MB after {last[0]:,};"
        " extrapolated"
    )


def beside_hanging(databases: PostgreSQL) -> tuple[float, str]:
    """Seconds, the 99th percentile."""
    site = MailBelly(databases.create("hanging"))
    site.manage("migrate", "--verbosity", "0")
    with receiver() as port:
        told = [*urls(port, "hang", 100), *urls(port, "note", 1)]
        site.script("backlog", "0", *told)
        worker = site.start("worker")
        try:
            site.script("pace", "1", "20")
            while came(port).get("hang", (0, 0.0, 0.0))[0] < 100 or not noted(port):
                sleep(0.1)
            sent: dict[str, float] = json.loads(site.script("pace", "600", "20"))
            sleep(3)
            arrived = noted(port)
        finally:
            worker.terminate()
            worker.wait(60)
    took = [arrived.get(event, inf) - at for event, at in sent.items()]
    cuts = statistics.quantiles(took, n=100)
    return cuts[98], (
        f"p50 {1000 * cuts[49]:.0f} ms, p95 {1000 * cuts[94]:.0f} ms,"
        f" longest {1000 * max(took):.0f} ms; 600 events, 20 a second"
    )


def resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


class Waiting:
    """Databases in which few and many deliveries wait."""

    def __init__(self, databases: PostgreSQL) -> None:
        self.databases = databases
        MailBelly(databases.create("waiting")).manage("migrate", "--verbosity", "0")
        self.few, _rows = self._made("few", FEW)
        self.many, self.rows = self._made("many", MANY)

    def _made(self, name: str, count: int) -> tuple[MailBelly, int]:
        """And the most rows that django-q2 had meanwhile, beside a worker."""
        url = self.databases.create(name, template="waiting")
        site = MailBelly(url)
        with receiver() as port, psycopg.connect(url, autocommit=True) as watching:
            worker = site.start("worker")
            filling = subprocess.Popen(
                [
                    *(sys.executable, "-m", "bench.ours.backlog"),
                    str(count // WEBHOOKS),
                    *urls(port, "hang"),
                ],
                env=site.environment,
                cwd=ROOT,
            )
            most = 0
            while filling.poll() is None:
                counted = watching.execute("SELECT COUNT(*) FROM django_q_ormq")
                (rows,) = counted.fetchone() or (0,)
                most = max(most, rows)
                sleep(0.05)
            worker.terminate()
            worker.wait(60)
            watching.execute(
                "UPDATE webhooks_delivery SET state = 'pending', token = NULL,"
                " claimed_until = NULL, next_at = now()"
            )
            watching.execute(
                "UPDATE webhooks_webhook SET failing_since = NULL, breaker_until = NULL"
            )
        return site, most

    @staticmethod
    def milliseconds(site: MailBelly) -> float:
        found: dict[str, float] = json.loads(site.script("claims", str(CLAIMS)))
        return found["ms"]


def beside_pruning(databases: PostgreSQL) -> tuple[float, str]:
    """Milliseconds of the longest claim, ten attempts of each old event to forget."""
    site = MailBelly(databases.create("old"))
    site.manage("migrate", "--verbosity", "0")
    with receiver() as port:
        site.script("backlog", "100", *urls(port, "hang"))
    site.script("old", str(OLD))
    alone = json.loads(site.script("claims", str(CLAIMS)))
    pruning = subprocess.Popen(
        [sys.executable, "-m", "bench.ours.pruning"],
        env=site.environment,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
    )
    beside = []
    with waits(site) as seen:
        while pruning.poll() is None:
            beside.append(json.loads(site.script("claims", str(CLAIMS))))
    said = json.loads(pruning.communicate()[0])
    return max(one["most"] for one in beside), (
        f"{len(beside) * CLAIMS} claims, median"
        f" {statistics.median(one['ms'] for one in beside):.0f} ms; without pruning"
        f" {alone['ms']:.0f} ms, longest {alone['most']:.0f} ms;"
        f" {10 * said['events']:,} attempts in {said['seconds']:.0f} s,"
        f" longest batch {said['longest']:.0f} ms;"
        f" seen waiting for a lock {seen.count(True)} times of {len(seen):,}"
    )


@contextmanager
def waits(site: MailBelly) -> Iterator[list[bool]]:
    """Whether anybody waited for a lock, at each of many looks."""
    seen: list[bool] = []
    done = threading.Event()

    def look() -> None:
        url = site.environment["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as watching:
            while not done.wait(0.02):
                found = watching.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                )
                seen.append(found.fetchone() is not None)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        done.set()
        looking.join()


def measure(rounds: int, wanted: set[str]) -> None:
    head("Delivery, over time")
    with postgresql() as databases:
        if "G15" in wanted:
            claims(databases, rounds)
        for goal, figure in (
            (MEMORY, grown),
            (HEALTHY, beside_hanging),
            (PRUNING, beside_pruning),
        ):
            if goal.name in wanted:
                goal.report(*figure(databases))


def claims(databases: PostgreSQL, rounds: int) -> None:
    waiting = Waiting(databases)
    sites = {f"{MANY:,}": waiting.many, f"{FEW:,}": waiting.few}
    measures = {
        name: partial(waiting.milliseconds, site) for name, site in sites.items()
    }
    many, few = turns(rounds, measures).values()
    G15.report(many.median / few.median, f"{many} against {few} ms")
    QUEUE.report(waiting.rows, "the most, while they were made")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="G15,memory,healthy,pruning")
    asked = parser.parse_args()
    measure(asked.rounds, set(asked.only.split(",")))


if __name__ == "__main__":
    main()
