"""Whether mail can come in and go out: each source and each mail server is asked."""

import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db.models.functions import Now

from threads.doctor.finding import Finding, error, ok, warning
from threads.mailserver import server_of
from threads.models import IngestRecord, Mailbox, Source
from threads.probes import try_smtp, try_source
from threads.sources.maildir import shown

_LISTED = 5


def sources() -> Iterator[Finding]:
    """Opened as the watcher opens them, by the user who runs this."""
    asked = Source.objects.filter(active=True).select_related("mailbox")
    fetched = [source for source in asked.order_by("pk") if not source.handed_over]
    for source in fetched:
        yield from _source(source)
    if not fetched and not Source.objects.exists():
        yield warning(
            "source",
            "There is none: no mail comes in.",
            "manage.py create_mailbox support@example.com --maildir DIR, or the page"
            " Sources.",
        )


def servers() -> Iterator[Finding]:
    """Each SMTP server once, however many mailboxes it serves."""
    about = "smtp"
    asked: dict[str, list[Mailbox]] = {}
    known = {}
    for mailbox in Mailbox.objects.order_by("address"):
        server = server_of(mailbox)
        if not server:
            yield warning(
                about,
                f"{mailbox} has no server: its replies are refused.",
                "Set SMTP on the mailbox, or EMAIL_HOST.",
            )
            continue
        name = repr(sorted(server.items()))
        known[name] = server
        asked.setdefault(name, []).append(mailbox)
    for name, mailboxes in asked.items():
        found = try_smtp(known[name])
        served = _listed([str(mailbox) for mailbox in mailboxes])
        if found.ok:
            yield ok(about, f"{served}: {found.text}")
        else:
            mend = "Mend it on the mailbox (Test SMTP), or in EMAIL_…"
            yield error(about, f"{served}: {found.text}", mend)


def own_mail() -> Iterator[Finding]:
    """The installation's own: warnings to the staff, links to set a password."""
    about = "own mail"
    if not settings.EMAIL_HOST:
        yield warning(
            about,
            "Nobody is told by mail when a webhook fails.",
            "Set EMAIL_HOST and DEFAULT_FROM_EMAIL.",
        )
    elif not settings.DEFAULT_FROM_EMAIL:
        yield warning(
            about, "It has no sender.", "Set DEFAULT_FROM_EMAIL=mailbelly@example.com."
        )
    else:
        yield ok(about, f"{settings.DEFAULT_FROM_EMAIL} by {settings.EMAIL_HOST}")


def left_unread() -> Iterator[Finding]:
    """What stays at the source: too large, or not to be had."""
    left = IngestRecord.objects.left().filter(source__active=True)
    # What LMTP refused is with its sender again.
    left = left.exclude(source__kind=Source.Kind.LMTP)
    found = left.order_by().values_list("source__mailbox__address", "source")
    for address, source in found.distinct():
        count = left.filter(source=source).count()
        yield warning(
            "left at the source",
            f"{address}: {count} mails are too large, or could not be fetched.",
            f"{settings.PUBLIC_URL}/admin/threads/source/{source}/change/ lists them,"
            " with what to do.",
        )


def _source(source: Source) -> Iterator[Finding]:
    about = "source"
    name = f"{source.mailbox}, {source}"
    if Source.objects.filter(pk=source.pk, spared_until__gt=Now()).exists():
        yield error(about, f"{name}: {source.trouble}", "Mend its login on its page.")
        return
    found = try_source(source)
    if not found.ok:
        mend = "This was asked by this process: run it as the watcher runs."
        yield error(about, f"{name}: {found.text}", mend)
        return
    if closed := _closed(source):
        yield error(
            about,
            f"{name}: this user may not move mails in {_listed(closed)}.",
            "Give the watcher's user these folders: chown -R, or chmod g+rwx.",
        )
        return
    yield ok(about, f"{name}: {found.text}")


def _closed(source: Source) -> list[str]:
    """What is in is moved from new/ to cur/."""
    if source.kind != Source.Kind.MAILDIR:
        return []
    folders = [Path(source.location) / name for name in ("new", "cur")]
    allowed = os.R_OK | os.W_OK | os.X_OK
    return [
        shown(folder)
        for folder in folders
        if not os.access(folder, allowed, effective_ids=True)
    ]


def _listed(names: list[str]) -> str:
    more = len(names) - _LISTED
    shown_ones = ", ".join(names[:_LISTED])
    return f"{shown_ones} and {more} more" if more > 0 else shown_ones
