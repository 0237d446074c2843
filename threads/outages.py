"""A source out of reach: told once when it begins and once when it ends.

A server that refuses the login is spared for a while: asking on locks accounts.
"""

from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from threads.events import operator_event
from threads.mail.limits import clean_text
from threads.models import Source
from threads.sources.base import LoginRefusedError, SourceError
from webhooks.leases import in_seconds
from webhooks.outbox import publish
from webhooks.wording import kept
from webhooks.wording import marked as _

SPARED_SECONDS = 300
_LONGEST_ERROR = 2_000


class SparedError(SourceError):
    """It has refused us just now; nothing was asked."""


def check_spared(source: Source) -> None:
    """Raises `SparedError`, with what the server said."""
    if source.spared_until is None:
        return
    if Source.objects.filter(pk=source.pk, spared_until__gt=Now()).exists():
        raise SparedError(
            _(
                "The login was refused; it is tried again at %(time)s UTC. Until then"
                " only “Test connection” tries. %(error)s"
            ),
            time=f"{source.spared_until:%H:%M:%S}",
            error=source.last_error,
        )


def begin(source: Source, error: SourceError) -> None:
    """The first failure of an outage is an event; each is in the source's row."""
    said: dict[str, Any] = {
        "last_error": clean_text(str(error), _LONGEST_ERROR),
        "error_words": [kept(error.sentence)],
    }
    if isinstance(error, LoginRefusedError):
        said["spared_until"] = in_seconds(SPARED_SECONDS)
    with transaction.atomic():
        row = Source.objects.filter(pk=source.pk)
        row.update(**said)
        if not row.filter(failing_since=None, active=True).update(failing_since=Now()):
            return
        mailbox = source.mailbox
        publish(
            [
                operator_event(
                    "mailbox.error",
                    mailbox,
                    cause=f"mailbox.error:{source.pk}:{uuid4()}",
                    subject=f"The mail of {mailbox.address} can't be fetched",
                    text=f"{source}: {error}\n\nIt is tried again by itself.",
                )
            ]
        )


def end(source: Source) -> None:
    """It can be read (again)."""
    if source.failing_since is None and source.spared_until is None:
        return
    with transaction.atomic():
        row = Source.objects.filter(pk=source.pk)
        failing = Q(failing_since__isnull=False)
        ended = row.filter(failing).update(failing_since=None, spared_until=None)
        row.update(spared_until=None)
        if not ended:
            return
        mailbox = source.mailbox
        publish(
            [
                operator_event(
                    "mailbox.recovered",
                    mailbox,
                    cause=f"mailbox.recovered:{source.pk}:{uuid4()}",
                    subject=f"The mail of {mailbox.address} is fetched again",
                    text=f"{source}: what waited there comes in now.",
                )
            ]
        )
