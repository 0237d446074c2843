"""MailBelly as shipped: its commands, run as processes on a database of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
ADDRESS = "support@shop.nl"


class MailBelly:
    def __init__(self, database_url: str) -> None:
        self.environment = {
            **os.environ,
            "ENV_FILE": str(ROOT / "tests" / "environment.env"),
            "DATABASE_URL": database_url,
            "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
            "LOG_LEVEL": "ERROR",
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "mailbelly.settings",
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *arguments]

    def manage(self, *arguments: str) -> str:
        """Run a command to its end; its standard output."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
        ).stdout

    def timed(self, *arguments: str) -> tuple[float, dict[str, Any]]:
        """Seconds by the wall clock, and what the command said in `--json`."""
        begun = perf_counter()
        said = self.manage(*arguments, "--json")
        return perf_counter() - begun, json.loads(said.splitlines()[-1])

    def script(self, name: str, *arguments: str) -> str:
        """A script of `bench/ours/` within MailBelly's Django."""
        return subprocess.run(
            [sys.executable, "-m", f"bench.ours.{name}", *arguments],
            env=self.environment,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        ).stdout

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
