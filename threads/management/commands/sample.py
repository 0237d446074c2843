"""The try-out's sample, taken away."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from threads import sample
from webhooks.management.base import OperatorCommand


class Command(OperatorCommand):
    help = "Take the sample of `make run` away: its mailbox, mails and webhook."
    example = "example:\n  manage.py sample --remove"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--remove", action="store_true", help="take it away")

    def handle(self, **options: Any) -> None:
        if not options["remove"]:
            raise CommandError(
                _("Say --remove; `make run` adds a sample to an empty installation."),
                returncode=2,
            )
        if sample.remove():
            self.stdout.write(
                _("The sample is gone. Its Maildir is still there: %s")
                % sample.folder()
            )
        else:
            self.stdout.write(_("There is no sample; nothing changed."))
