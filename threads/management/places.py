"""What a command names that nobody configured: a folder, a server, files, a pipe."""

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from threads.doors import source_for
from threads.management.arguments import add_imap, imap_password, imap_server
from threads.models import Mailbox, Source
from threads.routing import Router
from threads.sources.base import Door, SourceError
from threads.sources.files import Letters, Mbox
from threads.sources.maildir import Maildir

PLACES = ("maildir", "imap", "mbox", "eml", "stdin")
# Each mail of the others says for whom it is.
_NEEDS_TO = {"maildir": "--maildir DIR", "imap": "--imap URL"}
# Of what is configured, or of no single place.
_NOT_WITH = ("watch", "mailbox")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--maildir", help="a Maildir that is not configured")
    add_imap(parser, "an IMAP folder that is not configured")
    parser.add_argument("--mbox", help="an mbox file")
    parser.add_argument("--eml", nargs="+", help="files of one mail each")
    parser.add_argument(
        "--stdin",
        action="store_true",
        help="one mail from an MTA: exit 0 once it is stored, else 75 (try again)",
    )
    parser.add_argument(
        "--to",
        help=(
            "the mailbox that these are for; without it, the one that each mail was"
            " delivered to"
        ),
    )


def given(options: dict[str, Any]) -> str:
    """Which of the places was named; `""` for none."""
    names = [name for name in PLACES if options[name]]
    if len(names) > 1:
        raise CommandError(
            _("Choose one of --maildir, --imap, --mbox, --eml and --stdin."),
            returncode=2,
        )
    if not names:
        if options["to"]:
            raise CommandError(
                _("--to goes with --maildir, --imap, --mbox, --eml or --stdin."),
                returncode=2,
            )
        return ""
    refused = [name for name in _NOT_WITH if options[name]]
    # A pipe may say it either way.
    if names == ["stdin"] and refused == ["mailbox"] and not options["to"]:
        refused = []
    if refused:
        raise CommandError(
            _("--mailbox and --watch are for configured sources, not --%s.") % names[0],
            returncode=2,
        )
    if (place := _NEEDS_TO.get(names[0])) and not options["to"]:
        raise CommandError(_("%s and --to ADDRESS go together.") % place, returncode=2)
    return names[0]


def mailbox(options: dict[str, Any]) -> Mailbox | None:
    """Whom `--to` names, by any address that finds it; None without one."""
    addresses = [options["to"]] if options["to"] else options["mailbox"] or []
    if not addresses:
        return None
    found = Router.now().mailbox_of(addresses[:1])
    if found is None or len(addresses) > 1:
        raise CommandError(no_mailbox("--to", ", ".join(addresses)), returncode=2)
    return found


def no_mailbox(option: str, address: str) -> str:
    return _(
        "%(option)s: there is no mailbox %(address)s. Create it in the admin,"
        " or with: manage.py create_mailbox %(address)s"
    ) % {"option": option, "address": address}


def opened(place: str, options: dict[str, Any]) -> Iterator[tuple[Source, Door | None]]:
    """Each with the source whose ledger it has; a folder of files is one.

    An IMAP server is asked in its turn. Its password is kept nowhere.
    """
    make = not (options["check"] or options["verify"])
    to = mailbox(options)
    if place == "imap":
        server = imap_server(options["imap"])
        password = imap_password(options["password_file"], server)
        source = source_for(to, Source.Kind.IMAP, server.url, make=make)
        source.settings = {**(source.settings or {}), "password": password}
        yield source, None
        return
    doors: dict[tuple[str, str], Door] = {}
    try:
        if place == "maildir":
            path = Path(options["maildir"]).resolve()
            doors[Source.Kind.MAILDIR, str(path)] = Maildir(path)
        elif place == "mbox":
            path = Path(options["mbox"]).resolve()
            doors[Source.Kind.FILES, str(path)] = Mbox(path)
        else:
            files = [Path(name).resolve() for name in options["eml"]]
            for folder in dict.fromkeys(file.parent for file in files):
                own = [file for file in files if file.parent == folder]
                doors[Source.Kind.FILES, str(folder)] = Letters(own)
        for (kind, location), door in doors.items():
            yield source_for(to, kind, location, make=make), door
    except SourceError as error:
        raise CommandError(error.said(_), returncode=2) from error
