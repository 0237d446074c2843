"""The try-out's sample: a mailbox, a few mails, and a webhook; taken away in one go.

Everything of it hangs on one reserved address (RFC 2606), so nothing has to remember
what belongs to it.
"""

from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from threads.models import (
    Customer,
    IngestRecord,
    Mailbox,
    Message,
    Original,
    Source,
    Thread,
)
from webhooks import subscriptions
from webhooks.catalogue import EVENTS
from webhooks.models import Delivery, Event, EventBody, Webhook

ADDRESS = "support@example.test"
NAME = "Voorbeeld"
_MAILS = Path(__file__).parent / "mails"


def folder() -> Path:
    """The sample's Maildir."""
    return Path(settings.DATA_DIR) / "sample" / "Maildir"


def webhooks() -> list[Webhook]:
    """Those that listen to the sample's mailbox and to nothing else."""
    present = Webhook.objects.present().order_by("pk")
    return [webhook for webhook in present if webhook.mailboxes == [ADDRESS]]


def add(receiver: str) -> int:
    """Mailbox, webhook to the URL `receiver`, mails in the Maildir; how many mails.

    Raises `InvalidWebhookError` when the receiver's address is not allowed, `OSError`
    when the folder can't be written.
    """
    maildir = folder()
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True, exist_ok=True)
    subscriptions.create(
        {"url": receiver, "events": list(EVENTS), "mailboxes": [ADDRESS]}
    )
    with transaction.atomic():
        mailbox = Mailbox.objects.create(address=ADDRESS, name=NAME)
        Source.objects.create(
            mailbox=mailbox, kind=Source.Kind.MAILDIR, location=str(maildir)
        )
    mails = sorted(_MAILS.glob("*.eml"))
    for mail in mails:
        waiting = maildir / "tmp" / mail.stem
        waiting.write_bytes(mail.read_bytes())
        waiting.rename(maildir / "new" / mail.stem)
    return len(mails)


def remove() -> bool:
    """Take it all away; the log keeps that something was told, not what.

    False when there is no sample. The folder of mails stays for its owner to delete.
    """
    with transaction.atomic():
        mailbox = Mailbox.objects.select_for_update().filter(address=ADDRESS).first()
        listening = webhooks()
        if mailbox is None and not listening:
            return False
        told = Event.objects.filter(mailbox=ADDRESS)
        Delivery.objects.filter(event__in=told).delete()
        for webhook in listening:
            webhook.delete()
        EventBody.objects.filter(event__in=told).delete()
        told.update(erased_at=Now())
        if mailbox is not None:
            _remove_mail(mailbox)
    return True


def _remove_mail(mailbox: Mailbox) -> None:
    threads = Thread.objects.filter(mailbox=mailbox)
    threads.update(last_message=None, merged_into=None)
    IngestRecord.objects.filter(source__mailbox=mailbox).delete()
    Message.objects.filter(mailbox=mailbox).delete()
    threads.delete()
    Original.objects.filter(records=None, messages=None).delete()
    Source.objects.filter(mailbox=mailbox).delete()
    mailbox.delete()
    if not Mailbox.objects.filter(domain=mailbox.domain).exists():
        Customer.objects.filter(domain=mailbox.domain).delete()
