"""The line to PostgreSQL is cut at a COMMIT: before it is heard, or before its answer.

Each commit of a run is cut in both ways and the run finished: what is left then is what
an undisturbed one leaves. Here some are cut; by `make faults` all.
"""

import json
from contextlib import ExitStack
from functools import partial

import pytest
from django.core.management import call_command
from django.db import connection
from rest_framework.test import APIClient

import threads.ingest
from api.models import IdempotencyKey
from tests.faults import test_handed_over as handed
from tests.faults.harness import (
    LONG,
    differences,
    emptied,
    forked,
    healthy,
    state,
    summary,
)
from tests.faults.postgresql import Wire
from tests.faults.test_every_step import ImapIngest, Ingest, asked, tell
from tests.mails import mail
from tests.mailservers import smtp_server
from tests.receivers import receiving
from threads.models import IngestRecord, Message
from webhooks import subscriptions
from webhooks.leases import in_seconds
from webhooks.models import Delivery, Event

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(900 if LONG else 120),
    pytest.mark.skipif(
        connection.vendor == "sqlite", reason="SQLite has no line that can be cut"
    ),
]


@pytest.fixture(autouse=True)
def surroundings(settings, monkeypatch):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.MAIL_SIZE_LIMIT = 20_000
    monkeypatch.setattr(threads.ingest, "BATCH_MAILS", 16)


@pytest.fixture
def wire(tmp_path):
    wire = Wire(tmp_path)
    yield wire
    wire.close()


def cut(wire, run, at=0, *, heard=False):
    """What becomes of a process whose line is cut there; 0 is nowhere."""
    wire.set(at, heard=heard)
    with wire.connected():
        return forked(run)


def commits(wire, run):
    """How many an undisturbed run makes."""
    assert cut(wire, run) in {0, 1}
    return wire.passed


def cuts(count):
    """`(number, heard)` of each commit that is cut."""
    if LONG:
        return [(at, heard) for at in range(1, count + 1) for heard in (False, True)]
    # Of a POST the third has its effect and its answer.
    return [(1, False), *((at, True) for at in sorted({min(3, count), count}))]


@pytest.mark.parametrize("door", ["maildir", "imap"])
def test_ingest_with_its_line_cut_at_a_commit_ends_as_if_it_had_not_been(
    door, wire, tmp_path, request
):
    if door == "imap":
        ingest = ImapIngest(request.getfixturevalue("imap_server"))
    else:
        ingest = Ingest(tmp_path / "Maildir")
    ingest.prepare()
    count = commits(wire, ingest.run)
    ingest.finish()
    whole = state()
    for number, heard in (done := cuts(count)):
        ingest.prepare()
        code = cut(wire, ingest.run, number, heard=heard)
        assert wire.was_cut, (number, heard)
        assert code == 1, (number, heard, code)
        assert ingest.told_too_early() == [], (number, heard)
        ingest.finish()
        assert differences(whole, state()) == [], (number, heard)
        healthy()
    summary(door, "commits", range(count), done)


def test_a_pipe_with_its_line_cut_at_a_commit_stores_the_mail_once(wire, monkeypatch):
    monkeypatch.setattr("threads.reception.PATIENCE_SECONDS", 0)
    run = partial(handed.piped, handed.MAILS["answer"], "--to", "support+a@shop.nl")
    handed.prepare()
    count = commits(wire, run)
    whole = state()
    for number, heard in (done := cuts(count)):
        handed.prepare()
        code = cut(wire, run, number, heard=heard)
        assert wire.was_cut
        # Taken by us, or given again: never 0 and not stored.
        assert code or Message.objects.count() == 1, (number, heard)
        assert forked(run) == 0
        assert differences(whole, state()) == [], (number, heard)
        healthy()
    summary("pipe", "commits", range(count), done)


def test_lmtp_with_its_line_cut_at_a_commit_stores_the_mail_once(wire, tmp_path):
    path, content = tmp_path / "lmtp", handed.MAILS["answer"]
    handed.prepare()

    def given(at=0, *, heard=False):
        wire.set(at, heard=heard)
        with ExitStack() as stack:
            with wire.connected():
                listener = stack.enter_context(handed.listening(path))
            return [handed.delivered(listener, content) for _ in range(2)]

    def once():
        """Who was refused is stored after his neighbour: the order is another."""
        told = Event.objects.filter(type="message.received").count()
        kept = Message.objects.values_list("mailbox__address", flat=True)
        records = IngestRecord.objects.values_list("state", flat=True)
        assert (sorted(kept), told, list(records)) == (both, 2, ["done"] * 2)

    both = ["sales@shop.nl", "support@shop.nl"]
    assert given() == [[250, 250], [250, 250]]
    count = wire.passed
    once()
    for number, heard in (done := cuts(count)):
        handed.prepare()
        codes, again = given(number, heard=heard)
        assert wire.was_cut
        assert set(codes) <= {250, 451}
        assert again == [250, 250], (number, heard, codes)
        once()
        healthy()
    summary("lmtp", "commits", range(count), done)


def test_deliveries_with_their_line_cut_at_a_commit_are_told_once_or_twice(wire):
    with receiving() as receiver:

        def prepare():
            emptied()
            receiver.requests.clear()
            for path in "abc":
                subscriptions.create(
                    {"url": receiver.url + path, "events": ["message.sent"]}
                )
            tell(2)

        def run():
            call_command("deliver", "--once")

        prepare()
        count = commits(wire, run)
        whole, was_cut = state(), []
        for number, heard in (done := cuts(count)):
            prepare()
            cut(wire, run, number, heard=heard)
            # How many answers one commit records, their order tells: now and then all
            # is written before the last one.
            was_cut.append(wire.was_cut)
            Delivery.objects.filter(state="claimed").update(
                claimed_until=in_seconds(-1)
            )
            assert forked(run) == 0
            assert differences(whole, state()) == [], (number, heard)
            healthy()
            ids = [headers["webhook-id"] for _, headers, _ in receiver.requests]
            assert len(set(ids)) == 2
            assert 6 <= len(ids) <= 12
        assert was_cut.count(True) > len(was_cut) / 2
        summary("webhooks", "commits", range(count), done)


def test_a_reply_whose_line_is_cut_at_a_commit_is_sent_once_or_says_that_it_may_not_be(
    wire, tmp_path
):
    APIClient().get("/api/v1/me")  # its modules are loaded once, not in each fork
    with smtp_server() as sink:

        def run(key, thread):
            answer = APIClient(raise_request_exception=False).post(
                f"/api/v1/threads/{thread}/reply",
                json.dumps({"body": "Dank"}),
                content_type="application/json",
                HTTP_AUTHORIZATION=f"Bearer {key}",
                HTTP_IDEMPOTENCY_KEY="once",
            )
            assert answer.status_code in {202, 409, 503}, answer.content
            call_command("deliver", "--once")

        count = commits(wire, partial(run, *asked(tmp_path, sink, mail())))
        for number, heard in (done := cuts(count)):
            again = partial(run, *asked(tmp_path, sink, mail()))
            cut(wire, again, number, heard=heard)
            assert wire.was_cut
            IdempotencyKey.objects.filter(status=None).update(
                created_at=in_seconds(-61)
            )
            Message.objects.filter(status="sending").update(
                claimed_until=in_seconds(-1)
            )
            for _ in range(2):
                Message.objects.filter(status="queued").update(next_at=in_seconds(-1))
                assert forked(again) == 0
            message = Message.objects.get(direction="outbound")
            assert message.status in {"sent", "in_doubt"}, (number, heard)
            assert len(sink.mails) <= 1, (number, heard)
            assert message.status == "in_doubt" or sink.mails
            told = Event.objects.values_list("type", flat=True)
            assert list(told).count(f"message.{message.status}") == 1
            assert not IngestRecord.objects.exclude(state="done").exists()
            healthy()
        summary("reply", "commits", range(count), done)
