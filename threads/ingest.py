"""Mail comes in: one pass over one source, exactly once whatever dies on the way.

First commit: the original and its ledger row. Then the mail is parsed. Second commit:
message, thread, events, deliveries, and the ledger's `done`. Only then is the source
told. A death between the commits is finished from the database by the next pass.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import InterfaceError, OperationalError, transaction

from threads import ledger, quarantine, sourcelease
from threads.arrival import Incoming, LostClaimError, store
from threads.events import operator_event
from threads.house import House
from threads.mail.parse import parse
from threads.models import IngestRecord, Source
from threads.sources.base import Copy, Door, GoneError, SourceError
from webhooks import faults
from webhooks.outbox import publish

BATCH_MAILS = 50
BATCH_BYTES = 32 * 1024 * 1024
LONE_DEATHS = 3
HOP_LIMIT = 50
_DEADLOCK = "40P01"
_DEADLOCK_TRIES = 3


@dataclass(slots=True)
class Tally:
    """What one pass did, in mails."""

    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    oversize: int = 0
    known: int = 0
    known_quarantined: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    # What failed, in sentences for a person.
    errors: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return bool(self.errors or self.quarantined)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    silent: bool = False
    since: datetime | None = None
    limit: int
    # Asked between batches: finish the mail in hand, then leave.
    stopped: Callable[[], bool] = lambda: False
    progress: Callable[[Tally], None] = lambda _: None


def take_in(source: Source, door: Door, options: Options) -> Tally:
    """One pass. Raises `SourceBusyError`; and what the database raises when it is gone.

    Whatever was raised, no mail is lost or half stored: the next pass goes on.
    """
    lease = sourcelease.acquire(source)
    tally = Tally()
    complete = False
    try:
        run = _Pass(source, door, options, lease, tally)
        run.finish_what_a_death_left()
        complete = run.take_in_the_new()
    except SourceError as error:
        tally.errors.append(str(error))
    finally:
        tally.skipped += door.skipped
        sourcelease.release(
            lease, error="\n".join(tally.errors)[:2000], complete=complete
        )
    return tally


def resume(source: Source, options: Options) -> Tally:
    """Finish what the ledger has and nobody finished; the source itself is not read.

    Raises `SourceBusyError`: then whoever has it finishes it.
    """
    lease = sourcelease.acquire(source)
    tally = Tally()
    try:
        _Pass(source, _Shut(), options, lease, tally).finish_what_a_death_left()
    finally:
        sourcelease.release(lease, error=source.last_error)
    return tally


class _Shut:
    """A door that nothing comes through."""

    epoch = ""

    def __init__(self) -> None:
        self.skipped: Counter[str] = Counter()

    def copies(self) -> Iterator[Copy]:
        return iter(())

    def read(self, copy: Copy) -> bytes:
        raise GoneError(copy.ref)

    def done(self, copy: Copy) -> None:
        """There is nobody to tell; the next pass of the source does."""


def batches(arrived: Iterator[ledger.Arrived]) -> Iterator[list[ledger.Arrived]]:
    """Up to fifty mails, and not much more than 32 MiB in memory."""
    batch: list[ledger.Arrived] = []
    size = 0
    for mail in arrived:
        batch.append(mail)
        size += len(mail.content)
        if len(batch) >= BATCH_MAILS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Pass:
    def __init__(
        self,
        source: Source,
        door: Door,
        options: Options,
        lease: sourcelease.Lease,
        tally: Tally,
    ) -> None:
        self.source = source
        self.mailbox = source.mailbox
        self.door = door
        self.options = options
        self.lease = lease
        self.tally = tally
        self.house = House.of(source.mailbox)
        self.imported = source.first_pass_at is None
        self.silent = options.silent or (self.imported and not source.report_old)

    def finish_what_a_death_left(self) -> None:
        """Each alone: only then does another death say which mail was the cause."""
        for pk in ledger.reclaim(self.source, self.lease.token):
            if self.options.stopped():
                return
            record = IngestRecord.objects.select_related("original").get(pk=pk)
            if record.attempts >= LONE_DEATHS:
                self._set_aside(
                    record, f"It ended the process that read it {LONE_DEATHS} times."
                )
                continue
            ledger.charge(record)
            self._understand([record])
            self.lease.keep()

    def take_in_the_new(self) -> bool:
        """All that the ledger does not have. False when told to stop before the end."""
        for batch in batches(self._arrived()):
            records = ledger.enter(
                self.source,
                self.door.epoch,
                batch,
                token=self.lease.token,
                silent=self.silent,
            )
            faults.step("ingest.entered")
            self._understand(records)
            faults.step("ingest.stored")
            for mail in batch:
                self._done(mail.copy)
            faults.step("ingest.done")
            self.options.progress(self.tally)
            if self.options.stopped():
                return False
            self.lease.keep()
        return True

    def _arrived(self) -> Iterator[ledger.Arrived]:
        """What is new; the known, unreadable and too big are dealt with on the way."""
        since = self.options.since.timestamp() if self.options.since else 0.0
        for found in ledger.compare(self.source, self.door, limit=self.options.limit):
            match found:
                case ledger.Arrived(copy=copy) if copy.modified < since:
                    self.tally.skipped["older"] += 1
                case ledger.Arrived():
                    yield found
                case ledger.Known(copy=copy, state=state):
                    self._known(copy, state)
                case ledger.Unreadable(reason=reason):
                    self.tally.skipped["unreadable"] += 1
                    self.tally.errors.append(reason)
                case ledger.Oversize(copy=copy):
                    self._oversize(copy)

    def _known(self, copy: Copy, state: str) -> None:
        if state == IngestRecord.State.QUARANTINED:
            self.tally.known_quarantined += 1
        else:
            self.tally.known += 1
        if state in {*ledger.FINAL, IngestRecord.State.QUARANTINED}:
            self._done(copy)

    def _done(self, copy: Copy) -> None:
        try:
            self.door.done(copy)
        except SourceError as error:
            self.tally.errors.append(str(error))

    def _understand(self, records: Sequence[IngestRecord]) -> None:
        """Parse and store; whatever a mail raises sets that one aside."""
        batch = []
        for record in records:
            try:
                batch.append(self._parsed(record))
            except Exception as error:  # noqa: BLE001 -- any failure is this mail's own
                self._set_aside(record, quarantine.reason_of(error))
        if not batch:
            return
        try:
            self._store(batch)
        except (OperationalError, InterfaceError, LostClaimError):
            raise
        except Exception as error:  # noqa: BLE001 -- found out one by one
            if len(batch) == 1:
                self._set_aside(batch[0].record, quarantine.reason_of(error))
                return
            for incoming in batch:
                self._understand([incoming.record])

    def _parsed(self, record: IngestRecord) -> Incoming:
        if record.original is None:
            raise ValueError("The ledger has no original for this mail.")
        mail = parse(
            bytes(record.original.content),
            trusted_authserv_ids=self.mailbox.trusted_authserv_ids,
        )
        if mail.hops > HOP_LIMIT:
            raise ValueError(
                f"hop_limit: it passed {mail.hops} servers; over {HOP_LIMIT} is a loop."
            )
        return Incoming(record, mail, imported=self.imported, silent=record.silent)

    def _store(self, batch: Sequence[Incoming]) -> None:
        for tries_left in reversed(range(_DEADLOCK_TRIES)):
            try:
                stored = store(
                    self.mailbox, batch, house=self.house, token=self.lease.token
                )
            except OperationalError as error:
                deadlock = getattr(error.__cause__, "sqlstate", "") == _DEADLOCK
                if not (deadlock and tries_left):
                    raise
            else:
                self.tally.stored += stored.messages
                self.tally.duplicates += stored.duplicates
                return

    def _set_aside(self, record: IngestRecord, reason: str) -> None:
        if quarantine.put(record, reason, token=self.lease.token):
            self.tally.quarantined += 1
            last = reason.strip().rpartition("\n")[2]
            self.tally.errors.append(f"{record.ref} is in quarantine: {last}")

    def _oversize(self, copy: Copy) -> None:
        """A row and an event; the mail itself stays where it is, unread."""
        megabytes = copy.size / 1024 / 1024
        self.tally.oversize += 1
        with transaction.atomic():
            record = IngestRecord.objects.create(
                source=self.source,
                epoch=self.door.epoch,
                ref=copy.ref,
                size=copy.size,
                state=IngestRecord.State.OVERSIZE,
                silent=self.silent,
            )
            publish(
                [
                    operator_event(
                        "message.oversize",
                        self.mailbox,
                        cause=f"message.oversize:{record.public_id}",
                        subject=f"A mail of {megabytes:.0f} MiB was left where it is",
                        text=(
                            f"{self.source}: {copy.ref} is larger than the limit of"
                            f" {self.options.limit // 1024 // 1024} MiB. It was not"
                            " read and stays in the source."
                        ),
                        silent=self.silent,
                    )
                ]
            )
