"""The first commit: original and ledger row, before anything is parsed.

A crash after it is finished from the database; the source is not needed again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from itertools import islice
from operator import attrgetter
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from threads.mail.limits import clean_text
from threads.models import IngestRecord, Original, Source
from threads.sources.base import (
    Copy,
    Door,
    GoneError,
    OutageError,
    SourceError,
    UnfetchableError,
)
from webhooks import faults
from webhooks.leases import clock, in_seconds
from webhooks.rows import insert, insert_or_find, new
from webhooks.wording import kept

LOOKED_UP_AT_ONCE = 500
CLAIM_SECONDS = 600
# After this long a copy that could not be fetched is tried again; at last daily.
TRY_AGAIN_SECONDS = (60, 600, 3600, 86_400)

_State = IngestRecord.State
FINAL = (_State.DONE, _State.DUPLICATE)


@dataclass(frozen=True)
class Arrived:
    """A copy that the ledger does not have yet, with its bytes."""

    copy: Copy
    ref: str
    content: bytes

    @cached_property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Known:
    """A copy that the ledger has; `state` says what became of it."""

    copy: Copy
    state: str
    ref: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    copy: Copy
    reason: str


@dataclass(frozen=True, slots=True)
class Unfetchable:
    copy: Copy
    reason: str


@dataclass(frozen=True, slots=True)
class Oversize:
    copy: Copy


@dataclass(frozen=True, slots=True)
class Older:
    """From before anybody wanted mail of this source: not read, and not entered."""

    copy: Copy


Found = Arrived | Known | Unreadable | Unfetchable | Oversize | Older


def compare(
    source: Source, door: Door, *, limit: int, since: datetime | None = None
) -> Iterator[Found]:
    """What is there against what the ledger has; one statement for 500 copies.

    Bytes are read only of what is new, of what lies in a place for new mail, and of
    what has another size than the ledger says: another mail under an old name.
    """
    copies = iter(door.copies())
    # What this pass has found new, which the ledger may not have yet: ref → sha256.
    met: dict[str, str] = {}
    earliest = since.timestamp() if since else 0.0
    while chunk := list(islice(copies, LOOKED_UP_AT_ONCE)):
        known = _known(source, door, [copy.ref for copy in chunk])
        for copy in door.look(chunk, known):
            row = known.get(copy.ref)
            if copy.ref in met and row is None:
                row = (-1, _State.SEEN, None)
            same = row is not None and (copy.lasting or row[0] == copy.size)
            unchanged = same and not copy.fresh
            if row is not None and row[1] == _State.OVERSIZE:
                # The limit may have been raised since.
                unchanged = copy.lasting and row[0] > limit
            if row is not None and (unchanged or copy.size > limit):
                yield Known(copy, row[1], copy.ref)
            elif row is None and copy.modified < earliest:
                yield Older(copy)
            elif copy.size > limit:
                met[copy.ref] = ""
                yield Oversize(copy)
            else:
                for found in _read(source, door, copy, row, met):
                    old = isinstance(found, Arrived) and copy.modified < earliest
                    yield Older(copy) if old else found


def _known(
    source: Source, door: Door, refs: list[str]
) -> dict[str, tuple[int, str, str | None]]:
    rows = (
        IngestRecord.objects.filter(
            # By key: a source that nobody configured yet has none, and no rows.
            source=source.pk,
            epoch=door.epoch,
            ref__among=refs,
        )
        .exclude(_to_be_tried_again())
        .values_list("ref", "size", "state", "original__sha256")
    )
    return {ref: (size, state, digest) for ref, size, state, digest in rows}


def _to_be_tried_again() -> Q:
    """What could not be fetched, and may be by now: as if it had not been met."""
    return Q(state=_State.UNFETCHABLE, claimed_until__lt=Now())


def _read(
    source: Source,
    door: Door,
    copy: Copy,
    row: tuple[int, str, str | None] | None,
    met: dict[str, str],
) -> Iterator[Arrived | Known | Unreadable | Unfetchable]:
    try:
        content = door.read(copy)
    except GoneError:
        return
    except UnfetchableError as error:
        yield Unfetchable(copy, error.sentence)
        return
    except OutageError:
        raise
    except SourceError as error:
        yield Unreadable(copy, error.sentence)
        return
    arrived = Arrived(copy, copy.ref, content)
    digest = arrived.sha256
    if row is None:
        met[copy.ref] = digest
        yield arrived
        return
    if digest in {row[2], met.get(copy.ref)}:
        yield Known(copy, row[1], copy.ref)
        return
    # Other content under an old name, as after a restore from backup.
    ref = f"{copy.ref}#{digest}"
    if again := _known(source, door, [ref]).get(ref):
        yield Known(copy, again[1], ref)
    elif ref in met:
        yield Known(copy, _State.SEEN, ref)
    else:
        met[ref] = digest
        yield Arrived(copy, ref, content)


@transaction.atomic
def enter(
    source: Source,
    epoch: str,
    arrived: Sequence[Arrived],
    *,
    token: UUID,
    silent: bool,
) -> list[IngestRecord]:
    """The first commit. The records come back claimed."""
    now = clock()
    originals = {
        a.sha256: new(
            Original,
            sha256=a.sha256,
            size=len(a.content),
            content=a.content,
            created_at=now,
        )
        for a in sorted(arrived, key=attrgetter("sha256"))
    }
    insert_or_find(list(originals.values()), "sha256")
    faults.step("ledger.originals")
    records = [
        new(
            IngestRecord,
            source=source,
            epoch=epoch,
            ref=a.ref,
            size=len(a.content),
            # The key alone: nobody holds the bytes once they are on their way.
            original_id=originals[a.sha256].pk,
            token=token,
            claimed_until=now + timedelta(seconds=CLAIM_SECONDS),
            silent=silent,
            cleanup="" if source.after == Source.After.LEAVE else source.after,
            received_at=now,
            updated_at=now,
        )
        for a in arrived
    ]
    if epoch:
        # Fetched at last: what said that it could not be makes room.
        IngestRecord.objects.filter(
            source=source,
            epoch=epoch,
            ref__among=[a.ref for a in arrived],
            state=_State.UNFETCHABLE,
        ).delete()
    insert(records)
    faults.step("ledger.records")
    return records


def unfetchable(source: Source, epoch: str, copy: Copy, reason: str) -> int:
    """Note that nobody can fetch it, and when to try again; how often it was tried."""
    record, _new = IngestRecord.objects.get_or_create(
        source=source,
        epoch=epoch,
        ref=copy.ref,
        defaults={"size": copy.size, "state": _State.UNFETCHABLE},
    )
    after = TRY_AGAIN_SECONDS[min(record.attempts, len(TRY_AGAIN_SECONDS) - 1)]
    IngestRecord.objects.filter(pk=record.pk, state=_State.UNFETCHABLE).update(
        attempts=F("attempts") + 1,
        claimed_until=in_seconds(after),
        last_error=clean_text(reason),
        error_words=[kept(reason)],
        updated_at=Now(),
    )
    return record.attempts + 1


def reclaim(source: Source, token: UUID) -> list[int]:
    """Take over what a death left between the two commits; charged when it runs."""
    free = Q(claimed_until=None) | Q(claimed_until__lt=Now())
    if not source.handed_over:
        # Who has the source has them all; else each has its own, without a lease.
        free |= ~Q(token=source.token)
    left = IngestRecord.objects.filter(free, source=source, state=_State.SEEN)
    left.update(token=token, claimed_until=in_seconds(CLAIM_SECONDS))
    return list(
        IngestRecord.objects.filter(source=source, state=_State.SEEN, token=token)
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def take_over(
    source: Source, epoch: str, refs: Sequence[str], token: UUID
) -> list[int]:
    """A mail that is handed over again, from whoever had it: who waits is served."""
    one = IngestRecord.objects.filter(
        source=source, epoch=epoch, ref__in=refs, state=_State.SEEN
    )
    one.update(token=token, claimed_until=in_seconds(CLAIM_SECONDS))
    return list(one.filter(token=token).values_list("pk", flat=True))


def charge(record: IngestRecord) -> None:
    """An attempt, committed before the mail is tried alone."""
    IngestRecord.objects.filter(pk=record.pk).update(attempts=F("attempts") + 1)
    record.attempts += 1


def forgive(record: IngestRecord) -> None:
    """Take a charge back: nobody tried it after all."""
    IngestRecord.objects.filter(pk=record.pk).update(attempts=F("attempts") - 1)
    record.attempts -= 1
