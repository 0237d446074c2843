"""Mail comes in: one pass over every source, or `--watch` for ever."""

import json
import signal
import threading
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext as _
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from threads import ledger, outages, watch
from threads.arrival import LostClaimError
from threads.doors import open_door, start_of
from threads.ingest import Options, Tally, take_in
from threads.mail.addresses import normalise
from threads.management.arguments import (
    add_imap,
    imap_password,
    imap_server,
    since,
)
from threads.models import Mailbox, Source
from threads.parsers import Parsers
from threads.sourcelease import SourceBusyError
from threads.sources.base import Door, SourceError
from threads.sources.maildir import Maildir
from threads.verification import verify
from webhooks.management.base import OperatorCommand

BUSY_SECONDS = 5.0
# So long a watcher begins lone tries of what ended its parser; then others have a turn.
LONE_SECONDS = 10.0
SHOW_PROGRESS_AFTER = 2.0


class Command(OperatorCommand):
    help = "Take in mail: one pass over every active source."
    example = (
        "examples:\n"
        "  manage.py ingest\n"
        "  manage.py ingest --watch\n"
        "  manage.py ingest --maildir ~/Maildir --to support@example.com --silent"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--mailbox", action="append", help="only this address (repeatable)"
        )
        parser.add_argument("--since", help="only mail from this date on (2026-01-31)")
        parser.add_argument("--watch", action="store_true", help="keep running")
        parser.add_argument("--maildir", help="a Maildir that is not configured")
        add_imap(parser, "an IMAP folder that is not configured")
        parser.add_argument("--to", help="the mailbox that --maildir or --imap is for")
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
        self.options = Options(
            silent=options["silent"],
            since=since(options["since"]),
            limit=settings.MAIL_SIZE_LIMIT,
        )
        self.stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_args: self.stop.set())
        try:
            with Parsers() as self.parsers:
                self._run(options)
        except (OperationalError, InterfaceError) as error:
            raise CommandError(_out_of_reach(error)) from error

    def _run(self, options: dict[str, Any]) -> None:
        if options["watch"]:
            self._watch(options)
            return
        sources = self._sources(options)
        work = self._pass
        if options["check"] or options["verify"]:
            work = self._verify if options["verify"] else self._check
        failed = False
        for source in sources:
            if self.stop.is_set():
                break
            try:
                failed |= work(source)
            except (SourceError, SourceBusyError, LostClaimError) as error:
                failed = True
                self._say_error(source, str(error))
        if failed:
            raise SystemExit(1)

    # --- Which sources ----------------------------------------------------------

    def _sources(self, options: dict[str, Any]) -> list[Source]:
        if options["maildir"] or options["imap"] or options["to"]:
            return [self._ad_hoc(options)]
        return list(self._configured(options["mailbox"]))

    def _configured(self, addresses: list[str] | None) -> Iterator[Source]:
        sources = Source.objects.filter(active=True).select_related("mailbox")
        if addresses:
            mailboxes = [_mailbox(address, "--mailbox") for address in addresses]
            sources = sources.filter(mailbox__in=mailboxes)
        yield from sources

    def _ad_hoc(self, options: dict[str, Any]) -> Source:
        """An inactive source per mailbox and real path, for its ledger."""
        given = [options[name] for name in ("maildir", "imap") if options[name]]
        if not (len(given) == 1 and options["to"]):
            raise CommandError(
                _("--maildir DIR or --imap URL, and --to ADDRESS, go together."),
                returncode=2,
            )
        if options["mailbox"] or options["watch"]:
            raise CommandError(
                _("--mailbox and --watch are for configured sources."), returncode=2
            )
        key: dict[str, Any] = {"mailbox": _mailbox(options["to"], "--to")}
        password = ""
        if options["imap"]:
            server = imap_server(options["imap"])
            password = imap_password(options["password_file"], server)
            key |= {"kind": Source.Kind.IMAP, "location": server.url}
        else:
            location = str(Path(options["maildir"]).resolve())
            try:
                Maildir(location)
            except SourceError as error:
                raise CommandError(str(error), returncode=2) from error
            key |= {"kind": Source.Kind.MAILDIR, "location": location}
        if options["check"] or options["verify"]:
            source = Source.objects.filter(**key).first() or Source(**key)
        else:
            defaults = {"active": False}
            source = Source.objects.get_or_create(**key, defaults=defaults)[0]
        if password:
            # Asked for each time, and kept nowhere.
            source.settings = {**(source.settings or {}), "password": password}
        return source

    # --- The work ---------------------------------------------------------------

    @contextmanager
    def _opened(self, source: Source) -> Iterator[Door]:
        with closing(open_door(source, since=self.options.since)) as door:
            yield door

    def _pass(self, source: Source) -> bool:
        outages.check_spared(source)
        with ExitStack() as stack:
            try:
                door = stack.enter_context(self._opened(source))
            except SourceError as error:
                outages.begin(source, error)
                raise
            progress = stack.enter_context(self._progress(source))
            tally = self._patiently(source, door, progress)
        self._report(source, tally)
        return tally.failed

    def _patiently(self, source: Source, door: Any, progress: Any) -> Tally:
        """A watcher holds a source for moments only; wait for that."""
        options = Options(
            silent=self.options.silent,
            since=self.options.since or start_of(source),
            limit=self.options.limit,
            parsers=self.parsers,
            stopped=self.stop.is_set,
            progress=progress,
        )
        give_up = monotonic() + BUSY_SECONDS
        while True:
            try:
                return take_in(source, door, options)
            except SourceBusyError:
                if monotonic() > give_up or self.stop.is_set():
                    raise
                sleep(0.1)

    def _watch(self, options: dict[str, Any]) -> None:
        if any(options[name] for name in ("maildir", "imap", "to", "check", "verify")):
            raise CommandError(
                _("--watch reads the configured sources; leave the other options out."),
                returncode=2,
            )
        self.stderr.write(_("Watching. Stop with Ctrl-C."))

        def ingest(source: Source, door: Door, stopped: Callable[[], bool]) -> Tally:
            tally = take_in(
                source,
                door,
                Options(
                    silent=self.options.silent,
                    since=self.options.since or start_of(source),
                    limit=self.options.limit,
                    parsers=self.parsers,
                    lone_seconds=LONE_SECONDS,
                    stopped=stopped,
                ),
            )
            if tally.stored or tally.duplicates or tally.errors:
                self._report(source, tally)
            return tally

        watch.run(
            lambda: self._configured(options["mailbox"]),
            ingest,
            self.stop,
            since=self.options.since,
        )

    def _check(self, source: Source) -> bool:
        """Look and count; nothing is stored, flagged or moved."""
        tally = Tally()
        with self._opened(source) as door:
            for found in ledger.compare(source, door, limit=self.options.limit):
                match found:
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

    def _verify(self, source: Source) -> bool:
        with self._opened(source) as door:
            found = verify(
                source,
                door,
                since=self.options.since or start_of(source),
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
    def _progress(self, source: Source) -> Iterator[Any]:
        """A live line on a terminal once it takes over two seconds; else nothing."""
        console = Console(stderr=True)
        if self.json or not console.is_terminal:
            yield lambda _tally: None
            return
        started = monotonic()
        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("{task.completed:.0f}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        task = bar.add_task(str(source), total=None)

        def show(tally: Tally) -> None:
            if monotonic() - started > SHOW_PROGRESS_AFTER:
                bar.start()
            bar.update(task, completed=tally.stored + tally.duplicates)

        try:
            yield show
        finally:
            bar.stop()

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
        raise CommandError(
            _(
                "%(option)s: there is no mailbox %(address)s. Create it in the admin,"
                " or with: manage.py create_mailbox %(address)s"
            )
            % {"option": option, "address": address},
            returncode=2,
        )
    return found


def _out_of_reach(error: Exception) -> str:
    return _(
        "The database refused: %s. Nothing is lost or half stored; run it again when"
        " the database is well."
    ) % str(error).strip().rstrip(".")
