"""Mails that could not be understood: listed, shown, tried again."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from threads import quarantine
from threads.ingest import Options, resume
from threads.models import IngestRecord, Source
from threads.models.limits import mail_bytes
from threads.sourcelease import SourceBusyError
from webhooks.management.base import OperatorCommand

State = IngestRecord.State
_LONGEST_LINE = 120


class Command(OperatorCommand):
    help = "List, show and try again the mails that could not be understood."
    example = (
        "example:\n  manage.py quarantine list --json"
        "\n  manage.py quarantine retry --all"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("verb", choices=("list", "show", "retry"))
        parser.add_argument("id", nargs="*", help="as `list` prints it")
        parser.add_argument("--all", action="store_true", help="retry: every one")
        parser.add_argument("--json", action="store_true", help="one object a line")

    def handle(self, **options: Any) -> None:
        verb, ids, every = options["verb"], options["id"], options["all"]
        self.json: bool = options["json"]
        if verb == "list" and ids:
            raise CommandError(_("list takes no id; use show."), returncode=2)
        if verb == "show" and (every or not ids):
            raise CommandError(_("show: name at least one id."), returncode=2)
        if verb == "retry" and bool(ids) == every:
            raise CommandError(_("retry: name ids, or --all."), returncode=2)
        records = self._records(ids)
        if verb == "list":
            for record in records.iterator(chunk_size=500):
                self._line(record)
        elif verb == "show":
            for record in records:
                self._whole(record)
        else:
            self._retry(records)

    def _records(self, ids: list[str]) -> QuerySet[IngestRecord]:
        records = (
            IngestRecord.objects.filter(state=State.QUARANTINED)
            .select_related("source__mailbox")
            .order_by("pk")
        )
        if not ids:
            return records
        found = records.filter(public_id__in=ids)
        known = set(found.values_list("public_id", flat=True))
        if missing := [name for name in ids if name not in known]:
            raise CommandError(
                _("Not in quarantine: %s") % ", ".join(missing), returncode=2
            )
        return found

    def _retry(self, records: QuerySet[IngestRecord]) -> None:
        """By hand, source by source; who reads a source now finishes its mails."""
        chosen = list(records.values_list("pk", "source_id"))
        for record in records:
            quarantine.release(record)
        failed = False
        for pk in dict.fromkeys(source for _pk, source in chosen):
            failed |= self._resume(Source.objects.select_related("mailbox").get(pk=pk))
        for record in (
            IngestRecord.objects.filter(pk__in=[pk for pk, _source in chosen])
            .select_related("source__mailbox", "message")
            .order_by("pk")
        ):
            failed |= record.state == State.QUARANTINED
            self._line(record)
        if failed:
            raise SystemExit(1)

    def _resume(self, source: Source) -> bool:
        try:
            tally = resume(source, Options(limit=mail_bytes()))
        except SourceBusyError as busy:
            ours = _("It takes these mails in.")
            self.stderr.write(f"{busy} {ours}")
            return False
        for error in tally.errors:
            self.stderr.write(error)
        return tally.failed

    def _line(self, record: IngestRecord) -> None:
        reason = quarantine.last_line(record.last_error)
        if self.json:
            self.stdout.write(json.dumps(_facts(record), ensure_ascii=False))
        elif record.state == State.QUARANTINED:
            mailbox = record.source.mailbox
            text = f"{record.public_id}  {mailbox}  {reason[:_LONGEST_LINE]}"
            self.stdout.write(text)
        else:
            self.stdout.write(f"{record.public_id}  {record.get_state_display()}")

    def _whole(self, record: IngestRecord) -> None:
        if self.json:
            whole = {**_facts(record), "reason": record.last_error}
            self.stdout.write(json.dumps(whole, ensure_ascii=False))
            return
        for name, value in _facts(record).items():
            self.stdout.write(f"{name}: {value}")
        self.stdout.write("")
        self.stdout.write(record.last_error)


def _facts(record: IngestRecord) -> dict[str, Any]:
    """What `--json` prints of each."""
    return {
        "id": record.public_id,
        "state": record.state,
        "mailbox": record.source.mailbox.address,
        "source": str(record.source),
        "ref": record.ref,
        "size": record.size,
        "received_at": record.received_at.isoformat(),
        "message_id": record.message.public_id if record.message else None,
        "reason": quarantine.last_line(record.last_error),
    }
