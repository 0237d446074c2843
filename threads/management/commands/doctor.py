"""Everything a support person would ask."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from threads.doctor.examination import examine
from threads.doctor.finding import Finding, Level
from threads.management.arguments import printable
from webhooks.management.base import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Say how this installation is, each line with what to do: settings, database,"
        " disk, clock, secrets, address, mail servers, sources, worker, webhooks, laws."
        " It changes nothing; exit 1 when a line says error."
    )
    example = "examples:\n  manage.py doctor\n  manage.py doctor --quick --json"
    # It makes them itself, and goes on.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one object a line")
        parser.add_argument(
            "--quick",
            action="store_true",
            help="ask no other machine, and only the laws that take a moment",
        )

    def handle(self, **options: Any) -> None:
        errors: list[Finding] = []
        for finding in examine(quick=options["quick"]):
            if options["json"]:
                self.stdout.write(json.dumps(asdict(finding), ensure_ascii=False))
            else:
                self._line(finding)
            if finding.level == Level.ERROR:
                errors.append(finding)
        if errors:
            raise CommandError("\n".join(printable(str(error)) for error in errors))

    def _line(self, finding: Finding) -> None:
        style = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.ERROR: self.style.ERROR,
        }[finding.level]
        text = printable(f"{finding.about}: {finding.text}")
        self.stdout.write(f"{style(f'{finding.level:<7}')}  {text}")
        if finding.mend:
            self.stdout.write(f"         {printable(finding.mend)}")
