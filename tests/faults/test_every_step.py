"""Killed at every step and finished: the same rows as if nothing had happened."""

import json
import shutil
from functools import partial

import pytest
from django.core.management import call_command
from django.db import transaction
from rest_framework.test import APIClient

import threads.ingest
from api.models import ApiKey, IdempotencyKey
from tests.faults.harness import (
    LONG,
    chosen,
    differences,
    emptied,
    forked,
    healthy,
    killed,
    state,
    steps,
    summary,
)
from tests.mails import Maildir, mail
from tests.mailservers import smtp_server
from tests.receivers import receiving
from threads.models import IngestRecord, Mailbox, Message, Source, Thread
from webhooks import outbox, subscriptions
from webhooks.leases import in_seconds
from webhooks.models import Delivery, Event, Webhook

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def surroundings(settings, monkeypatch):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.MAIL_SIZE_LIMIT = 20_000
    # Two batches, so that one is on its way while the other is stored.
    monkeypatch.setattr(threads.ingest, "BATCH_MAILS", 16)


def thirty():
    """Threads, answers before their parents, duplicates, and what is no message."""
    for number in range(8):
        yield mail(f"Vraag {number}", message_id=f"<{number}@x>", text=f"{number}\n")
    for number in range(8, 16):
        parent = f"<{number % 5}@x>"
        yield mail(message_id=f"<{number}@x>", in_reply_to=parent, text=f"{number}\n")
    for number in range(16, 19):
        yield mail(message_id=f"<{number}@x>", in_reply_to="<late@x>", text=f"{number}")
    yield mail(message_id="<late@x>", text="De ouder komt later.\n")
    yield mail(message_id="<join@x>", references="<6@x> <7@x>", text="Samen.\n")
    yield b"Received: from a by b; 2\n" + mail(
        "Vraag 0", message_id="<0@x>", text="0\n"
    )
    yield mail("Vraag 1", message_id="<1@x>", text="1\n")
    yield mail("Anders", message_id="<1@x>", text="Hetzelfde Message-ID.\n")
    yield mail(message_id="<big@x>", text="x" * 30_000)
    yield b"Received: from a by b; x\n" * 51 + mail(message_id="<loop@x>")
    for number in range(26, 30):
        yield mail(
            message_id=f"<{number}@x>",
            sender=f"klant{number}@x.nl",
            text=f"{number}\n",
            attachment=(f"{number}.pdf", b"%PDF" * number),
        )


class Ingest:
    def __init__(self, folder):
        self.folder = folder
        # Once: a boundary is random.
        self.mails = list(thirty())

    def prepare(self):
        emptied()
        shutil.rmtree(self.folder, ignore_errors=True)
        maildir = Maildir(self.folder)
        for content in self.mails:
            maildir.deliver(content)
        mailbox = Mailbox.objects.create(address="support@shop.nl", name="Support")
        Source.objects.create(
            mailbox=mailbox, kind="maildir", location=str(maildir.path)
        )
        for include_body in (True, False):
            Webhook.objects.create(
                url="https://example.com/",
                events=["thread.created", "message.received"],
                include_body=include_body,
            )

    def run(self):
        call_command("ingest")

    def told_too_early(self):
        """What the source counts as done, and the database has not finished."""
        finished = IngestRecord.objects.exclude(state="seen")
        known = set(finished.values_list("ref", flat=True))
        names = (path.name for path in (self.folder / "cur").iterdir())
        return [name for name in names if name.partition(":")[0] not in known]

    def verify(self):
        call_command("ingest", "--verify")

    def finish(self):
        codes = [forked(self.run) for _ in range(2)]
        assert codes[-1] == 0, codes
        assert forked(self.verify) == 0


def test_ingest_killed_at_any_step_ends_as_if_it_had_not_been(tmp_path):
    ingest = Ingest(tmp_path / "Maildir")
    ingest.prepare()
    names = steps(ingest.run, tmp_path / "steps")
    ingest.finish()
    whole = state()
    healthy()
    assert Message.objects.count() == 26
    assert sorted(IngestRecord.objects.values_list("state", flat=True)) == [
        *["done"] * 26,
        *["duplicate"] * 2,
        "oversize",
        "quarantined",
    ]
    assert Thread.objects.filter(merged_into__isnull=False).count() == 1
    assert {"ledger.records", "arrival.ledger", "ingest.told"} <= set(names)
    for number, name in (done := chosen(names)):
        ingest.prepare()
        assert killed(forked(ingest.run, str(number))), (number, name)
        assert ingest.told_too_early() == [], (number, name)
        if name == "ingest.entered":
            # The bytes are safe before anybody tries to understand them.
            assert IngestRecord.objects.filter(state="seen").count() >= 13
        ingest.finish()
        assert differences(whole, state()) == [], (number, name)
        healthy()
    summary("maildir", "steps", names, done)


class ImapIngest(Ingest):
    """The same mails in a folder of a real server, moved away once they are stored."""

    def __init__(self, server):
        self.mails = list(thirty())
        self.server = server
        self.user = server.new_user()

    def prepare(self):
        emptied()
        with self.server.client(self.user) as client:
            for folder in ("Nieuw", "Archief"):
                if client.folder_exists(folder):
                    client.delete_folder(folder)
                client.create_folder(folder)
            for content in self.mails:
                client.append("Nieuw", content)
        mailbox = Mailbox.objects.create(address="support@shop.nl", name="Support")
        Source.objects.create(
            mailbox=mailbox,
            kind="imap",
            location=self.server.url(self.user, "Nieuw"),
            settings=self.server.settings(),
            start="all",
            after="move",
            move_to="Archief",
        )

    def told_too_early(self):
        done = IngestRecord.objects.filter(state__in=["done", "duplicate"]).count()
        with self.server.client(self.user) as client:
            client.select_folder("Archief", readonly=True)
            return list(client.search())[done:]

    def left(self):
        with self.server.client(self.user) as client:
            return [
                client.select_folder(name, readonly=True)[b"EXISTS"]
                for name in ("Nieuw", "Archief")
            ]


def test_ingest_from_imap_killed_at_any_step_ends_as_if_it_had_not_been(
    imap_server, tmp_path
):
    ingest = ImapIngest(imap_server)
    ingest.prepare()
    names = steps(ingest.run, tmp_path / "steps")
    ingest.finish()
    whole = state()
    healthy()
    assert Message.objects.count() == 26
    # What is too big or not understood stays where it is.
    assert ingest.left() == [2, 28]
    assert {"epochs.noted", "ledger.records", "aftercare.told"} <= set(names)
    # The others are those of a Maildir, which has died there.
    own = {"epochs.noted", "ingest.entered", "ingest.stored", "aftercare.told"}
    done = [step for step in chosen(names) if LONG or step[1] in own]
    for number, name in done:
        ingest.prepare()
        assert killed(forked(ingest.run, str(number))), (number, name)
        assert ingest.told_too_early() == [], (number, name)
        ingest.finish()
        assert differences(whole, state()) == [], (number, name)
        assert ingest.left() == [2, 28], (number, name)
        healthy()
    summary("imap", "steps", names, done)


def tell(count):
    with transaction.atomic():
        outbox.publish(
            [
                outbox.NewEvent(
                    type="message.sent",
                    cause=f"test:{number}",
                    mailbox="support@shop.nl",
                    domain="shop.nl",
                    body_text=f"Hallo {number}",
                )
                for number in range(count)
            ]
        )


def test_deliveries_killed_at_any_step_arrive_and_look_the_same():
    with receiving() as receiver:

        def prepare():
            emptied()
            receiver.requests.clear()
            for path in "abc":
                subscriptions.create(
                    {
                        "url": receiver.url + path,
                        "events": ["message.sent"],
                        "include_body": path != "c",
                    }
                )
            tell(2)

        def run():
            call_command("deliver", "--once")

        whole, number = None, 0
        while True:
            prepare()
            dead = killed(forked(run, str(number) if number else ""))
            # The leases of the dead run out; here we need not wait for that.
            Delivery.objects.filter(state="claimed").update(
                claimed_until=in_seconds(-1)
            )
            assert forked(run) == 0, number
            whole = whole or state()
            assert differences(whole, state()) == [], number
            healthy()
            sends = {}
            for path, headers, body in receiver.requests:
                if len(body) < int(headers["Content-Length"]):
                    continue  # its sender died while it spoke
                sends.setdefault((path, headers["webhook-id"]), []).append(body)
            assert len(sends) == 6, number
            assert all(len(set(bodies)) == 1 for bodies in sends.values())
            assert max(len(bodies) for bodies in sends.values()) <= 1 + dead
            if number and not dead:
                break
            number += 1
        assert number > 7
        summary("webhooks", "steps", range(number - 1), range(number - 1))


def asked(tmp_path, sink, content):
    """A fresh database with a thread to answer, and the key to do it with."""
    emptied()
    sink.mails.clear()
    folder = Maildir(tmp_path / str(len(list(tmp_path.iterdir()))))
    folder.deliver(content)
    smtp = {"host": "127.0.0.1", "port": sink.port, "tls": "none"}
    mailbox = Mailbox.objects.create(address="support@shop.nl", smtp=smtp)
    Source.objects.create(mailbox=mailbox, kind="maildir", location=str(folder.path))
    assert forked(lambda: call_command("ingest")) == 0
    return ApiKey.objects.issue("test")[1], Thread.objects.get().public_id


def test_a_reply_killed_at_any_step_is_sent_once_or_says_that_it_may_not_be(tmp_path):
    APIClient().get("/api/v1/me")  # its modules are loaded once, not in each fork
    content = mail()
    with smtp_server() as sink:

        def run(key, thread):
            client = APIClient()
            answer = client.post(
                f"/api/v1/threads/{thread}/reply",
                json.dumps({"body": "Dank"}),
                content_type="application/json",
                HTTP_AUTHORIZATION=f"Bearer {key}",
                HTTP_IDEMPOTENCY_KEY="once",
            )
            assert answer.status_code == 202, answer.content
            call_command("deliver", "--once")

        met = set()
        number = 1
        while True:
            who = asked(tmp_path, sink, content)
            dead = killed(forked(partial(run, *who), str(number)))
            IdempotencyKey.objects.filter(status=None).update(
                created_at=in_seconds(-61)
            )
            Message.objects.filter(status="sending").update(
                claimed_until=in_seconds(-1)
            )
            for _ in range(2):
                Message.objects.filter(status="queued").update(next_at=in_seconds(-1))
                forked(partial(run, *who))
            message = Message.objects.get(direction="outbound")
            healthy()
            told = Event.objects.filter(type__startswith="message.").values_list(
                "type", flat=True
            )
            assert sorted(told) == sorted(
                ["message.received", f"message.{message.status}"]
            ), number
            assert len({bytes(content) for _, content in sink.mails}) <= 1
            if message.status == "sent":
                assert len(sink.mails) == 1, number
            else:
                assert (message.status, dead) == ("in_doubt", True), number
                assert len(sink.mails) <= 1
            met.add(message.status)
            if not dead:
                break
            number += 1
        assert met == {"sent", "in_doubt"}
        assert number > 8
        summary("reply", "steps", range(number - 1), range(number - 1))
