"""An MTA delivers by LMTP: 250 is said of what is stored, and of nothing else."""

import signal
import stat
import threading
from pathlib import Path
from time import sleep

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from tests.lmtp import connected, hand, listening
from tests.mails import mail
from tests.processes import alive, descendants, eventually
from threads.laws import LAWS
from threads.models import Alias, IngestRecord, Mailbox, Message, Source
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(mailbox):
    sales = Mailbox.objects.create(address="sales@shop.nl")
    Alias.objects.create(mailbox=sales, address="verkoop@shop.nl")
    return mailbox


@pytest.fixture
def lmtp(shop, environment, tmp_path):
    with listening(environment, tmp_path) as process:
        yield process


def healthy():
    assert [line for law in LAWS for line in law.broken()] == []


def test_each_recipient_has_its_own_answer_and_each_mailbox_its_copy(lmtp):
    both = mail(to="support@shop.nl, verkoop@shop.nl", text="Beide.\n")
    client = connected(lmtp)
    assert client.ehlo_or_helo_if_needed() is None
    assert client.esmtp_features["size"] == str(25 * 1024 * 1024)
    assert "pipelining" in client.esmtp_features
    everybody = (
        "support@shop.nl",
        "nobody@shop.nl",
        "Verkoop+a@shop.nl",
        "support+b@shop.nl",
    )
    assert hand(client, both, *everybody) == [250, 550, 250, 250]
    found = Message.objects.values_list("mailbox__address", "delivered_to")
    assert sorted(found) == [
        ("sales@shop.nl", "verkoop@shop.nl"),
        ("support@shop.nl", "support@shop.nl"),
    ]
    assert Event.objects.filter(type="message.received").count() == 2
    assert not Message.objects.filter(imported=True).exists()
    # The MTA did not hear the answer, and gives it again.
    assert hand(client, both, *everybody) == [250, 550, 250, 250]
    assert Message.objects.count() == 2
    # Nobody else waits for a mail like this one: it is ours, and in quarantine.
    looped = b"Received: from a by b; x\n" * 51 + mail(message_id="<2@x>")
    assert hand(client, looped, "support@shop.nl") == [250]
    assert IngestRecord.objects.filter(state="quarantined").count() == 1
    # Bounces have no sender.
    bounce = mail(message_id="<3@x>", text="Onbestelbaar.\n")
    assert hand(client, bounce, "support@shop.nl", sender="") == [250]
    stored = Message.objects.get(message_id="3@x")
    assert bytes(stored.original.content).startswith(
        b"Return-Path: <>\r\nDelivered-To: support@shop.nl\r\n"
    )
    # One line of 200,000 characters, and lines that begin with a dot.
    odd = mail(message_id="<4@x>") + b"." * 200_000 + b"\r\n.\r\n..\r\n"
    assert hand(client, odd, "support@shop.nl") == [250]
    original = Message.objects.get(message_id="4@x").original
    assert bytes(original.content).endswith(b"." * 200_000 + b"\r\n.\r\n..\r\n")
    client.quit()
    healthy()
    assert {source.kind for source in Source.objects.all()} == {"lmtp"}


def test_a_large_mail_is_refused_for_each_recipient_and_the_session_goes_on(lmtp):
    client = connected(lmtp)
    client.ehlo_or_helo_if_needed()
    code, _said = client.mail("klant@bedrijf.nl", ["SIZE=30000000"])
    assert code == 552
    client.rset()
    large = mail() + (b"x" * 990 + b"\r\n") * 27_000
    assert hand(client, large, "support@shop.nl", "sales@shop.nl") == [552, 552]
    assert hand(client, mail(), "support@shop.nl", "sales@shop.nl") == [250, 250]
    assert Message.objects.count() == 2


def test_what_can_not_be_stored_now_is_to_be_tried_again(shop, environment, tmp_path):
    """The database is away: nobody is told that there is no such mailbox."""
    nowhere = {"DATABASE_URL": "sqlite:////nowhere/x.sqlite3"}
    with listening(environment, tmp_path, **nowhere) as process:
        client = connected(process)
        client.ehlo_or_helo_if_needed()
        assert hand(client, mail(), "support@shop.nl", "x@y.nl") == [451, 451]
        assert process.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_finishes_the_mail_in_hand(lmtp, number):
    client = connected(lmtp)
    client.ehlo_or_helo_if_needed()
    below = descendants(lmtp.pid)
    answers = []
    giving = threading.Thread(
        target=lambda: answers.extend(hand(client, mail(), "support@shop.nl"))
    )
    with transaction.atomic():
        # The mail waits for this, between its commits on PostgreSQL.
        Mailbox.objects.select_for_update().get(address="support@shop.nl")
        giving.start()
        sleep(1.5)
        lmtp.process.send_signal(number)
        sleep(0.5)
        assert lmtp.process.poll() is None
    giving.join()
    assert lmtp.process.wait(10) == 0, lmtp.output()
    assert answers == [250]
    assert Message.objects.count() == 1
    assert not Path(lmtp.socket).exists()
    eventually(lambda: not [pid for pid in below if alive(pid)], 5)


def test_the_socket_of_a_killed_listener_is_taken_over(lmtp, environment, tmp_path):
    assert stat.S_IMODE(Path(lmtp.socket).stat().st_mode) == 0o660
    with pytest.raises(CommandError, match="somebody listens there already"):
        call_command("lmtp", "--listen", lmtp.socket)
    lmtp.end(signal.SIGKILL)
    with listening(environment, tmp_path) as second:
        client = connected(second)
        client.ehlo_or_helo_if_needed()
        assert hand(client, mail(), "support@shop.nl") == [250]
    connection.close()
