"""Mail comes in: one pass over every source, or `--watch` for ever."""

import gc
import json
import signal
import sys
import threading
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from threads import ledger, outages
from threads.arrival import LostClaimError
from threads.doors import open_door, source_for, start_of
from threads.ingest import Options, take_in
from threads.mail.addresses import normalise
from threads.management import places, progress
from threads.management.arguments import since
from threads.models import IngestRecord, Mailbox, Source
from threads.models.limits import MEGABYTE, mail_bytes
from threads.parser import NoParserError
from threads.parsers import Parsers
from threads.reception import receive
from threads.sourcelease import SourceBusyError
from threads.sources.base import Door, SourceError
from threads.sources.handed import Handed
from threads.tally import Tally
from threads.verification import verify
from webhooks.management.base import OperatorCommand

BUSY_SECONDS = 5.0
# After so many new objects; by itself Python looks after 700.
GARBAGE_LOOKED_FOR = 10_000
# So long a watcher begins lone tries of what ended its parser; then others have a turn.
LONE_SECONDS = 10.0


class Command(OperatorCommand):
    help = "Take in mail: one pass over every active source."
    example = (
        "examples:\n"
        "  manage.py ingest\n"
        "  manage.py ingest --watch\n"
        "  manage.py ingest --maildir ~/Maildir --to support@example.com --silent\n"
        "  manage.py ingest --mbox archive.mbox\n"
        "  manage.py ingest --eml a.eml b.eml --to support@example.com\n"
        "  manage.py ingest --stdin --to support@example.com < mail.eml"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--mailbox", action="append", help="only this address (repeatable)"
        )
        parser.add_argument("--since", help="only mail from this date on (2026-01-31)")
        parser.add_argument("--watch", action="store_true", help="keep running")
        places.add_arguments(parser)
        parser.add_argument(
            "--silent", action="store_true", help="no webhooks for these mails"
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="say what would be taken in; do nothing",
        )
        parser.add_argument(
            "--verify",
            action="store_true",
            help="compare the source with the database; do nothing",
        )
        parser.add_argument("--json", action="store_true", help="one object a line")

    def handle(self, **options: Any) -> None:
        self.json: bool = options["json"]
        self.silent: bool = options["silent"]
        self.since = since(options["since"])
        self.stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_args: self.stop.set())
        # What Django loaded stays, and rows go by themselves: there is little to find.
        gc.freeze()
        gc.set_threshold(GARBAGE_LOOKED_FOR)
        with Parsers() as self.parsers:
            self._run(options)

    def _run(self, options: dict[str, Any]) -> None:
        place = places.given(options)
        if place == "stdin":
            self._receive(options)
            return
        if options["watch"]:
            self._watch(options)
            return
        sources = self._sources(place, options)
        work = self._pass
        if options["check"] or options["verify"]:
            work = self._verify if options["verify"] else self._check
        failed = False
        for source, door in sources:
            if self.stop.is_set():
                break
            try:
                opened = door or self._opened(source, to_take_in=work == self._pass)
                with closing(opened):
                    failed |= work(source, opened)
            except (SourceError, SourceBusyError, LostClaimError) as error:
                failed = True
                self._say_error(source, str(error))
        if failed:
            raise SystemExit(1)

    # --- Which sources ----------------------------------------------------------

    def _sources(
        self, place: str, options: dict[str, Any]
    ) -> list[tuple[Source, Door | None]]:
        """With a door, or one that is opened in its turn."""
        if place:
            return list(places.opened(place, options))
        return [(source, None) for source in self._configured(options["mailbox"])]

    def _configured(self, addresses: list[str] | None) -> Iterator[Source]:
        sources = Source.objects.filter(active=True).select_related("mailbox")
        if addresses:
            mailboxes = [_mailbox(address, "--mailbox") for address in addresses]
            sources = sources.filter(mailbox__in=mailboxes)
        yield from sources

    # --- The work ---------------------------------------------------------------

    def _opened(self, source: Source, *, to_take_in: bool) -> Door:
        """A refusal to somebody who takes mail in stands in the source's row too."""
        if to_take_in:
            outages.check_spared(source)
        try:
            return open_door(source, since=self.since)
        except SourceError as error:
            if to_take_in:
                outages.begin(source, error)
            raise

    def _pass(self, source: Source, door: Door) -> bool:
        with self._progress(source) as progress:
            tally = self._patiently(source, door, progress)
        self._report(source, tally)
        return tally.failed

    def _patiently(self, source: Source, door: Any, progress: Any) -> Tally:
        """A watcher holds a source for moments only; wait for that."""
        options = self._options(source, stopped=self.stop.is_set, progress=progress)
        give_up = monotonic() + BUSY_SECONDS
        while True:
            try:
                return take_in(source, door, options)
            except SourceBusyError:
                if monotonic() > give_up or self.stop.is_set():
                    raise
                sleep(0.1)

    def _options(self, source: Source, **further: Any) -> Options:
        """Of one pass: staff may have changed the limit since the last."""
        return Options(
            silent=self.silent,
            since=self.since or start_of(source),
            limit=mail_bytes(),
            parsers=self.parsers,
            **further,
        )

    def _watch(self, options: dict[str, Any]) -> None:
        if options["check"] or options["verify"]:
            raise CommandError(
                _("--watch reads the configured sources; leave the other options out."),
                returncode=2,
            )
        self.expect_tables()
        self.stderr.write(_("Watching. Stop with Ctrl-C."))

        def ingest(source: Source, door: Door, stopped: Callable[[], bool]) -> Tally:
            options = self._options(source, lone_seconds=LONE_SECONDS, stopped=stopped)
            tally = take_in(source, door, options)
            if tally.stored or tally.duplicates or tally.errors:
                self._report(source, tally)
            return tally

        from threads import watch  # noqa: PLC0415 -- megabytes for a single pass

        watch.run(
            lambda: self._configured(options["mailbox"]),
            ingest,
            self.stop,
            since=self.since,
        )

    def _receive(self, options: dict[str, Any]) -> None:
        """One mail, and whoever gives it keeps it until we say that we have it."""
        if self.since or options["check"] or options["verify"]:
            raise CommandError(
                _("--stdin takes in one mail; leave the other options out."),
                returncode=2,
            )
        try:
            source = source_for(places.mailbox(options), Source.Kind.STDIN)
        except SourceError as error:
            raise CommandError(error.said(_), returncode=2) from error
        taken = replace(self._options(source), since=None)
        door = Handed.from_stream(sys.stdin.buffer, taken.limit)
        if not door.size:
            raise CommandError(_("There is no mail on stdin."), returncode=2)
        try:
            record = receive(source, door, taken)
        except (LostClaimError, NoParserError) as error:
            raise CommandError(str(error)) from error
        if record.state == IngestRecord.State.OVERSIZE:
            raise CommandError(
                _("The mail is larger than the limit of %d MiB.")
                % (taken.limit // MEGABYTE)
            )
        if self.json:
            facts = {"id": record.public_id, "state": record.state}
            self.stdout.write(json.dumps(facts))

    def _check(self, source: Source, door: Door) -> bool:
        """Look and count; nothing is stored, flagged or moved."""
        tally = Tally()
        since = self.since or start_of(source)
        for found in ledger.compare(source, door, limit=mail_bytes(), since=since):
            match found:
                case ledger.Older():
                    tally.skipped["older"] += 1
                case ledger.Arrived():
                    tally.stored += 1
                case ledger.Known():
                    tally.known += 1
                case ledger.Oversize():
                    tally.oversize += 1
                case ledger.Unreadable(reason=reason):
                    tally.errors.append(reason)
                case ledger.Unfetchable(reason=reason):
                    tally.unfetchable += 1
                    tally.errors.append(reason)
        tally.skipped += door.skipped
        self._report(source, tally, check=True)
        return tally.failed

    def _verify(self, source: Source, door: Door) -> bool:
        found = verify(
            source,
            door,
            since=self.since or start_of(source),
            stopped=self.stop.is_set,
        )
        counts = {
            "present": found.present,
            "missing": len(found.missing),
            "twice": len(found.twice),
            "quarantined": found.quarantined,
            "pending": found.pending,
            "too_large": found.left,
        }
        if self.json:
            named = {"source": str(source), "mailbox": source.mailbox.address}
            lists = {
                "missing_refs": found.missing,
                "twice_refs": found.twice,
                "skipped": dict(found.skipped),
                "errors": found.errors,
            }
            line = json.dumps({**named, **counts, **lists}, ensure_ascii=False)
        else:
            line = _verdict(source, counts, found.skipped)
        self.stdout.write(line)
        for ref in found.missing:
            self.stderr.write(_("missing: %s") % ref)
        for ref in found.twice:
            self.stderr.write(_("twice: %s") % ref)
        for error in found.errors:
            self.stderr.write(error)
        return found.failed

    # --- What is said -----------------------------------------------------------

    @contextmanager
    def _progress(self, source: Source) -> Iterator[Callable[[Tally], None]]:
        with progress.shown(str(source), silent=self.json) as show:
            yield lambda tally: show(tally.stored + tally.duplicates)

    def _report(self, source: Source, tally: Tally, *, check: bool = False) -> None:
        if self.json:
            self.stdout.write(
                json.dumps(
                    {
                        "source": str(source),
                        "mailbox": source.mailbox.address,
                        "check": check,
                        "stored": tally.stored,
                        "duplicates": tally.duplicates,
                        "quarantined": tally.quarantined,
                        "oversize": tally.oversize,
                        "unfetchable": tally.unfetchable,
                        "known": tally.known,
                        "known_quarantined": tally.known_quarantined,
                        "skipped": dict(tally.skipped),
                        "errors": tally.errors,
                    },
                    ensure_ascii=False,
                )
            )
        else:
            self.stdout.write(_summary(source, tally, check=check))
        for error in tally.errors:
            self.stderr.write(error)

    def _say_error(self, source: Source, error: str) -> None:
        if self.json:
            self.stdout.write(
                json.dumps(
                    {"source": str(source), "errors": [error]}, ensure_ascii=False
                )
            )
        self.stderr.write(error)


def _verdict(source: Source, counts: dict[str, int], skipped: Counter[str]) -> str:
    texts = {
        "present": _("%d present"),
        "missing": _("%d missing"),
        "twice": _("%d twice"),
        "quarantined": _("%d quarantined"),
        "pending": _("%d not finished yet"),
        "too_large": _("%d too large"),
    }
    always = {"present", "missing", "twice"}
    parts = [
        texts[name] % count for name, count in counts.items() if count or name in always
    ]
    return _line(source, [*parts, *_skipped(skipped)])


def _skipped(skipped: Counter[str]) -> Iterator[str]:
    for reason, count in sorted(skipped.items()):
        yield _("%(count)d skipped (%(reason)s)") % {"count": count, "reason": reason}


def _line(source: Source, parts: list[str]) -> str:
    return f"{source.mailbox.address} < {source}: {', '.join(parts)}"


def _summary(source: Source, tally: Tally, *, check: bool) -> str:
    first = (_("%d would be taken in") if check else _("%d taken in")) % tally.stored
    parts = [
        first,
        *(
            text % count
            for text, count in (
                (_("%d duplicate"), tally.duplicates),
                (_("%d quarantined"), tally.quarantined),
                (_("%d too large"), tally.oversize),
                (_("%d not fetched"), tally.unfetchable),
                (_("%d known"), tally.known),
                (_("%d in quarantine before"), tally.known_quarantined),
            )
            if count
        ),
        *_skipped(tally.skipped),
    ]
    return _line(source, parts)


def _mailbox(address: str, option: str) -> Mailbox:
    found = Mailbox.objects.filter(address=normalise(address)).first()
    if found is None:
        raise CommandError(places.no_mailbox(option, address), returncode=2)
    return found
