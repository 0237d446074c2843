"""How long from a file in the Maildir to the webhook's receiver, as shipped, idle: G19.

    python -m bench.latency [--mails N] [--postgresql]

Starts `worker` and `ingest --watch` on a database of its own (a new SQLite file, or
PostgreSQL) and drops mails one by one. The yardstick in the same run is the least
that any such system does: notice the file by inotify and POST its bytes.
"""

import argparse
import itertools
import statistics
import tempfile
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep

import requests
from watchfiles import watch

from bench.databases import SQLite, postgresql
from bench.goals import Goal, head, say
from bench.ours import ADDRESS, MailBelly

P50 = Goal("G19", "file to webhook, p50", 150, 60, at_most=True, unit="ms")
P95 = Goal("G19", "file to webhook, p95", 300, 100, at_most=True, unit="ms")
_numbers = itertools.count()
MAIL = (
    b"From: k%d@x.nl\nTo: support@shop.nl\nSubject: %d\nMessage-ID: <%d@x.nl>\n\nHi\n"
)


class Receiver(ThreadingHTTPServer):
    """Remembers when each request came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.came = threading.Semaphore(0)
        self.at = 0.0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.at = monotonic()  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()
        self.server.came.release()  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass


def measure(folder: Path, receiver: Receiver, count: int) -> list[float]:
    """Milliseconds from the rename into `new/` to the request, for each mail."""
    took = []
    for _ in range(count):
        number = next(_numbers)
        waiting = folder / "tmp" / str(number)
        waiting.write_bytes(MAIL % (number, number, number))
        sleep(0.3)
        begun = monotonic()
        waiting.rename(folder / "new" / str(number))
        assert receiver.came.acquire(timeout=90), "no request came"
        took.append((receiver.at - begun) * 1000)
    return took


def maildir(root: Path, name: str) -> Path:
    folder = root / name
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True)
    return folder


def yardstick(root: Path, count: int) -> list[float]:
    """watchfiles with its fastest settings, and one POST."""
    folder, receiver, stop = maildir(root, "bare"), Receiver(), threading.Event()

    def forward() -> None:
        session = requests.Session()
        for changes in watch(
            folder / "new", stop_event=stop, debounce=10, step=1, rust_timeout=100
        ):
            for _, path in changes:
                session.post(receiver.url, Path(path).read_bytes(), timeout=5)

    threading.Thread(target=forward, daemon=True).start()
    sleep(0.5)
    took = measure(folder, receiver, count)
    stop.set()
    return took


def mailbelly(root: Path, site: MailBelly, count: int) -> list[float]:
    folder, receiver = maildir(root, "Maildir"), Receiver()
    site.manage("migrate", "--verbosity", "0")
    site.manage("create_mailbox", ADDRESS, "--maildir", str(folder))
    site.script("listener", receiver.url, "message.received")
    with ExitStack() as stack:
        for arguments in (["worker"], ["ingest", "--watch"]):
            process = site.start(*arguments)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        measure(folder, receiver, 1)  # until it is up
        return measure(folder, receiver, count)


def percentiles(took: list[float]) -> tuple[float, float]:
    return statistics.median(took), statistics.quantiles(took, n=20)[-1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=60)
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
        head(f"{asked.mails} mails, one by one, {name}")
        bare = percentiles(yardstick(root, asked.mails))
        say(f"the bare watcher: p50 {bare[0]:.0f} ms, p95 {bare[1]:.0f} ms")
        site = MailBelly(databases.create("latency"))
        ours = percentiles(mailbelly(root, site, asked.mails))
    for goal, mine, theirs in zip((P50, P95), ours, bare, strict=True):
        goal.report(mine, f"a bare watcher takes {theirs:.0f} ms")


if __name__ == "__main__":
    main()
