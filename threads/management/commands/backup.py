"""The whole database as one file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import connection
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from threads.management import copies
from webhooks.management.base import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Write the whole database into a file, while everything works. Keep SECRET_KEY"
        " and ENCRYPTION_KEYS elsewhere: the file's secrets open with those alone."
    )
    example = "example:\n  manage.py backup /backups/mailbelly-2026-01-31"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="there must be none of that name")

    def handle(self, *, file: Path, **_options: Any) -> None:
        connection.ensure_connection()
        self.expect_tables()
        if file.exists():
            raise CommandError(_("%s is there already.") % file, returncode=2)
        begun = file.with_name(f"{file.name}.part")
        try:
            copies.save(begun)
            begun.replace(file)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror or error}") from error
        finally:
            begun.unlink(missing_ok=True)
        size = filesizeformat(file.stat().st_size).replace("\xa0", " ")
        self.stdout.write(f"{file}  {size}")
