"""What the commands of operators share."""

from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from webhooks.checks import CONFIGURATION


class OperatorCommand(BaseCommand):
    """Starts quickly: of the checks it makes only those of the configuration.

    `manage.py check` makes all of them.
    """

    requires_system_checks = (CONFIGURATION,)
    # Shown at the end of `--help`, as it is written.
    example = ""

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        kwargs |= {
            "formatter_class": RawDescriptionHelpFormatter,
            "epilog": self.example,
        }
        return super().create_parser(prog_name, subcommand, **kwargs)
