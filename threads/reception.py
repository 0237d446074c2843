"""A mail is handed over by an MTA that waits for our word: a pipe, or LMTP.

Only when the ledger has its last word on the mail do we say that we have it. Whatever
dies before, the MTA gives it again; the same bytes find their own row, and go on.
"""

from time import monotonic, sleep

from django.db import IntegrityError

from threads.arrival import LostClaimError
from threads.ingest import Options, hand_over
from threads.models import IngestRecord, Source
from threads.sources.handed import Handed

_TRIES = 4
# So long the same mail is left to whoever has it in hand: it may be dead.
PATIENCE_SECONDS = 2.0
_LOOK_SECONDS = 0.05
_State = IngestRecord.State


def receive(source: Source, door: Handed, options: Options) -> IngestRecord:
    """Its row, in a final state: done, duplicate, quarantined or oversize.

    Raises `NoParserError`, and what the database raises when it is gone.
    """
    for tries_left in reversed(range(_TRIES)):
        record = _settled(source, door.refs)
        if record is not None and _final(record, door, options):
            return record
        try:
            hand_over(source, door, door.refs, options)
        except (IntegrityError, LostClaimError):
            # The same mail at the same moment: the other one has stored it, or will.
            if not tries_left:
                raise
    record = _record(source, door.refs)
    if record is None or not _final(record, door, options):
        raise LostClaimError
    return record


def _record(source: Source, refs: list[str]) -> IngestRecord | None:
    rows = IngestRecord.objects.filter(source=source, epoch="", ref__in=refs)
    return rows.order_by("-pk").first()


def _settled(source: Source, refs: list[str]) -> IngestRecord | None:
    """Its row, when nobody has the mail in hand, or has had it for long."""
    give_up = monotonic() + PATIENCE_SECONDS
    while True:
        record = _record(source, refs)
        in_hand = record is not None and record.state == _State.SEEN and record.token
        if not in_hand or monotonic() > give_up:
            return record
        sleep(_LOOK_SECONDS)


def _final(record: IngestRecord, door: Handed, options: Options) -> bool:
    if record.state == _State.OVERSIZE:
        return door.size > options.limit
    return record.state != _State.SEEN
