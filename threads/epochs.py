"""Which folder the UIDs in the ledger belong to, and what it means when it changes.

A server that gives out its UIDs anew (RFC 9051, 2.3.1.1) starts a new epoch of the
ledger: every mail is met again and known by what it says; only new ones are new.
"""

from uuid import uuid4

from django.db import transaction

from threads.events import operator_event
from threads.models import Source
from threads.sources.base import Door
from threads.sources.imap import Imap
from webhooks import faults
from webhooks.outbox import NewEvent, publish


def note(source: Source, door: Door) -> None:
    """Write down what the door found, before its first mail is entered."""
    if not isinstance(door, Imap):
        return
    found = {
        "uidvalidity": door.epoch,
        "uid_next": door.next_uid,
        "uid_floor": door.floor,
    }
    if all(getattr(source, name) == value for name, value in found.items()):
        return
    with transaction.atomic():
        old = Source.objects.filter(pk=source.pk).values_list("uidvalidity", flat=True)
        before = old.get()
        Source.objects.filter(pk=source.pk).update(**found)
        if before and before != door.epoch:
            publish([_reset(source, before, door.epoch)])
    faults.step("epochs.noted")
    for name, value in found.items():
        setattr(source, name, value)


def _reset(source: Source, before: str, now: str) -> NewEvent:
    mailbox = source.mailbox
    return operator_event(
        "mailbox.reset",
        mailbox,
        cause=f"mailbox.reset:{source.pk}:{now}:{uuid4()}",
        subject=f"The mail server has renumbered {mailbox.address}",
        text=(
            f"{source}: UIDVALIDITY was {before} and is {now}: the folder was restored"
            " or made anew. All its mails are looked at again; those that are known"
            " stay what they are. There is nothing to do."
        ),
    )
