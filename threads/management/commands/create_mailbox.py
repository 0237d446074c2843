"""What the admin does, for scripts."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import transaction
from django.utils.translation import gettext as _

from threads.mail.addresses import normalise
from threads.management.arguments import add_imap, imap_password, imap_server
from threads.models import Mailbox, Source
from threads.sources.base import SourceError
from threads.sources.maildir import Maildir
from webhooks.management.base import OperatorCommand


class Command(OperatorCommand):
    help = "Create a mailbox, and the source its mail is read from."
    example = (
        "example:\n  manage.py create_mailbox support@example.com"
        " --name Support --maildir /var/mail/support\n"
        "  manage.py create_mailbox support@example.com"
        " --imap imaps://support@imap.example.com/INBOX"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", help="the address customers write to")
        parser.add_argument("--name", default="", help="the name on your replies")
        parser.add_argument("--maildir", help="the Maildir its mail arrives in")
        add_imap(parser, "the IMAP folder its mail arrives in")

    def handle(
        self,
        *,
        address: str,
        name: str,
        maildir: str | None,
        imap: str | None,
        password_file: str | None,
        **_o: Any,
    ) -> None:
        plain = normalise(address)
        if not plain:
            raise CommandError(
                _("%s is not an e-mail address. Write it as support@example.com.")
                % address,
                returncode=2,
            )
        if maildir and imap:
            raise CommandError(_("--maildir or --imap, not both."), returncode=2)
        location, kind, further = "", Source.Kind.MAILDIR, dict[str, Any]()
        if maildir:
            location = self._location(maildir)
        if imap:
            server = imap_server(imap)
            location, kind = server.url, Source.Kind.IMAP
            further = {"start": Source.Start.NOW, "report_old": False}
            if not _is_there(plain, kind, location):
                password = imap_password(password_file, server)
                further["settings"] = {"password": password}
        with transaction.atomic():
            said = [self._mailbox(plain, name)]
            if location:
                said.append(self._source(plain, kind, location, further))
        for line in said:
            self.stdout.write(line)

    def _location(self, maildir: str) -> str:
        try:
            return str(Maildir(Path(maildir).resolve()).path)
        except SourceError as error:
            raise CommandError(error.said(_), returncode=2) from error

    def _mailbox(self, address: str, name: str) -> str:
        if Mailbox.objects.filter(address=address).exists():
            return _("Mailbox %s is there already; nothing changed.") % address
        mailbox = Mailbox(address=address, name=name)
        try:
            mailbox.full_clean()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        mailbox.save()
        return _("Mailbox %s created.") % address

    def _source(
        self, address: str, kind: str, location: str, further: dict[str, Any]
    ) -> str:
        source, created = Source.objects.get_or_create(
            mailbox=Mailbox.objects.get(address=address),
            kind=kind,
            location=location,
            defaults=further,
        )
        if created:
            return _("It reads %s.") % source
        if not source.active:
            # Known from an `ingest --maildir`: from now on a source like any other.
            Source.objects.filter(pk=source.pk).update(active=True, **further)
            return _("It reads %s from now on.") % source
        return _("It reads %s already; nothing changed.") % source


def _is_there(address: str, kind: str, location: str) -> bool:
    return Source.objects.filter(
        mailbox__address=address, kind=kind, location=location, active=True
    ).exists()
