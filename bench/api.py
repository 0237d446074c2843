"""How fast a list is read: G13 and G14.

    python -m bench.api [--threads N] [--requests N] [--rounds N]

gunicorn as docs/operations.md starts it, PostgreSQL, one client on a kept connection
that asks for 50 threads; medians of the time from request to answer. The yardstick is a
view in the same server, behind the same middleware, that makes the same 50 objects by
one raw SQL statement and orjson, without a key and without limits. The deep page is
reached by following `next`, as a client does.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from http.client import HTTPConnection
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any

from bench.databases import postgresql
from bench.goals import Goal, head, turns
from bench.ours import ROOT, MailBelly
from bench.peers import packages

G13 = Goal("G13", "list of 50, against raw SQL + orjson", 1.8, 1.3, at_most=True)
G14 = Goal("G14", "page at depth N - 1,000 against page 1", 1.2, 1.1, at_most=True)
if TYPE_CHECKING:
    from collections.abc import Callable

PORT = 8765
OURS, BARE, DEEP = "list of 50", "raw SQL + orjson", "the deep page"
LIST = "/api/v1/threads?limit=50"


class Client:
    def __init__(self, key: str) -> None:
        self.headers = {"Authorization": f"Bearer {key}"}
        self.connection = HTTPConnection("127.0.0.1", PORT, timeout=30)

    def get(self, path: str) -> bytes:
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"{path}: {answer.status} {body[:500]!r}")
        return body

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def median(self, path: str, count: int) -> float:
        """Milliseconds."""
        took = []
        for _ in range(count):
            begun = perf_counter()
            self.get(path)
            took.append((perf_counter() - begun) * 1000)
        return statistics.median(took)

    def deep(self, threads: int) -> str:
        """The path of the page that begins at least N - 1,000 threads down."""
        path, passed = LIST.replace("50", "100"), 0
        while passed < threads - 1000:
            following = self.json(path)["next"]
            path = "/api/" + following.partition("/api/")[2]
            passed += 100
        return path.replace("limit=100", "limit=50")


def serve(site: MailBelly) -> subprocess.Popen[bytes]:
    environment = {
        **site.environment,
        "DJANGO_SETTINGS_MODULE": "bench.yardstick.settings",
        "PEER_PACKAGES": str(packages()),
        "ALLOWED_HOSTS": "127.0.0.1",
        "DEBUG": "false",
        "DATA_DIR": os.environ.get("DATA_DIR", "var"),
    }
    options = ["--no-control-socket", "--worker-class", "gthread", "--threads", "8"]
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gunicorn",
            "mailbelly.wsgi",
            "--bind",
            f"127.0.0.1:{PORT}",
            "--log-level",
            "error",
            *options,
        ],
        env=environment,
        cwd=ROOT,
    )


def ready() -> None:
    for _ in range(200):
        try:
            connection = HTTPConnection("127.0.0.1", PORT, timeout=5)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            sleep(0.1)
        else:
            return
    sys.exit("The web server did not come up.")


def measure(client: Client, threads: int, requests: int, rounds: int) -> None:
    ours, bare = client.json(LIST)["results"], client.json("/bare")["results"]
    if ours != bare:
        sys.exit("The yardstick answers something else than the list.")
    deep = client.deep(threads)
    head(f"A list of 50 of {threads:,} threads, ms")
    pages: dict[str, Callable[[], float]] = {
        OURS: lambda: client.median(LIST, requests),
        BARE: lambda: client.median("/bare", requests),
        DEEP: lambda: client.median(deep, requests),
    }
    found = turns(rounds, pages)
    ours, bare, deep = found.values()
    G13.report(ours.median / bare.median, f"{ours} against {bare}")
    G14.report(deep.median / ours.median, f"{deep} against {ours}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with postgresql() as databases:
        site = MailBelly(databases.create("api"))
        site.manage("migrate", "--verbosity", "0")
        key = site.script("many", str(asked.threads)).strip()
        server = serve(site)
        try:
            ready()
            measure(Client(key), asked.threads, asked.requests, asked.rounds)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
