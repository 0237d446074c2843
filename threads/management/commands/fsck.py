"""The conservation laws, a line for each."""

import json
from argparse import ArgumentParser
from typing import Any

from threads.laws import LAWS
from webhooks.management.base import OperatorCommand


class Command(OperatorCommand):
    help = "Check the conservation laws on live data; it changes nothing."
    example = "example:\n  manage.py fsck --json"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one object a line")

    def handle(self, **options: Any) -> None:
        failed = False
        for law in LAWS:
            broken = list(law.broken())
            failed |= bool(broken)
            if options["json"]:
                line = {"law": law.name, "ok": not broken, "broken": broken}
                self.stdout.write(json.dumps(line, ensure_ascii=False))
            else:
                self.stdout.write(f"{'ok    ' if not broken else 'BROKEN'}  {law.name}")
            for sentence in broken:
                self.stderr.write(f"{law.name}: {sentence}")
        if failed:
            raise SystemExit(1)
