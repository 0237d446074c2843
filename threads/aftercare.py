"""What an IMAP server is told of a mail once it is stored: read, moved, or deleted.

Only ever after the second commit, and to delete after a grace period. It is written in
the ledger until it has happened, so that a death or a refusal only puts it off.
"""

from collections.abc import Callable
from datetime import timedelta
from itertools import groupby

from django.db.models import DateTimeField, ExpressionWrapper, Q, QuerySet, Value
from django.db.models.functions import Now

from threads.models import IngestRecord, Source
from threads.sourcelease import Lease
from threads.sources.base import Door
from threads.sources.imap import Imap
from webhooks import faults

AT_ONCE = 100
_State = IngestRecord.State
# Key, what to tell, UID.
_Due = tuple[int, str, str]


def give(source: Source, door: Door, lease: Lease, stopped: Callable[[], bool]) -> None:
    """Whatever is due, in batches. Raises `SourceError`; the rest waits for a pass."""
    if not isinstance(door, Imap):
        return
    while not stopped() and (due := list(_due(source, door.epoch)[:AT_ONCE])):
        for cleanup, rows in groupby(due, key=lambda row: row[1]):
            uids = {pk: int(ref) for pk, _cleanup, ref in rows}
            _tell(source, door, cleanup, list(uids.values()))
            faults.step("aftercare.told")
            IngestRecord.objects.filter(pk__in=list(uids)).update(cleanup="")
            faults.step("aftercare.noted")
        lease.keep()


def _due(source: Source, epoch: str) -> "QuerySet[IngestRecord, _Due]":
    grace = Value(timedelta(days=source.grace_days))
    old = ExpressionWrapper(Now() - grace, output_field=DateTimeField())
    return (
        IngestRecord.objects.filter(
            Q(updated_at__lt=old) | ~Q(cleanup=Source.After.DELETE),
            ~Q(cleanup=""),
            source=source,
            # Of an epoch before this one nobody knows the UIDs any more.
            epoch=epoch,
            state__in=[_State.DONE, _State.DUPLICATE],
        )
        .order_by("cleanup", "pk")
        .values_list("pk", "cleanup", "ref")
    )


def _tell(source: Source, door: Imap, cleanup: str, uids: list[int]) -> None:
    if cleanup == Source.After.SEEN:
        door.mark_seen(uids)
    elif cleanup == Source.After.MOVE:
        door.move(uids, source.move_to)
    else:
        door.delete(uids)
