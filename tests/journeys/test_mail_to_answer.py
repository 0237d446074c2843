"""The whole way: a mail on disk, a verified event, a reply by API, the answer to it.

Through real parts: the watcher and the worker as processes, an HTTP receiver that
verifies with somebody else's library, an HTTP client, an SMTP server.
"""

import json
from contextlib import ExitStack
from email import message_from_bytes, policy

import pytest
import requests
from standardwebhooks.webhooks import Webhook as Verifier

from api.models import ApiKey
from tests.mails import Maildir, mail
from tests.mailservers import smtp_server
from tests.processes import command, eventually, running
from tests.receivers import receiving
from threads.laws import LAWS
from threads.models import Mailbox, Source
from webhooks import subscriptions
from webhooks.catalogue import EVENTS

pytestmark = pytest.mark.django_db(transaction=True)


class Installation:
    """What somebody has who has just set it up."""

    def __init__(self, folder, receiver, sink, site, webhook):
        self.folder = folder
        self.receiver = receiver
        self.sink = sink
        self.site = site
        self.verifier = Verifier(webhook.secrets.get().value)
        self.key = {"authorization": f"Bearer {ApiKey.objects.issue('journey')[1]}"}

    def events(self, count):
        """The first `count` events, in the order of their ids, each verified."""
        told = {}
        for _, headers, body in self.receiver.wait_for(count):
            lower = {name.lower(): value for name, value in headers.items()}
            event = self.verifier.verify(body.decode(), lower)
            assert json.loads(body) == event
            told[lower["webhook-id"]] = event
        return sorted(told.values(), key=lambda e: (e["thread_id"], e["sequence"]))

    def call(self, method, path, **values):
        answer = requests.request(
            method,
            f"{self.site}/api/v1{path}",
            headers=self.key,
            json=values or None,
            timeout=10,
        )
        answer.raise_for_status()
        return answer.json()


@pytest.fixture
def installation(environment, live_server, settings, tmp_path):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    folder = Maildir(tmp_path / "Maildir")
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving())
        sink = stack.enter_context(smtp_server())
        mailbox = Mailbox.objects.create(
            address="support@shop.nl",
            name="Support",
            smtp={"host": "127.0.0.1", "port": sink.port, "tls": "none"},
        )
        Source.objects.create(
            mailbox=mailbox, kind="maildir", location=str(folder.path)
        )
        webhook = subscriptions.create({"url": receiver.url, "events": list(EVENTS)})[0]
        worker = stack.enter_context(
            running(environment, tmp_path / "worker.log", "worker")
        )
        watcher = stack.enter_context(
            running(environment, tmp_path / "watch.log", "ingest", "--watch")
        )
        worker.says("is ready")
        watcher.says("atching")
        yield Installation(folder, receiver, sink, live_server.url, webhook)
        assert (worker.end(), watcher.end()) == (0, 0)


def test_a_customer_writes_is_answered_and_answers(installation, environment):
    inst = installation
    inst.folder.deliver(mail(subject="Vraag over café", text="Hallo!\n"))
    created, received = inst.events(2)
    assert (created["event"], received["event"]) == (
        "thread.created",
        "message.received",
    )
    assert received["from"] == "klant@bedrijf.nl"
    assert (received["subject"], received["body_text"]) == (
        "Vraag over café",
        "Hallo!",
    )

    thread = received["thread_id"]
    queued = inst.call("POST", f"/threads/{thread}/reply", body="Bedankt!", close=True)
    assert queued["status"] == "queued"
    _, _, closed, sent = inst.events(4)
    assert (closed["event"], sent["event"]) == ("thread.closed", "message.sent")
    assert inst.call("GET", f"/messages/{queued['id']}")["status"] == "sent"
    to, raw = inst.sink.mails[0]
    answer = message_from_bytes(raw, policy=policy.default)
    assert to == ["klant@bedrijf.nl"]
    assert answer["In-Reply-To"] == "<1@bedrijf.nl>"

    inst.folder.deliver(
        mail(
            subject="Re: Vraag over café",
            text="Nog iets.\n",
            message_id="<2@bedrijf.nl>",
            in_reply_to=answer["Message-ID"],
            references=f"<1@bedrijf.nl> {answer['Message-ID']}",
        )
    )
    events = inst.events(6)
    assert [event["event"] for event in events[4:]] == [
        "thread.reopened",
        "message.received",
    ]
    assert {event["thread_id"] for event in events} == {thread}
    assert [event["sequence"] for event in events] == [1, 2, 3, 4, 5, 6]
    shown = inst.call("GET", f"/threads/{thread}")
    assert (shown["status"], shown["message_count"]) == ("open", 3)
    logged = inst.call("GET", "/events")["results"]
    assert [event["id"] for event in logged] == [event["id"] for event in events]
    eventually(lambda: inst.folder.names("new") == [])
    assert command(environment, "fsck").returncode == 0
    assert [line for law in LAWS for line in law.broken()] == []


def test_a_bad_mail_and_a_new_source_stop_nothing(installation, tmp_path):
    inst = installation
    inst.folder.deliver(b"")
    inst.folder.deliver(b"\x00\xff\xfe" * 2000)
    (inst.folder.path / "new" / "loop").symlink_to("loop")
    inst.folder.deliver(mail())
    received = eventually(
        lambda: [
            json.loads(body)
            for _, _, body in inst.receiver.requests
            if b"klant@bedrijf.nl" in body
        ]
    )
    assert received
    other = Maildir(tmp_path / "Other")
    mailbox = Mailbox.objects.create(address="verkoop@shop.nl")
    Source.objects.create(mailbox=mailbox, kind="maildir", location=str(other.path))
    other.deliver(mail(to="verkoop@shop.nl", message_id="<9@bedrijf.nl>"))
    eventually(
        lambda: any(b"verkoop@shop.nl" in body for _, _, body in inst.receiver.requests)
    )
