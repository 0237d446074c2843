"""What commands are given, and what a terminal may be shown."""

from datetime import UTC, datetime, time

from django.core.management.base import CommandError
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _


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


def printable(line: str) -> str:
    """A terminal obeys what it is shown: nothing that steers it.

    >>> printable("a\\x1b[2Jb")
    'a\N{REPLACEMENT CHARACTER}[2Jb'
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
