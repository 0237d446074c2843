"""Offices to look at: one where all is well, one with work on every line."""

from datetime import timedelta

from django.utils import timezone

from threads.models import (
    Customer,
    IngestRecord,
    Mailbox,
    Message,
    Original,
    Source,
    Thread,
)
from webhooks.models import Attempt, Delivery, Event, EventBody, Heartbeat, Webhook

_SUBJECTS = (
    "Vraag over factuur 2026-0341",
    "Retour bestelling",
    "Offerte kozijnen",
    "Adreswijziging",
    "Klacht over levering",
    "Wanneer komt de monteur?",
)


def working_office(now=None):
    """A mailbox with one answered thread, a source just read, a worker, a webhook."""
    now = now or timezone.now()
    mailbox = Mailbox.objects.create(address="support@shop.nl", name="Support")
    Source.objects.create(
        mailbox=mailbox, kind="maildir", location="/srv/mail/support", last_pass_at=now
    )
    conversation(mailbox, "Bedankt voor de snelle hulp", now, status="closed")
    Webhook.objects.create(
        url="https://hooks.shop.nl/mail",
        events=["message.received"],
        last_success_at=now,
    )
    Heartbeat.objects.create(name="worker:a", kind="worker", at=now)
    return mailbox


def busy_office(staff, now=None):
    """What can be wrong is wrong."""
    now = now or timezone.now()
    mailbox = working_office(now)
    Source.objects.update(
        last_pass_at=timezone.now() - timedelta(minutes=14, seconds=5),
        last_error="/srv/mail/support can't be opened. Is the folder gone?",
    )
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=9, seconds=5))
    threads = [conversation(mailbox, subject, now) for subject in _SUBJECTS]
    Thread.objects.filter(pk=threads[0].pk).update(assignee=staff)
    for thread, status, why in (
        (threads[1], "failed", "550 5.1.1 No such user"),
        (threads[2], "in_doubt", "The connection was lost after the end of DATA."),
    ):
        message(thread, now, direction="outbound", status=status, error_detail=why)
    message(threads[3], now, direction="outbound", status="sent")
    for number in range(2):
        original = Original.objects.create(
            sha256=f"{number:064}", size=3, content=b"\x00\x01\x02"
        )
        IngestRecord.objects.create(
            source=Source.objects.get(),
            ref=f"1760000000.{number}",
            size=3,
            state="quarantined",
            original=original,
            last_error="ValueError: no header at all",
        )
    _deliveries(now)
    return mailbox


def _deliveries(now):
    webhook = Webhook.objects.get()
    webhook.failing_since = timezone.now() - timedelta(hours=3, minutes=5)
    webhook.save()
    states = ["held", "held", "exhausted", "pending", *["succeeded"] * 5]
    for number, state in enumerate(states):
        event = Event.objects.create(
            type="message.received", thread="", mailbox="support@shop.nl",
            domain="shop.nl", cause=f"office:{number}", position=number + 1,
        )  # fmt: skip
        body = EventBody.objects.create(event=event, format="full", body=b"{}")
        delivery = Delivery.objects.create(
            event=event, webhook=webhook, body=body, state=state,
            next_at=timezone.now() - timedelta(minutes=20, seconds=5),
        )  # fmt: skip
        if state == "succeeded":
            took = [60, 70, 80, 90, 1400][number - 4]
            Attempt.objects.create(
                delivery=delivery, number=1, started_at=now, duration_ms=took,
                status=200,
            )  # fmt: skip
    Attempt.objects.create(
        delivery=delivery, number=2, started_at=now, duration_ms=15000, error="timeout"
    )


def conversation(mailbox, subject, now, status="open"):
    customer = Customer.objects.get_or_create(
        domain=mailbox.domain, address="klant@bedrijf.nl", defaults={"name": "Klant"}
    )[0]
    thread = Thread.objects.create(
        mailbox=mailbox, subject=subject, status=status, customer=customer,
        last_message_at=now,
    )  # fmt: skip
    first = message(thread, now)
    thread.last_message = first
    thread.save()
    return thread


def message(thread, now, **fields):
    original = Original.objects.create(
        sha256=f"m{Message.objects.count():063}", size=1, content=b"x"
    )
    values = {
        "direction": "inbound",
        "sender": "klant@bedrijf.nl",
        "why_rule": "new",
        "why_evidence": "refers to nothing",
        **fields,
    }
    return Message.objects.create(
        mailbox=thread.mailbox,
        thread=thread,
        original=original,
        dedupe_key=original.sha256,
        subject=thread.subject,
        received_at=now,
        **values,
    )
