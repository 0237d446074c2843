"""Today's parser over the originals that are stored.

Batches of up to fifty mails, a transaction each. Which parser has read a message
stands on its row, so whoever was stopped or killed goes on where that was. Threads
stay as they are, every id too, and nobody is told.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from threads.candidates import card_of
from threads.house import House
from threads.mail.edition import edition
from threads.mail.parsed import ParsedMail
from threads.models import (
    Attachment,
    Mailbox,
    Message,
    Original,
    Reference,
    Thread,
)
from threads.parser import ParserDiedError, ParserRaisedError
from threads.parsers import Parsers
from threads.quarantine import last_line
from threads.reading import columns
from webhooks import faults

BATCH_MAILS = 50
BATCH_BYTES = 32 * 1024 * 1024
_FILE = ("filename", "content_type", "size", "inline", "content_id", "sha256")


@dataclass(frozen=True, slots=True)
class Difference:
    """What today's parser says otherwise: field → (old, new)."""

    message: Message
    changes: dict[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    dry_run: bool = False
    since: datetime | None = None
    # Also what today's parser has read: after the trusted servers have changed.
    again: bool = False
    stopped: Callable[[], bool] = lambda: False
    found: Callable[[Difference], None] = lambda _: None
    progress: Callable[["Tally"], None] = lambda _: None


@dataclass(slots=True)
class Tally:
    read: int = 0
    changed: int = 0
    # Message id and reason of those that could not be read; they stay as they were.
    failed: list[tuple[str, str]] = field(default_factory=list)


def reread(parsers: Parsers, options: Options) -> Tally:
    """Once over all that another parser has read, oldest first."""
    tally = Tally()
    houses: dict[int, House] = {}
    for batch in _batches(options):
        if options.stopped():
            break
        parsed = list(_parsed(parsers, batch, tally))
        faults.step("reparse.parsed")
        for message, _ in parsed:
            if message.mailbox_id not in houses:
                houses[message.mailbox_id] = House.of(message.mailbox)
        _write(parsed, houses, options, tally)
        faults.step("reparse.written")
        options.progress(tally)
    return tally


def _batches(options: Options) -> Iterator[list[Message]]:
    inbound = Q(direction=Message.Direction.INBOUND) | Q(via=Message.Via.MAILBOX)
    due = Message.objects.kept().filter(inbound, original__isnull=False)
    if not options.again:
        due = due.exclude(parsed_by=edition())
    if options.since is not None:
        due = due.filter(received_at__gte=options.since)
    due = due.select_related("mailbox", "original").defer("original__content")
    last = 0
    while some := list(due.filter(pk__gt=last).order_by("pk")[:BATCH_MAILS]):
        batch: list[Message] = []
        size = 0
        for message in some:
            size += message.original.size if message.original else 0
            if batch and size > BATCH_BYTES:
                break
            batch.append(message)
        last = batch[-1].pk
        yield batch


def _parsed(
    parsers: Parsers, batch: Sequence[Message], tally: Tally
) -> Iterator[tuple[Message, ParsedMail]]:
    """In children, within the limits of a lone try."""
    contents = Original.objects.values_list("content", flat=True)
    jobs = [
        parsers.alone(
            bytes(contents.get(messages=message)),
            message.mailbox.trusted_authserv_ids,
        )
        for message in batch
    ]
    for message, job in zip(batch, jobs, strict=True):
        tally.read += 1
        try:
            yield message, job.done.result()
        except (ParserDiedError, ParserRaisedError) as error:
            tally.failed.append((message.public_id, last_line(error.reason)))


@transaction.atomic
def _write(
    parsed: Sequence[tuple[Message, ParsedMail]],
    houses: dict[int, House],
    options: Options,
    tally: Tally,
) -> None:
    """Under the locks of `arrival`, so that no mail is matched with half of it."""
    mailboxes = {message.mailbox_id for message, _ in parsed}
    locks = Mailbox.objects.select_for_update(no_key=True)
    list(locks.filter(pk__in=mailboxes).order_by("pk"))
    for message, mail in parsed:
        rewritten = _Rewritten(message, mail, houses[message.mailbox_id])
        difference = rewritten.difference()
        if difference.changes:
            tally.changed += 1
            options.found(difference)
        if not options.dry_run:
            rewritten.save(difference)


class _Rewritten:
    """One message, as it is and as today's parser has it."""

    def __init__(self, message: Message, mail: ParsedMail, house: House) -> None:
        self.message = message
        self.mail = mail
        self.fresh = columns(mail, house)
        if message.via == Message.Via.MAILBOX:
            # We know who sent it by the folder it lay in.
            del self.fresh["authentication"]
        if message.dedupe_key != mail.dedupe_key and _is_taken(message, mail):
            del self.fresh["dedupe_key"]
        self.references = list(reversed(card_of(mail, house).references))
        self.files = {
            one.part: {name: getattr(one, name) for name in _FILE}
            for one in mail.attachments
        }
        self.old_references = list(
            message.references.order_by("position").values_list("referenced", flat=True)
        )
        self.old_files = {one.part: one for one in message.attachment_set.all()}

    def difference(self) -> Difference:
        changes = {
            name: (getattr(self.message, name), value)
            for name, value in self.fresh.items()
            if name != "parsed_by" and getattr(self.message, name) != value
        }
        if changes.pop("spans", None):
            changes |= self._stretches()
        if self.references != self.old_references:
            changes["references"] = (self.old_references, self.references)
        old = {
            part: {name: getattr(one, name) for name in _FILE}
            for part, one in self.old_files.items()
        }
        if old != self.files:
            changes["attachments"] = (list(old.values()), list(self.files.values()))
        return Difference(self.message, changes)

    def _stretches(self) -> dict[str, tuple[Any, Any]]:
        """The spans as the texts that they are."""
        fresh = Message(body_text=self.mail.body_text, spans=self.mail.spans)
        return {
            f"{kind}_text": (self.message.span_text(kind), fresh.span_text(kind))
            for kind in ("reply", "quoted", "signature")
            if self.message.span_text(kind) != fresh.span_text(kind)
        }

    def save(self, difference: Difference) -> None:
        message, changes = self.message, difference.changes
        Message.objects.filter(pk=message.pk).update(**self.fresh)
        if "subject" in changes and message.is_first:
            # Unless somebody has given it another one since.
            Thread.objects.filter(pk=message.thread_id, subject=message.subject).update(
                subject=self.mail.subject
            )
        if "references" in changes:
            message.references.all().delete()
            Reference.objects.bulk_create(
                Reference(
                    mailbox_id=message.mailbox_id,
                    message=message,
                    position=position,
                    referenced=referenced,
                )
                for position, referenced in enumerate(self.references)
            )
        if "attachments" in changes:
            self._save_files()

    def _save_files(self) -> None:
        """What stays a part keeps its id."""
        gone = set(self.old_files) - set(self.files)
        self.message.attachment_set.filter(part__in=gone).delete()
        for part, values in self.files.items():
            Attachment.objects.update_or_create(
                message=self.message, part=part, defaults=values
            )


def _is_taken(message: Message, mail: ParsedMail) -> bool:
    """Two that were told apart are one for today's parser: each keeps its own key."""
    same = Message.objects.filter(
        mailbox=message.mailbox_id, dedupe_key=mail.dedupe_key
    )
    return same.exclude(pk=message.pk).exists()
