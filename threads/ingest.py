"""Mail comes in: one pass over one source, exactly once whatever dies on the way.

First commit: the original and its ledger row. Then the mail is parsed, in a child.
Second commit: message, thread, events, deliveries, and the ledger's `done`. Only then
is the source told. A death between the commits is finished from the database by the
next pass. While one batch is stored, the children parse the next.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from math import inf
from time import monotonic

from django.db import DatabaseError, InterfaceError, transaction

from threads import aftercare, epochs, ledger, outages, sourcelease
from threads.arrival import Incoming
from threads.desks import OUT_OF_REACH, Desks
from threads.events import operator_event
from threads.models import IngestRecord, Original, Source
from threads.parser import Job, NoParserError, ParserDiedError, ParserRaisedError
from threads.parsers import Parsers
from threads.sources.base import Copy, Door, OutageError, SourceError
from threads.sources.handed import Shut
from threads.sources.imap import Imap
from threads.tally import Tally
from webhooks import faults
from webhooks.outbox import NewEvent, publish
from webhooks.wording import Sentence
from webhooks.wording import marked as _

BATCH_MAILS = 50
# So many known mails after a new one, and it waits for no more company.
LULL = 200
BATCH_BYTES = 32 * 1024 * 1024
LONE_DEATHS = 3
UNFETCHABLE_TOLD = 3
# A mail that keeps its parser longer is stored later than the rest of its batch.
LATE_SECONDS = 1.0
HOP_LIMIT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    silent: bool = False
    since: datetime | None = None
    limit: int
    # Shared by the passes of one process; without it a pass has its own.
    parsers: Parsers | None = None
    # No lone try begins later in a pass; what is left then, the next one goes on with.
    lone_seconds: float = inf
    # Asked between batches: finish the mail in hand, then leave.
    stopped: Callable[[], bool] = lambda: False
    progress: Callable[[Tally], None] = lambda _: None


def take_in(source: Source, door: Door, options: Options) -> Tally:
    """One pass. Raises `SourceBusyError`; and what the database raises when it is gone.

    Whatever was raised, no mail is lost or half stored: the next pass goes on.
    """
    lease = sourcelease.acquire(source)
    if isinstance(door, Imap):
        door.pulse = lease.keep
        door.wanted = replace(door.wanted, limit=options.limit)
    tally = Tally()
    complete = False
    own = Parsers() if options.parsers is None else nullcontext(options.parsers)
    try:
        with own as parsers:
            run = _Pass(
                source, door, options, lease=lease, tally=tally, parsers=parsers
            )
            run.finish_what_a_death_left()
            epochs.note(source, door)
            complete = run.take_in_the_new()
            run.try_alone()
            run.give_aftercare()
            faults.step("ingest.complete")
            parsers.rest()
    except SourceError as error:
        tally.outage = error
        tally.errors.append(error.sentence)
    except NoParserError as error:
        tally.errors.append(error.sentence)
    finally:
        tally.skipped += door.skipped
        if isinstance(door, Imap):
            door.pulse = lambda: None
        sourcelease.release(lease, errors=tally.errors, complete=complete)
    if tally.outage is not None:
        outages.begin(source, tally.outage)
    elif complete:
        outages.end(source)
    return tally


def resume(source: Source, options: Options) -> Tally:
    """Finish what the ledger has and nobody finished; the source itself is not read.

    Raises `SourceBusyError`: then whoever has it finishes it.
    """
    lease = sourcelease.acquire(source)
    tally = Tally()
    try:
        with Parsers() as parsers:
            run = _Pass(
                source, Shut(), options, lease=lease, tally=tally, parsers=parsers
            )
            run.finish_what_a_death_left()
            run.try_alone()
    except NoParserError as error:
        tally.errors.append(error.sentence)
    finally:
        sourcelease.release(lease)
    return tally


def hand_over(
    source: Source, door: Door, refs: Sequence[str], options: Options
) -> Tally:
    """One mail, for somebody who waits for it; `refs` are its names in the ledger.

    There is no lease, for many come at once: each has its own row, and its claim.
    Raises `LostClaimError` and `IntegrityError` when another was faster with the same
    bytes, `NoParserError`, and what the database raises when it is gone.
    """
    lease = sourcelease.unshared(source)
    tally = Tally()
    own = Parsers() if options.parsers is None else nullcontext(options.parsers)
    with own as parsers:
        run = _Pass(source, door, options, lease=lease, tally=tally, parsers=parsers)
        run.finish(ledger.take_over(source, door.epoch, refs, lease.token))
        run.take_in_the_new()
        run.try_alone()
    return tally


def batches(
    arrived: Iterator[ledger.Arrived | None],
) -> Iterator[list[ledger.Arrived]]:
    """Up to fifty mails, and not much more than 32 MiB in memory.

    None is a lull: what has come goes on its way, and an empty batch says so.
    """
    batch: list[ledger.Arrived] = []
    size = 0
    for mail in arrived:
        if mail is None:
            if batch:
                yield batch
            yield []
            batch, size = [], 0
            continue
        batch.append(mail)
        size += len(mail.content)
        if len(batch) >= BATCH_MAILS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@dataclass(slots=True, eq=False)
class _InHand:
    """A mail between the commits."""

    record: IngestRecord
    job: Job
    # Where the source has it; None when a death left it.
    copy: Copy | None = None


class _Pass:
    def __init__(
        self,
        source: Source,
        door: Door,
        options: Options,
        *,
        lease: sourcelease.Lease,
        tally: Tally,
        parsers: Parsers,
    ) -> None:
        self.source = source
        self.door = door
        self.options = options
        self.lease = lease
        self.tally = tally
        self.parsers = parsers
        self.desks = Desks(source, token=lease.token, tally=tally)
        # History is what the first complete pass finds; "from now on" there is none.
        history = source.start != Source.Start.NOW
        self.imported = history and source.first_pass_at is None
        self.silent = options.silent or (self.imported and not source.report_old)
        self.trusted: list[str] = source.mailbox.trusted_authserv_ids
        # Parsing still, when the rest of their batch was stored.
        self.late: list[_InHand] = []
        # Mails that ended a parser or a process of ours; and, by ref, where the source
        # has what is not finished, if it still does.
        self.dangerous: list[IngestRecord] = []
        self.places: dict[str, Copy] = {}

    def finish_what_a_death_left(self) -> None:
        self.finish(ledger.reclaim(self.source, self.lease.token))

    def finish(self, left: Sequence[int]) -> None:
        """Each alone: only then does another death say which mail was the cause."""
        for pk in left:
            if self.options.stopped():
                return
            record = IngestRecord.objects.get(pk=pk)
            if record.attempts:
                self.dangerous.append(record)
                continue
            with self._charged(record):
                job = self.parsers.first(_content(record), self.trusted)
                self._store_parsed([_InHand(record, job)], patient=True)

    def take_in_the_new(self) -> bool:
        """All that the ledger does not have. False when told to stop before the end."""
        ahead: deque[list[_InHand]] = deque()
        complete = True
        for batch in batches(self._arrived()):
            if batch:
                ahead.append(self._enter(batch))
            # The children parse this one while the one before it is stored.
            while len(ahead) > bool(batch):
                self._store_parsed(ahead.popleft())
            if self.options.stopped():
                complete = False
                break
            self.lease.keep()
        while ahead:
            self._store_parsed(ahead.popleft())
        self._store_parsed([], patient=True)
        return complete

    def try_alone(self) -> None:
        """Whoever ended a parser, at length: its neighbours are stored by now."""
        begun = monotonic()
        for record in self.dangerous:
            death: str = Sentence(
                _("It ended the process that read it %(times)d times."),
                times=LONE_DEATHS,
            )
            while death and record.attempts < LONE_DEATHS:
                spent = monotonic() - begun > self.options.lone_seconds
                if spent or self.options.stopped():
                    return
                death = self._tried_alone(record)
            if death:
                self.desks.set_aside(record, death)
            if copy := self.places.get(record.ref):
                self._done(copy)

    def give_aftercare(self) -> None:
        """A server that does not let us is asked again by the next pass."""
        try:
            aftercare.give(self.source, self.door, self.lease, self.options.stopped)
        except OutageError:
            raise
        except SourceError as error:
            self.tally.errors.append(error.sentence)

    # --- Between the commits --------------------------------------------------------

    def _enter(self, batch: Sequence[ledger.Arrived]) -> list[_InHand]:
        """The first commit; then, and not before, the parsers have the mails."""
        faults.step("ingest.read")
        records = ledger.enter(
            self.source,
            self.door.epoch,
            batch,
            token=self.lease.token,
            silent=self.silent,
        )
        faults.step("ingest.entered")
        return [
            _InHand(record, self.parsers.first(mail.content, self.trusted), mail.copy)
            for record, mail in zip(records, batch, strict=True)
        ]

    def _tried_alone(self, record: IngestRecord) -> str:
        """How it ended its parser; empty when it did not."""
        with self._charged(record):
            job = self.parsers.alone(_content(record), self.trusted)
            self._wait_for([job], patient=True)
            try:
                incoming = self._incoming(record, job)
            except ParserDiedError as died:
                return died.reason
            if incoming is not None:
                self.desks.store([incoming])
        return ""

    @contextmanager
    def _charged(self, record: IngestRecord) -> Iterator[None]:
        """A lone try, charged before; taken back when it was not the mail that failed.

        A process that dies in it takes nothing back.
        """
        ledger.charge(record)
        faults.step("ingest.charged")
        try:
            yield
        except (*OUT_OF_REACH, sourcelease.SourceBusyError, NoParserError):
            with suppress(DatabaseError, InterfaceError):
                ledger.forgive(record)
            raise

    def _store_parsed(self, batch: list[_InHand], *, patient: bool = False) -> None:
        """The second commit. Who is late is stored with a later batch."""
        batch = [*self.late, *batch]
        self._wait_for([one.job for one in batch], patient=patient)
        self.late = [one for one in batch if not one.job.done.done()]
        parsed = []
        ready = [one for one in batch if one not in self.late]
        for one in ready:
            try:
                incoming = self._incoming(one.record, one.job)
            except ParserDiedError:
                self.dangerous.append(one.record)
                if one.copy is not None:
                    self.places[one.record.ref] = one.copy
                continue
            if incoming is not None:
                parsed.append(incoming)
        if parsed:
            self.desks.store(parsed)
        faults.step("ingest.stored")
        for one in ready:
            if one.copy is not None and one.record.ref not in self.places:
                self._done(one.copy)
                faults.step("ingest.told")
        faults.step("ingest.done")
        self.options.progress(self.tally)

    def _wait_for(self, jobs: Sequence[Job], *, patient: bool) -> None:
        """Until they are back, or the impatient have only late ones to wait for."""
        while open_ := [job for job in jobs if not job.done.done()]:
            if not patient and all(job.late(LATE_SECONDS) for job in open_):
                return
            wait([job.done for job in open_], timeout=LATE_SECONDS / 4)
            self.parsers.relieve()
            self.lease.keep()

    def _incoming(self, record: IngestRecord, job: Job) -> Incoming | None:
        """What a mail came back as. What made the parser raise is set aside."""
        try:
            mail = job.done.result()
        except ParserRaisedError as error:
            self.desks.set_aside(record, error.reason)
            return None
        if mail.hops > HOP_LIMIT:
            self.desks.set_aside(
                record,
                Sentence(
                    _(
                        "hop_limit: it passed %(hops)d servers; over %(limit)d is a"
                        " loop."
                    ),
                    hops=mail.hops,
                    limit=HOP_LIMIT,
                ),
            )
            return None
        return Incoming(
            record,
            mail,
            imported=self.imported,
            silent=record.silent,
            sent=self.source.sent,
        )

    # --- The source -----------------------------------------------------------------

    def _arrived(self) -> Iterator[ledger.Arrived | None]:
        """What is new; the known, unreadable and too big are dealt with on the way.

        Where all is known for long it says so, with None: a new mail does not wait
        until a hundred thousand old ones were looked up.
        """
        limit, since = self.options.limit, self.options.since
        quiet = 0
        for found in ledger.compare(self.source, self.door, limit=limit, since=since):
            self.lease.keep()
            match found:
                case ledger.Older():
                    self.tally.skipped["older"] += 1
                case ledger.Arrived():
                    quiet = 0
                    self.parsers.warm()
                    yield found
                case ledger.Known(copy=copy, state=state, ref=ref):
                    quiet += 1
                    if quiet == LULL:
                        yield None
                    if state == IngestRecord.State.SEEN:
                        self.places[ref] = copy
                    self._known(copy, state)
                case ledger.Unreadable(reason=reason):
                    self.tally.skipped["unreadable"] += 1
                    self.tally.errors.append(reason)
                case ledger.Unfetchable(copy=copy, reason=reason):
                    self._unfetchable(copy, reason)
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
            self.tally.errors.append(error.sentence)

    def _unfetchable(self, copy: Copy, reason: str) -> None:
        """A row, so that it is tried again later; the third time people are told."""
        self.tally.unfetchable += 1
        self.tally.errors.append(reason)
        with transaction.atomic():
            tries = ledger.unfetchable(self.source, self.door.epoch, copy, reason)
            if tries == UNFETCHABLE_TOLD:
                publish([self._never_comes(copy, reason)])
        faults.step("ingest.unfetchable")

    def _never_comes(self, copy: Copy, reason: str) -> NewEvent:
        return operator_event(
            "mail.quarantined",
            self.source.mailbox,
            cause=f"unfetchable:{self.source.pk}:{self.door.epoch}:{copy.ref}",
            subject=f"A mail for {self.source.mailbox.address} can't be fetched",
            text=f"{self.source}: {reason} It stays there, and is tried again daily.",
            silent=self.silent,
        )

    def _oversize(self, copy: Copy) -> None:
        """A row and an event; of the mail itself nothing is read."""
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
            publish([self._too_large(record, copy)])
            faults.step("ingest.oversize")

    def _too_large(self, record: IngestRecord, copy: Copy) -> NewEvent:
        what = f"A mail of {copy.size / 1024 / 1024:.0f} MiB"
        limit = f"larger than the limit of {self.options.limit // 1024 // 1024} MiB"
        if self.source.kind == Source.Kind.LMTP:
            sender = copy.place or "nobody (it is a bounce)"
            subject = f"{what} was refused"
            text = (
                f"{self.source}: a mail from {sender} is {limit}. The mail server was"
                " told so (552), and its sender hears of it from there. Nothing of it"
                " is stored: ask for a smaller one, or for a link."
            )
        else:
            subject = f"{what} was left where it is"
            text = (
                f"{self.source}: {copy.ref} is {limit}. It was not read and stays in"
                " the source."
            )
        return operator_event(
            "message.oversize",
            self.source.mailbox,
            cause=f"message.oversize:{record.public_id}",
            subject=subject,
            text=text,
            silent=self.silent,
        )


def _content(record: IngestRecord) -> bytes:
    """Read when it is needed, and held by nobody."""
    content = Original.objects.values_list("content", flat=True)
    return bytes(content.get(records=record))
