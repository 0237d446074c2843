"""Where mail goes that could not be understood: kept whole, listed, tried again."""

import traceback
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext

from threads.events import operator_event
from threads.models import IngestRecord
from webhooks import faults
from webhooks.outbox import publish
from webhooks.wording import kept, last_of, shown

_LONGEST_REASON = 20_000


def reason_of(error: BaseException) -> str:
    """The traceback, storable everywhere."""
    text = "".join(traceback.format_exception(error))[-_LONGEST_REASON:]
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


@transaction.atomic
def put(record: IngestRecord, reason: str, *, token: UUID) -> bool:
    """Set a mail aside and tell of it. False when it is no longer ours to judge."""
    mine = IngestRecord.objects.filter(
        pk=record.pk, state=IngestRecord.State.SEEN, token=token
    ).update(
        state=IngestRecord.State.QUARANTINED,
        last_error=str(reason),
        error_words=[kept(last_line(reason))],
        token=None,
        claimed_until=None,
        updated_at=Now(),
    )
    if not mine:
        return False
    faults.step("quarantine.put")
    mailbox = record.source.mailbox
    publish(
        [
            operator_event(
                "mail.quarantined",
                mailbox,
                # A pass judges a mail once; one that is tried again may fail again.
                cause=f"mail.quarantined:{record.public_id}:{token}",
                subject=f"A mail for {mailbox.address} could not be understood",
                text=(
                    f"{last_line(reason)[:300]}\n\n"
                    "The mail is kept whole in the quarantine"
                    f" ({record.public_id}). Try again after an upgrade with:"
                    " manage.py quarantine retry --all"
                ),
                silent=record.silent,
            )
        ]
    )
    return True


@transaction.atomic
def release(record: IngestRecord) -> bool:
    """Once more, by the next pass over its source; `received_at` stays as it was.

    False when it is not in quarantine (any more).
    """
    freed = IngestRecord.objects.filter(
        pk=record.pk, state=IngestRecord.State.QUARANTINED
    ).update(
        state=IngestRecord.State.SEEN,
        attempts=0,
        token=None,
        claimed_until=None,
        updated_at=Now(),
    )
    return bool(freed)


def told(record: IngestRecord) -> str:
    """The same in the language of whoever looks."""
    return shown(record.error_words, last_line(record.last_error), gettext)


def last_line(reason: str) -> str:
    """What a traceback comes to.

    >>> last_line("Traceback …\\nValueError: too deep\\n")
    'ValueError: too deep'
    """
    return last_of(reason)
