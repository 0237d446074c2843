"""Today's parser over what older ones have read."""

import difflib
import json
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from threads.management import progress
from threads.management.arguments import printable, since
from threads.parsers import Parsers
from threads.rereading import Difference, Options, Tally, reread
from webhooks.management.base import OperatorCommand

_TEXTS = frozenset(
    {"body_text", "body_html", "reply_text", "quoted_text", "signature_text"}
)
# Of a text that changed: enough to see what happened.
_LONGEST_TEXT = 20_000
_MOST_LINES = 400
_SHOWN_LINES = 30
_LONGEST_LINE = 160


class Command(OperatorCommand):
    help = (
        "Read the stored originals with today's parser. Threads and ids stay as they"
        " are, and no webhook is told. Stopped, it goes on where it was."
    )
    example = (
        "examples:\n"
        "  manage.py reparse --dry-run\n"
        "  manage.py reparse --since 2026-01-31"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="show what would change; do nothing"
        )
        parser.add_argument("--since", help="only mail received from this date on")
        parser.add_argument(
            "--again",
            action="store_true",
            help="also what today's parser has read already",
        )
        parser.add_argument("--json", action="store_true", help="one object a line")

    def handle(self, **options: Any) -> None:
        self.json: bool = options["json"]
        self.dry_run: bool = options["dry_run"]
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_args: stop.set())
        working = progress.shown(_("Reading again"), silent=self.json)
        with working as show, Parsers() as parsers:
            tally = reread(
                parsers,
                Options(
                    dry_run=self.dry_run,
                    since=since(options["since"]),
                    again=options["again"],
                    stopped=stop.is_set,
                    found=self._found,
                    progress=lambda tally: show(tally.read),
                ),
            )
        self._report(tally)
        if tally.failed:
            raise SystemExit(1)

    def _found(self, difference: Difference) -> None:
        if self.json:
            self.stdout.write(json.dumps(_facts(difference), ensure_ascii=False))
        elif self.dry_run:
            for line in _lines(difference):
                self.stdout.write(printable(line))

    def _report(self, tally: Tally) -> None:
        for name, reason in tally.failed:
            self.stderr.write(printable(f"{name}: {reason}"))
        if self.json:
            return
        changed = _("%d would change") if self.dry_run else _("%d changed")
        parts = [_("%d read") % tally.read, changed % tally.changed]
        if tally.failed:
            parts.append(_("%d could not be read and stay as they are"))
            parts[-1] %= len(tally.failed)
        self.stdout.write(", ".join(parts))


def _facts(difference: Difference) -> dict[str, Any]:
    return {
        "id": difference.message.public_id,
        "subject": difference.message.subject,
        "changes": {
            name: {"old": _plain(old), "new": _plain(new)}
            for name, (old, new) in difference.changes.items()
        },
    }


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _lines(difference: Difference) -> Iterator[str]:
    """A heading, then each field: what was, what would be."""
    message = difference.message
    yield f"{message.public_id}  {message.subject[:_LONGEST_LINE]}"
    for name, (old, new) in difference.changes.items():
        if name not in _TEXTS:
            yield f"  {name}"
            yield f"  - {_short(old)}"
            yield f"  + {_short(new)}"
            continue
        yield f"  {name}"
        for line in _diff(old, new):
            yield f"  {line}"


def _short(value: object) -> str:
    said = json.dumps(_plain(value), ensure_ascii=False)
    return said if len(said) <= _LONGEST_LINE else f"{said[:_LONGEST_LINE]}…"


def _some(text: str) -> list[str]:
    return text[:_LONGEST_TEXT].splitlines()[:_MOST_LINES]


def _diff(old: str, new: str) -> Iterator[str]:
    was, is_ = (_some(text) for text in (old, new))
    whole = list(difflib.unified_diff(was, is_, n=1, lineterm=""))[2:]
    for line in whole[:_SHOWN_LINES]:
        yield line[:_LONGEST_LINE]
    if len(whole) > _SHOWN_LINES:
        yield "…"
