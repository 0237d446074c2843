"""What a mail is understood as, where it is or would go, and why."""

import json
import re
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from threads import explanation
from threads.explanation import Explained
from threads.house import without_extension
from threads.mail.addresses import normalise
from threads.mail.limits import message_id
from threads.mail.parsed import ParsedMail
from threads.management.arguments import printable
from threads.models import Alias, Mailbox, Message
from threads.models.limits import MEGABYTE, mail_bytes
from threads.parser import ParserDiedError, ParserRaisedError
from threads.parsers import Parsers
from threads.quarantine import last_line
from threads.reading import columns
from threads.serializers import timestamp
from webhooks.management.base import OperatorCommand

_SHOWN = 20
_ID = re.compile(r"c[a-z0-9]{24}")


class Command(OperatorCommand):
    help = (
        "Say what a mail is understood as, which thread it is in or would join, and"
        " why. Stores nothing."
    )
    example = (
        "examples:\n"
        "  manage.py explain question.eml --to support@example.com\n"
        "  manage.py explain cmm1k0v2h3q8w5n1x7z4p6r0t\n"
        "  manage.py explain '<1234@mail.example.com>' --json"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "mail", nargs="+", help="a file, the id of a message, or a Message-ID"
        )
        parser.add_argument(
            "--to", help="the mailbox that a file would come to (else who it names)"
        )
        parser.add_argument("--json", action="store_true", help="one object a line")

    def handle(self, **options: Any) -> None:
        self.json: bool = options["json"]
        self.to = _mailbox(options["to"]) if options["to"] else None
        failed = False
        with Parsers(most=1) as self.parsers:
            for name in options["mail"]:
                try:
                    self._explain(name)
                except (ParserDiedError, ParserRaisedError) as error:
                    failed = True
                    self.stderr.write(f"{name}: {last_line(error.reason)}")
                except (OSError, LookupError) as error:
                    failed = True
                    self.stderr.write(f"{name}: {error}")
        if failed:
            raise SystemExit(1)

    def _explain(self, name: str) -> None:
        if Path(name).is_file():
            mail, explained = self._file(Path(name))
            self._say({"file": name}, mail, explained)
            return
        for message in _stored(name):
            trusted = message.mailbox.trusted_authserv_ids
            raw = bytes(message.original.content) if message.original else b""
            mail = self._parsed(raw, trusted)
            explained = Explained(message, message.thread, stored=True)
            self._say({}, mail, explained)

    def _file(self, path: Path) -> tuple[ParsedMail, Explained | None]:
        if path.stat().st_size > (limit := mail_bytes()):
            raise LookupError(
                _("larger than the limit of %d MiB") % (limit // MEGABYTE)
            )
        raw = path.read_bytes()
        mail = self._parsed(raw, [])
        mailbox = self.to or _named(mail)
        if mailbox is None:
            return mail, None
        if mailbox.trusted_authserv_ids:
            mail = self._parsed(raw, mailbox.trusted_authserv_ids)
        return mail, explanation.foreseen(mail, mailbox)

    def _parsed(self, raw: bytes, trusted: list[str]) -> ParsedMail:
        """In a child, within its limits: the mail may be hostile."""
        return self.parsers.alone(raw, trusted).done.result()

    def _say(
        self, named: dict[str, str], mail: ParsedMail, explained: Explained | None
    ) -> None:
        if self.json:
            facts = {**named, **_facts(mail, explained)}
            self.stdout.write(json.dumps(facts, ensure_ascii=False))
            return
        for line in _lines(mail, explained):
            self.stdout.write(printable(line))
        self.stdout.write("")


# --- Which mail -----------------------------------------------------------------


def _mailbox(address: str) -> Mailbox:
    found = Mailbox.objects.filter(address=normalise(address)).first()
    if found is None:
        raise CommandError(
            _("--to: there is no mailbox %s.") % address,
            returncode=2,
        )
    return found


def _named(mail: ParsedMail) -> Mailbox | None:
    """The first mailbox that the mail names; without one the only one there is."""
    people = [*mail.delivered_to, *(a.address for a in (*mail.to, *mail.cc))]
    for address in map(normalise, people):
        for plain in filter(None, (address, without_extension(address))):
            if found := Mailbox.objects.filter(address=plain).first():
                return found
            if alias := Alias.objects.filter(address=plain).first():
                return alias.mailbox
    only = list(Mailbox.objects.all()[:2])
    return only[0] if len(only) == 1 else None


def _stored(name: str) -> list[Message]:
    """By public id, or all with that Message-ID. Raises `LookupError`."""
    messages = Message.objects.kept().with_relations().select_related("original")
    if _ID.fullmatch(name):
        messages = messages.filter(public_id=name)
    else:
        messages = messages.filter(message_id=message_id(name) or None)
    found = list(messages.order_by("pk")[:_SHOWN])
    if not found:
        raise LookupError(_("there is no such file, message or Message-ID"))
    return found


# --- What is said ---------------------------------------------------------------


def _facts(mail: ParsedMail, explained: Explained | None) -> dict[str, Any]:
    """The object of `--json`: of a stored message, what is stored."""
    message = explained.message if explained else Message(**columns(mail, None))
    thread = explained.thread if explained else None
    people = message.addresses
    return {
        "id": message.public_id if explained and explained.stored else None,
        "mailbox": message.mailbox.address if explained else None,
        "direction": message.direction or Message.Direction.INBOUND,
        "via": message.via,
        "message_id": message.message_id,
        "in_reply_to": list(mail.in_reply_to),
        "references": list(mail.references),
        "from": people.get("from", []),
        "to": people.get("to", []),
        "cc": people.get("cc", []),
        "reply_to": people.get("reply_to", []),
        "subject": message.subject,
        "date": timestamp(message.sent_at),
        "body_text": message.body_text,
        "body_html": message.body_html,
        "reply_text": message.span_text("reply"),
        "quoted_text": message.span_text("quoted"),
        "signature_text": message.span_text("signature"),
        "attachments": [
            {
                "filename": one.filename,
                "content_type": one.content_type,
                "size": one.size,
                "inline": one.inline,
                "content_id": one.content_id,
                "sha256": one.sha256,
            }
            for one in mail.attachments
        ],
        "auto": message.auto,
        "bulk": message.bulk,
        "bounce": message.bounce,
        "complaint": message.complaint,
        "about_id": message.about or None,
        "reasons": message.reasons,
        "warnings": message.warnings,
        "authentication": message.authentication,
        "unverified_sender": message.unverified_sender,
        "defects": message.defects,
        "thread": thread.public_id if thread else None,
        "why": {"rule": message.why_rule, "evidence": message.why_evidence}
        if explained
        else None,
    }


def _lines(mail: ParsedMail, explained: Explained | None) -> Iterator[str]:
    message = explained.message if explained else Message(**columns(mail, None))
    facts = [(_("Message-ID"), message.message_id)]
    for label, kind in ((_("From"), "from"), (pgettext("mail", "To"), "to")):
        named = message.addresses.get(kind, [])
        facts.append((label, ", ".join(f"{p['name']} <{p['address']}>" for p in named)))
    facts.append((_("Subject"), message.subject))
    facts += [(_("Attachment"), one.filename) for one in mail.attachments]
    if explained is None:
        facts.append((_("Thread"), _("No mailbox here is named in it; use --to.")))
    else:
        facts += [
            (_("Mailbox"), message.mailbox.address),
            (_("Thread"), _where(explained)),
            (_("Why"), explanation.why(message)),
            (message.why_rule, message.why_evidence),
        ]
    facts += explanation.verdicts(message)
    facts += [(_("Defect"), defect) for defect in message.defects]
    for label, said in facts:
        yield f"{label}: {said.strip()}"


def _where(explained: Explained) -> str:
    thread = explained.thread
    if thread is None:
        return _("it would begin one")
    named = f"{thread.public_id} {thread} ({thread.get_status_display()})"
    return named if explained.stored else _("it would join %s") % named
