"""What a person wrote, or one message, is forgotten for good."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from threads import erasing
from threads.actors import SYSTEM
from threads.errors import RefusedError
from threads.mail.addresses import normalise
from threads.management.arguments import printable
from threads.models import IngestRecord, Message
from webhooks.management.base import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Erase the threads of a customer and what they wrote in those of others, or one"
        " message: texts, people, attachments, originals, and what webhooks were told."
        " It can't be taken back; backups and the mail server keep what they have."
    )
    example = (
        "examples:\n"
        "  manage.py erase klant@bedrijf.nl --dry-run\n"
        "  manage.py erase klant@bedrijf.nl\n"
        "  manage.py erase --message cmm1k0v2h3q8w5n1x7z4p6r0t --yes"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", nargs="?", help="of the person")
        parser.add_argument("--message", metavar="ID", help="only this message")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would go, and stop"
        )
        parser.add_argument("--yes", action="store_true", help="don't ask")

    def handle(self, **options: Any) -> None:
        address, message = options["address"], options["message"]
        if bool(address) == bool(message):
            raise CommandError(
                _("Name an address, or --message ID; one of them."), returncode=2
            )
        if message:
            self._message(message, options)
        else:
            self._person(address, options)

    def _message(self, name: str, options: dict[str, Any]) -> None:
        found = Message.objects.kept().filter(public_id=name).first()
        if found is None:
            raise CommandError(_("There is no message %s.") % name, returncode=2)
        self.stdout.write(printable(f"{found.public_id}  {found.sender}  {found}"))
        if not self._agreed(options):
            return
        try:
            erasing.erase_message(found.pk, actor=SYSTEM)
        except RefusedError as refusal:
            raise CommandError(f"{refusal.detail} {refusal.fix}") from refusal
        self.stdout.write(_("Erased."))

    def _person(self, address: str, options: dict[str, Any]) -> None:
        plain = normalise(address)
        if not plain:
            raise CommandError(
                _("%s is not an e-mail address. Write it as you@example.com.")
                % address,
                returncode=2,
            )
        counts = {
            "threads": len(erasing.threads_of(plain)),
            "messages": len(erasing.messages_of(plain)),
        }
        self.stdout.write(
            _("Threads of %(address)s: %(threads)d; messages by them: %(messages)d.")
            % {"address": plain, **counts}
        )
        self._hint(plain)
        if not self._agreed(options):
            return
        erased = erasing.erase_person(plain, actor=SYSTEM)
        self.stdout.write(
            _("Erased: %(threads)d threads, and %(messages)d messages in others.")
            % {"threads": erased.threads, "messages": erased.messages}
        )
        if erased.refused:
            raise CommandError("\n".join(erased.refused))

    def _agreed(self, options: dict[str, Any]) -> bool:
        if options["dry_run"]:
            return False
        if options["yes"]:
            return True
        if not sys.stdin.isatty():
            raise CommandError(_("Add --yes, for nobody can be asked."), returncode=2)
        return input(_("Erase this for good? Type yes: ")).strip().lower() == "yes"

    def _hint(self, address: str) -> None:
        """Nobody has understood whose these are."""
        quarantined = IngestRecord.objects.filter(
            state=IngestRecord.State.QUARANTINED
        ).select_related("original")
        for record in quarantined.order_by("pk").iterator(chunk_size=20):
            content = bytes(record.original.content) if record.original else b""
            if address.encode() in content.lower():
                self.stderr.write(
                    _("A mail in quarantine names this address and stays: %s")
                    % record.public_id
                )
