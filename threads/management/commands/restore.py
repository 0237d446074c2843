"""A backup becomes the database again; nothing of it is sent by itself."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from threads import restoring
from threads.management import copies
from webhooks.management.base import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Restore a backup into an empty database, and migrate it. Deliveries that were"
        " waiting are held and replies are in doubt, for they may have been sent since."
    )
    example = "example:\n  manage.py restore /backups/mailbelly-2026-01-31"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="as `backup` wrote it")

    def handle(self, *, file: Path, **_options: Any) -> None:
        try:
            copies.load(file)
        except OSError as error:
            raise CommandError(
                f"{file}: {error.strerror or error}", returncode=2
            ) from error
        call_command("migrate", verbosity=0, interactive=False)
        held = restoring.hold_back()
        said = _("Restored. Deliveries held: %(held)d; replies in doubt: %(doubt)d.")
        self.stdout.write(said % {"held": held.deliveries, "doubt": held.replies})
        self.stderr.write(
            _("Next: manage.py fsck, then manage.py ingest for what came in since.")
        )
