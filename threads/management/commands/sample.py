"""The try-out's sample, taken away."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from threads import sample


class Command(BaseCommand):
    help = "Take the sample of `make run` away: its mailbox, mails and webhook."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = "example:\n  manage.py sample --remove"
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
