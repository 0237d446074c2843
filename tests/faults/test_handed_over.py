"""Pipe and LMTP killed at every step: the MTA gives it again, and it is there once."""

import asyncio
import io
import os
import signal
import smtplib
import socket
import sys
from contextlib import contextmanager, suppress
from functools import partial

import pytest
from django.conf import settings
from django.core.management import call_command

from tests.faults.harness import (
    begun,
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
from tests.lmtp import connected, hand
from tests.mails import mail
from tests.processes import eventually
from threads.lmtp import Address, Listener
from threads.models import IngestRecord, Mailbox, Message
from threads.parsers import Parsers
from webhooks.models import Webhook

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

LOOPED = b"Received: from a by b; x\n" * 51
MAILS = {
    "answer": mail(
        message_id="<2@x>",
        in_reply_to="<1@x>",
        text="Ja.\n",
        attachment=("a.pdf", b"%PDF"),
    ),
    "quarantined": LOOPED + mail(message_id="<3@x>", text="Rond.\n"),
}


def prepare():
    emptied()
    Mailbox.objects.create(address="support@shop.nl", name="Support")
    Mailbox.objects.create(address="sales@shop.nl", catch_all=True)
    Webhook.objects.create(
        url="https://example.com/", events=["thread.created", "message.received"]
    )


def piped(content, *arguments):
    sys.stdin = io.TextIOWrapper(io.BytesIO(content))
    call_command("ingest", "--stdin", *arguments)


def given(name, *arguments, fault=""):
    """What became of the process that was given this mail."""
    return forked(lambda: piped(MAILS[name], *arguments), fault)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("answer", ("--to", "support+a@shop.nl")), ("quarantined", ())],
)
def test_a_pipe_killed_at_any_step_stores_the_mail_once(
    tmp_path, name, arguments, monkeypatch
):
    # Who died has it no longer; there is nobody to be patient with.
    monkeypatch.setattr("threads.reception.PATIENCE_SECONDS", 0)
    prepare()
    names = steps(partial(piped, MAILS[name], *arguments), tmp_path / "steps")
    whole = state()
    healthy()
    assert IngestRecord.objects.count() == 1
    assert "ledger.records" in names
    for number, step in (done := chosen(names)):
        prepare()
        assert killed(given(name, *arguments, fault=str(number))), step
        for _ in range(2):
            assert given(name, *arguments) == 0, step
        assert differences(whole, state()) == [], step
        healthy()
    summary(f"pipe ({name})", "steps", names, done)


def test_what_the_mta_never_gives_again_is_finished_by_the_next_pass(monkeypatch):
    prepare()
    assert killed(given("answer", "--to", "support@shop.nl", fault="ingest.entered"))
    assert IngestRecord.objects.get().state == "seen"
    # Its claim runs out; here we need not wait for that.
    IngestRecord.objects.update(claimed_until="2026-01-01T00:00:00Z")
    assert forked(lambda: call_command("ingest")) == 0
    assert Message.objects.count() == 1
    assert forked(lambda: call_command("ingest", "--verify")) == 0
    healthy()


def accepts(path):
    """The file is there a moment before anybody listens."""
    with socket.socket(socket.AF_UNIX) as link, suppress(OSError):
        link.connect(str(path))
        return True
    return False


@contextmanager
def listening(path, fault=""):
    """A listener in a fork of this process; it may die of its fault."""

    def serve():
        async def run():
            listener = Listener(Address(path=str(path)), parsers, mode=0o600)
            await listener.serve(lambda: None)

        settings.MAIL_SIZE_LIMIT = 20_000
        with Parsers() as parsers:
            asyncio.run(run())

    path.unlink(missing_ok=True)
    pid = begun(serve, fault)
    listener = type("Listener", (), {"socket": str(path), "code": None})
    try:
        eventually(lambda: accepts(path))
        yield listener
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        listener.code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def delivered(listener, content):
    """The answers; none when it died before it gave them."""
    client = connected(listener)
    client.ehlo_or_helo_if_needed()
    return hand(client, content, "support+a@shop.nl", "wie@shop.nl")


def test_lmtp_killed_at_any_step_stores_the_mail_once_in_each_mailbox(tmp_path):
    path, log = tmp_path / "lmtp", tmp_path / "steps"
    prepare()
    with listening(path, f"log:{log}") as listener:
        assert delivered(listener, MAILS["answer"]) == [250, 250]
    names = log.read_text().split()
    whole = state()
    healthy()
    assert Message.objects.count() == 2
    for number, step in (done := chosen(names)):
        prepare()
        with (
            listening(path, str(number)) as listener,
            # It never says 250 of what it has not stored.
            pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)),
        ):
            delivered(listener, MAILS["answer"])
        assert killed(listener.code), step
        IngestRecord.objects.filter(state="seen").update(claimed_until=None, token=None)
        with listening(path) as listener:
            for _ in range(2):
                assert delivered(listener, MAILS["answer"]) == [250, 250], step
        assert differences(whole, state()) == [], step
        healthy()
    assert not path.exists()
    summary("lmtp", "steps", names, done)


def test_lmtp_killed_while_it_refuses_a_large_mail_tells_of_it_once(tmp_path):
    path, log = tmp_path / "lmtp", tmp_path / "steps"
    large = mail(text="x" * 79 + "\n") * 400
    prepare()
    with listening(path, f"log:{log}") as listener:
        assert delivered(listener, large) == [552, 552]
    names = log.read_text().split()
    assert names.count("ingest.oversize") == 2
    whole = state()
    for number, step in (done := chosen(names)):
        prepare()
        with (
            listening(path, str(number)) as listener,
            pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)),
        ):
            delivered(listener, large)
        assert killed(listener.code), step
        with listening(path) as listener:
            for _ in range(2):
                assert delivered(listener, large) == [552, 552], step
        assert differences(whole, state()) == [], step
        healthy()
    summary("lmtp (too large)", "steps", names, done)
