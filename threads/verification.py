"""What a source has against what the database has, byte for byte; it changes nothing.

Every copy is read again: the ledger's word is what is checked.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import islice

from django.db.models import Count

from threads.models import IngestRecord, Message, Source
from threads.sources.base import Copy, Door, GoneError, OutageError, SourceError

_LOOKED_UP_AT_ONCE = 500
_State = IngestRecord.State
_LEFT = {_State.OVERSIZE, _State.UNFETCHABLE}


@dataclass(slots=True)
class Findings:
    """In copies of the source; the lists name them."""

    # A message with exactly these bytes, or one that says the same, is in the mailbox.
    present: int = 0
    # Kept and listed, but not understood.
    quarantined: int = 0
    # Over the limit, or nobody can fetch it: noted, and left where it is.
    left: int = 0
    # Entered and not finished; the next `ingest` does that.
    pending: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    # One copy became two messages, or two copies each say they brought the same one.
    twice: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return bool(self.missing or self.twice or self.errors)


def verify(
    source: Source,
    door: Door,
    *,
    since: datetime | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Findings:
    """Look at every copy; those from before `since` were never asked for."""
    found = Findings()
    earliest = since.timestamp() if since else 0.0
    copies = iter(door.copies())
    while not stopped() and (chunk := list(islice(copies, _LOOKED_UP_AT_ONCE))):
        rows = {r.ref: r for r in _records(source, door, [c.ref for c in chunk])}
        met: list[IngestRecord] = []
        for copy in door.look(chunk, ()):
            record = rows.get(copy.ref)
            if record is None and copy.modified < earliest:
                found.skipped["older"] += 1
            elif record is not None and record.state in _LEFT:
                found.left += 1
            else:
                met += _judge(source, door, copy, record, found)
        found.twice += _doubled(source, met)
    found.skipped += door.skipped
    return found


def _records(source: Source, door: Door, refs: list[str]) -> Iterable[IngestRecord]:
    return (
        IngestRecord.objects.filter(
            # By key: a source that nobody configured yet has none, and no rows.
            source=source.pk,
            epoch=door.epoch,
            ref__in=refs,
        )
        .select_related("original")
        .defer("original__content")
    )


def _judge(
    source: Source,
    door: Door,
    copy: Copy,
    record: IngestRecord | None,
    found: Findings,
) -> Iterator[IngestRecord]:
    """Counts a copy, and yields the row that accounts for its very bytes."""
    try:
        digest = sha256(door.read(copy)).hexdigest()
    except GoneError:
        return
    except OutageError:
        raise
    except SourceError as error:
        found.errors.append(str(error))
        return
    if record is not None and not _holds(record, digest):
        # Other content under an old name has a row of its own.
        record = next(iter(_records(source, door, [f"{copy.ref}#{digest}"])), None)
    if record is None or not _holds(record, digest):
        found.missing.append(copy.ref)
        return
    if record.state == _State.SEEN:
        found.pending += 1
    elif record.state == _State.QUARANTINED:
        found.quarantined += 1
    elif record.message_id is None:
        found.missing.append(copy.ref)
    else:
        found.present += 1
    yield record


def _holds(record: IngestRecord, digest: str) -> bool:
    return record.original is not None and record.original.sha256 == digest


def _doubled(source: Source, records: list[IngestRecord]) -> Iterator[str]:
    # The same bytes are one message of a mailbox.
    mailbox = {} if source.by_recipient else {"mailbox": source.mailbox}
    messages = (
        Message.objects.filter(
            direction=Message.Direction.INBOUND,
            original__in={record.original_id for record in records},
            **mailbox,
        )
        .values_list("original", "mailbox")
        .annotate(count=Count("pk"))
        .filter(count__gt=1)
    )
    many = {original for original, _, _ in messages}
    # A message was brought by one copy; the others are duplicates and say so.
    brought = (
        IngestRecord.objects.filter(
            state=_State.DONE,
            message__in={record.message_id for record in records if record.message_id},
        )
        .values_list("message")
        .annotate(count=Count("pk"))
        .filter(count__gt=1)
    )
    claimed = {message for message, _ in brought}
    for record in records:
        if record.original_id in many or (
            record.state == _State.DONE and record.message_id in claimed
        ):
            yield record.ref
