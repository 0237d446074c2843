"""How fast events go out: G7 and G9 (and G8, G10, G11).

    python -m bench.delivery [--deliveries N] [--rounds N] [--only G10,G11]

A backlog of events waits for 20 webhooks (2 kB each, PostgreSQL); one drain, which is
`manage.py deliver --once`, sends it. The peers get as many rows and, for each delivery,
a task in Redis before their worker starts. Everybody sends to the same receiver, and
the receiver's clock counts, from the first request to the last.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from bench.databases import PostgreSQL, postgresql
from bench.goals import Goal, head, turns
from bench.ours import ROOT, MailBelly
from bench.peers import Peer, redis_server
from bench.yardstick.receiver import came

G7 = Goal("G7", "drain, against Celery + Redis, a task per delivery", 3.6, 5)
G8 = Goal("G8", "drain, against django-webhook on tuned Celery", 4.3, 6)
G9 = Goal("G9", "drain, against a bare sender with 16 threads", 0.8, 0.92, unit="%")
G10 = Goal("G10", "drain, 50 ms receiver, of threads / latency", 0.85, 0.95, unit="%")
G11 = Goal("G11", "to the others while one webhook hangs", 0.85, 0.95, unit="%")
OURS = "drain"
AGAINST = {
    "G7": "celery",
    "G8": "django-webhook",
    "G9": "bare sender",
    "G11": "drain while one hangs",
}
WEBHOOKS = 20
SENDERS = 32
PATIENCE_SECONDS = 600


@contextmanager
def receiver() -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.yardstick.receiver"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def urls(port: int, word: str, count: int = WEBHOOKS) -> list[str]:
    return [f"http://127.0.0.1:{port}/{word}/{number}" for number in range(count)]


def rate(port: int, word: str, count: int, process: subprocess.Popen[str]) -> float:
    """Deliveries a second, when all have come; the process is then told to stop."""
    give_up = monotonic() + PATIENCE_SECONDS
    while (seen := came(port).get(word, (0, 0.0, 0.0)))[0] < count:
        if monotonic() > give_up or process.poll() not in {None, 0}:
            sys.exit(f"Only {seen[0]} of {count} deliveries came.")
        sleep(0.2)
    sleep(1)
    number, first, last = came(port)[word]
    if process.poll() is None:
        process.terminate()
    process.wait(60)
    return (number - 1) / (last - first)


class Drain:
    """MailBelly's, with a new backlog each time."""

    def __init__(self, databases: PostgreSQL, deliveries: int) -> None:
        self.databases, self.events = databases, max(deliveries // WEBHOOKS, 1)
        MailBelly(databases.create("ours")).manage("migrate", "--verbosity", "0")

    def rate(self, word: str = "ok", *, hanging: bool = False) -> float:
        site = MailBelly(self.databases.create("ours-now", template="ours"))
        with receiver() as port:
            told = urls(port, word) + (urls(port, "hang", 1) if hanging else [])
            site.script("backlog", str(self.events), *told)
            process = site.start("deliver", "--once", "--json")
            return rate(port, word, self.events * WEBHOOKS, process)


class Celery:
    """A peer whose worker, prefork 2, takes a task for each delivery from Redis."""

    def __init__(
        self, name: str, databases: PostgreSQL, folder: Path, deliveries: int
    ) -> None:
        self.name, self.databases, self.folder = name, databases, folder
        self.events = max(deliveries // WEBHOOKS, 1)
        peer = Peer(name, databases.create(name), folder)
        peer.run("django", "migrate", "-v", "0", "--run-syncdb")

    def rate(self) -> float:
        database = self.databases.create(f"{self.name}-now", template=self.name)
        with redis(self.folder) as broker, receiver() as port:
            peer = Peer(self.name, database, self.folder, REDIS_URL=broker)
            peer.run("bench.peers.backlog", str(self.events), *urls(port, "ok"))
            worker = ["worker", "--pool", "prefork", "--concurrency", "2"]
            quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
            process = peer.start("celery", "-A", "bench.peers.celery", *worker, *quiet)
            return rate(port, "ok", self.events * WEBHOOKS, process)


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    path = folder / "redis.sock"
    process = subprocess.Popen(
        [redis_server(), "--port", "0", "--unixsocket", str(path), "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    try:
        while not path.exists():
            sleep(0.05)
        yield f"redis+socket://{path}"
    finally:
        process.terminate()
        process.wait()


def bare(deliveries: int) -> float:
    with receiver() as port:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "bench.yardstick.bare",
                str(deliveries),
                *urls(port, "ok"),
            ],
            cwd=ROOT,
            text=True,
        )
        return rate(port, "ok", deliveries, process)


def measure(folder: Path, deliveries: int, rounds: int, wanted: set[str]) -> None:
    count = deliveries // WEBHOOKS * WEBHOOKS
    head(f"{count} deliveries to {WEBHOOKS} webhooks, deliveries/s")
    with postgresql() as databases:
        drain = Drain(databases, count)
        measures: dict[str, Callable[[], float]] = {OURS: drain.rate}
        for goal in (G7, G8):
            if goal.name in wanted:
                name = AGAINST[goal.name]
                # A peer is slower: it gets a third as many.
                measures[name] = Celery(name, databases, folder, count // 3).rate
        if "G9" in wanted:
            measures[AGAINST["G9"]] = lambda: bare(count)
        if "G11" in wanted:
            measures[AGAINST["G11"]] = lambda: drain.rate(hanging=True)
        found = turns(rounds, measures)
        for goal in (G7, G8, G9):
            if goal.name in wanted:
                ours, theirs = found[OURS], found[AGAINST[goal.name]]
                goal.report(ours.median / theirs.median, f"{ours} against {theirs}")
        if "G10" in wanted:
            slow = Drain(databases, count // 3)
            waits = turns(rounds, {"50 ms receiver": lambda: slow.rate("wait50")})
            (waiting,) = waits.values()
            limit = SENDERS / 0.05
            G10.report(waiting.median / limit, f"{waiting} of {limit:.0f}")
        if "G11" in wanted:
            alone, beside = found[OURS], found[AGAINST["G11"]]
            G11.report(beside.median / alone.median, f"{beside} against {alone}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deliveries", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="G7,G9")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailbelly-bench-") as folder:
        wanted = set(asked.only.split(","))
        measure(Path(folder), asked.deliveries, asked.rounds, wanted)


if __name__ == "__main__":
    main()
