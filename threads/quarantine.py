"""Where mail goes that could not be understood: kept whole, listed, tried again."""

import traceback
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from threads.events import operator_event
from threads.models import IngestRecord
from webhooks import faults
from webhooks.outbox import publish

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
        last_error=reason,
        token=None,
        claimed_until=None,
        updated_at=Now(),
    )
    if not mine:
        return False
    faults.step("quarantine.put")
    last_line = reason.strip().rpartition("\n")[2][:300]
    mailbox = record.source.mailbox
    publish(
        [
            operator_event(
                "mail.quarantined",
                mailbox,
                cause=f"mail.quarantined:{record.public_id}:{record.attempts}",
                subject=f"A mail for {mailbox.address} could not be understood",
                text=(
                    f"{last_line}\n\nThe mail is kept whole in the quarantine"
                    f" ({record.public_id}). Try again after an upgrade with:"
                    " manage.py quarantine retry --all"
                ),
                silent=record.silent,
            )
        ]
    )
    return True
