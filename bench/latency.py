"""How long from a file in the Maildir to the webhook's receiver, as shipped, idle.

    python -m bench.latency [COUNT]

Starts `worker` and `ingest --watch` on a database of its own (`DATABASE_URL`, or a new
SQLite file) and drops mails one by one. The yardstick in the same run is the least
that any such system does: notice the file by inotify and POST its bytes.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep

import requests
from watchfiles import watch

ROOT = Path(__file__).resolve().parent.parent
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
    for number in range(count):
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


def mailbelly(root: Path, count: int) -> list[float]:
    folder, receiver = maildir(root, "Maildir"), Receiver()
    environment = {
        "DATABASE_URL": f"sqlite:///{root}/bench.sqlite3",
        **os.environ,
        "ENV_FILE": str(ROOT / "tests" / "environment.env"),
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "LOG_LEVEL": "ERROR",
    }
    manage = [sys.executable, str(ROOT / "manage.py")]

    def run(*arguments: str) -> None:
        subprocess.run(
            [*manage, *arguments],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    run("migrate", "--verbosity", "0")
    run("create_mailbox", "support@shop.nl", "--maildir", str(folder))
    run(
        "shell",
        "--verbosity=0",
        "-c",
        "from webhooks.subscriptions import create;"
        f"create({{'url': '{receiver.url}', 'events': ['message.received']}})",
    )
    with ExitStack() as stack:
        for arguments in (["worker"], ["ingest", "--watch"]):
            process = subprocess.Popen(
                [*manage, *arguments],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
        sleep(5)
        return measure(folder, receiver, count)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as folder:
        bare = yardstick(Path(folder), count)
        ours = mailbelly(Path(folder), count)
    for name, took in (("bare", bare), ("mailbelly", ours)):
        p95 = statistics.quantiles(took, n=20)[-1]
        print(f"{name:10} p50 {statistics.median(took):6.0f} ms  p95 {p95:6.0f} ms")
    ratio = statistics.median(ours) / statistics.median(bare)
    print(f"ratio      p50 {ratio:6.1f} x the bare watcher")


if __name__ == "__main__":
    main()
