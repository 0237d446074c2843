"""What the commands of operators share."""

from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import (
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    connection,
)
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from webhooks.checks import CONFIGURATION

# An "internal error" of PostgreSQL is the state of a connection: it is to a standby
# by now ("read_only_sql_transaction"), or was given up because it stood still.
_REFUSED = (OperationalError, InterfaceError, InternalError)


class OperatorCommand(BaseCommand):
    """Starts quickly: of the checks it makes only those of the configuration.

    `manage.py check` makes all of them.
    """

    requires_system_checks: tuple[str, ...] = (CONFIGURATION,)
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

    def execute(self, *args: Any, **options: Any) -> str | None:
        """A database that is not ready is told in a line; a bug keeps its traceback."""
        try:
            return super().execute(*args, **options)
        except (DatabaseError, InterfaceError) as error:
            said = not_migrated() or out_of_reach(error)
            if not said:
                raise
            raise CommandError(said) from error

    def expect_tables(self) -> None:
        """For what runs on while its database is away: tables won't come by waiting."""
        if said := not_migrated():
            raise CommandError(said)


def not_migrated() -> str:
    try:
        migrations = MigrationExecutor(connection)
        waiting = migrations.migration_plan(migrations.loader.graph.leaf_nodes())
    except (DatabaseError, InterfaceError):
        return ""
    if not waiting:
        return ""
    return _("The database is not up to date. First run: manage.py migrate")


def out_of_reach(error: Exception) -> str:
    if not isinstance(error, _REFUSED):
        return ""
    return _(
        "The database refused: %s. Nothing is lost or half stored; run it again when"
        " the database is well."
    ) % " ".join(str(error).split()).rstrip(".")
