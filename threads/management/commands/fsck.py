"""The conservation laws, a line for each."""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand

from threads.laws import LAWS


class Command(BaseCommand):
    help = "Check the conservation laws on live data; it changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = "example:\n  manage.py fsck --json"
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
