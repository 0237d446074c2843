"""An MTA delivers by LMTP: 250 is said of what is stored, and of nothing else."""

import json
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
from threads.doctor.mail import left_unread
from threads.laws import LAWS
from threads.models import Alias, IngestRecord, Limits, Mailbox, Message, Source
from webhooks.models import Event, Webhook

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
    # Which size is too large is ours to say, and to tell people of.
    assert client.esmtp_features["size"] == ""
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


def oversize():
    """Of each that was told: for whom, the size of the row, and what people read."""
    rows = IngestRecord.objects.filter(state="oversize", original=None)
    sizes = {f"message.oversize:{row.public_id}": row.size for row in rows}
    told = Event.objects.filter(type="message.oversize").order_by("pk")
    return [
        (event.mailbox, sizes[event.cause], json.loads(bytes(body))["body_text"])
        for event in told
        for body in event.bodies.values_list("body", flat=True)
    ]


def hears_of_it():
    Webhook.objects.create(url="https://example.com/", events=["message.oversize"])


def test_a_mail_that_is_said_to_be_large_is_refused_and_told_once(lmtp):
    hears_of_it()
    link = connected(lmtp)
    link.ehlo_or_helo_if_needed()
    everybody = ("support+a@shop.nl", "wie@shop.nl", "sales@shop.nl", "support@shop.nl")
    # It did not hear our answer, and asks again.
    for _ in range(2):
        assert link.mail("klant@bedrijf.nl", ["SIZE=30000000"])[0] == 250
        answers = [link.rcpt(one) for one in everybody]
        assert [code for code, _said in answers] == [552, 550, 552, 552]
        assert answers[0][1] == b"5.3.4 The mail is larger than 25 MiB"
        link.rset()
    found = oversize()
    assert [(who, size) for who, size, _text in found] == [
        ("support@shop.nl", 30_000_000),
        ("sales@shop.nl", 30_000_000),
    ]
    assert "a mail from klant@bedrijf.nl is larger than the limit of 25" in found[0][2]
    # Other ones.
    link.mail("klant@bedrijf.nl", ["SIZE=30000001", "BODY=8BITMIME"])
    assert link.rcpt("sales@shop.nl")[0] == 552
    link.rset()
    link.mail("", ["size=30000000"])
    assert link.rcpt("sales@shop.nl")[0] == 552
    link.rset()
    assert len(oversize()) == 4
    assert hand(link, mail(), "support@shop.nl", "sales@shop.nl") == [250, 250]
    link.mail("klant@bedrijf.nl", [f"SIZE={25 * 1024 * 1024}"])
    assert link.rcpt("sales@shop.nl")[0] == 250
    healthy()
    # Nothing of it is left anywhere, for a doctor to warn of.
    assert list(left_unread()) == []


@pytest.mark.parametrize("line", [b"x" * 990 + b"\r\n", b"x" * 992])
def test_a_mail_that_turns_out_to_be_large_is_refused_and_nobody_holds_it(lmtp, line):
    hears_of_it()
    client = connected(lmtp)
    client.ehlo_or_helo_if_needed()
    hand(client, mail(message_id="<0@x>"), "support@shop.nl")
    large = mail() + line * 100_000
    before = high_water(lmtp.pid)
    for _ in range(2):
        answers = hand(client, large, "support@shop.nl", "sales@shop.nl")
        assert answers == [552, 552]
    # Its limit, and what a reader of lines needs beside it.
    assert high_water(lmtp.pid) - before < 60 * 1024
    found = oversize()
    assert [who for who, _size, _text in found] == ["support@shop.nl", "sales@shop.nl"]
    assert all(0 <= size - len(large) < 10 for _who, size, _text in found)
    assert hand(client, mail(), "support@shop.nl", "sales@shop.nl") == [250, 250]
    assert Message.objects.count() == 3
    healthy()


def high_water(pid):
    """KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def test_the_limit_is_what_staff_say(lmtp):
    Limits.objects.create(mail_megabytes=1)
    link = connected(lmtp)
    link.ehlo_or_helo_if_needed()
    link.mail("klant@bedrijf.nl", ["SIZE=1048577"])
    answer = link.rcpt("support@shop.nl")
    assert answer == (552, b"5.3.4 The mail is larger than 1 MiB")
    link.rset()
    large = mail(text="lang\n" * 220_000)
    assert hand(link, large, "support@shop.nl", "sales@shop.nl") == [552, 552]
    assert hand(link, mail(), "support@shop.nl") == [250]


def test_what_nobody_can_be_told_of_is_not_refused_for_good(lmtp):
    client = connected(lmtp)
    client.ehlo_or_helo_if_needed()
    client.mail("klant@bedrijf.nl", ["SIZE=30000000"])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE threads_ingestrecord RENAME TO gone")
        try:
            assert client.rcpt("support@shop.nl")[0] == 451
        finally:
            cursor.execute("ALTER TABLE gone RENAME TO threads_ingestrecord")
    assert client.rcpt("support@shop.nl")[0] == 552


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
