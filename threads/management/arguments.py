"""What commands are given, and what a terminal may be shown."""

import sys
from argparse import ArgumentParser
from datetime import UTC, datetime, time
from getpass import getpass
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from threads.sources.base import SourceError
from threads.sources.imapserver import Server


def since(text: str | None) -> datetime | None:
    """A date is 00:00 UTC; a time needs an offset, as in the API."""
    if text is None:
        return None
    try:
        if (day := parse_date(text)) is not None:
            return datetime.combine(day, time(), tzinfo=UTC)
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CommandError(
            _("--since: write a date as 2026-01-31, or 2026-01-31T09:00:00+01:00."),
            returncode=2,
        )
    return moment


def add_imap(parser: ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--imap",
        metavar="URL",
        help=f"{what}: imaps://user@imap.example.com/INBOX (imap:// is STARTTLS)",
    )
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help="its password; else IMAP_PASSWORD, else it is asked for",
    )


def imap_server(url: str) -> Server:
    try:
        return Server.parse(url)
    except SourceError as error:
        raise CommandError(error.said(_), returncode=2) from error


def imap_password(file: str | None, server: Server) -> str:
    """Never an argument: those stand in the process list."""
    if file:
        try:
            return Path(file).read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeError) as error:
            raise CommandError(
                _("--password-file: %(file)s can't be read (%(error)s).")
                % {"file": file, "error": error},
                returncode=2,
            ) from error
    if settings.IMAP_PASSWORD:
        return str(settings.IMAP_PASSWORD)
    if not sys.stdin.isatty():
        raise CommandError(
            _("There is no password: use --password-file, or set IMAP_PASSWORD."),
            returncode=2,
        )
    return getpass(
        _("Password of %(user)s at %(host)s: ")
        % {"user": server.username, "host": server.host}
    )


def printable(line: str) -> str:
    """A terminal obeys what it is shown: nothing that steers it.

    >>> printable("a\\x1b[2Jb")
    'a\N{REPLACEMENT CHARACTER}[2Jb'
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
