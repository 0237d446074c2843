"""What to click, paste and drop: said last of all, when it works."""

import threading
import urllib.request
from time import monotonic, sleep
from typing import TYPE_CHECKING

from mailbelly.run.preparation import ADMINISTRATOR, Prepared

if TYPE_CHECKING:
    import subprocess

_PATIENCE_SECONDS = 60
# With a LOG_LEVEL above INFO the worker does not say when it is ready.
_READY_SECONDS = 10
_OK = 200


class Greeter(threading.Thread):
    """Waits until the site answers and the fresh sample has been told."""

    def __init__(
        self, port: int, prepared: Prepared, process: "subprocess.Popen[str]"
    ) -> None:
        super().__init__(name="greeter", daemon=True)
        self.port = port
        self.prepared = prepared
        self.process = process
        self._told = threading.Semaphore(0)
        self._ready = threading.Event()

    def hear(self, line: str) -> None:
        """A line of one of the processes."""
        if "verified: message.received" in line:
            self._told.release()
        if "Cluster" in line and "is ready" in line:
            self._ready.set()

    def run(self) -> None:
        give_up = monotonic() + _PATIENCE_SECONDS
        while not _answers(self.port) and monotonic() < give_up:
            if self.process.poll() is not None:
                return
            sleep(0.1)
        self._ready.wait(_READY_SECONDS)
        for _ in range(self.prepared.expected):
            self._told.acquire(timeout=max(give_up - monotonic(), 0))
        if self.process.poll() is None:
            print(_text(self.port, self.prepared), flush=True)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as a:
            return bool(a.status == _OK)
    except OSError:
        return False


def _text(port: int, prepared: Prepared) -> str:
    key = prepared.key or "$MAILBELLY_API_KEY"
    lines = [
        "",
        "MailBelly is up; Ctrl-C stops it.",
        "",
        f"  staff site    http://localhost:{port}/admin/",
    ]
    if prepared.password:
        lines.append(f"                {ADMINISTRATOR}, password {prepared.password}")
    lines.append(f"  API page      http://localhost:{port}/api/docs")
    if prepared.key:
        lines.append("  API key       in the line below; key and password are shown")
        lines.append("                this once")
    else:
        lines.append("  API key       a new one comes from")
        lines.append("                .venv/bin/python manage.py create_api_key NAME")
    if prepared.maildir:
        lines.append(f"  drop a mail   into {prepared.maildir}/new/")
    url = f"http://127.0.0.1:{port}/api/v1/threads?limit=1"
    lines += ["", f"curl -s '{url}' -H \"Authorization: Bearer {key}\"", ""]
    return "\n".join(lines)
