"""A real Postfix hands mail over; whatever dies meanwhile, each mail is there once."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from tests.faults.harness import LONG
from tests.lmtp import listening
from tests.mails import mail
from tests.postfix import postfix
from tests.processes import eventually
from threads.laws import LAWS
from threads.models import IngestRecord, Mailbox, Message
from webhooks.models import Event

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(180),
]

LMTP_FAULTS = ["ingest.entered:2", "arrival.ledger:2", "ingest.stored:2"]
PIPE_FAULTS = ["ledger.records", "ingest.entered", "arrival.ledger"]
if not LONG:
    del LMTP_FAULTS[1:], PIPE_FAULTS[1:]


@pytest.fixture
def shop(mailbox):
    Mailbox.objects.create(address="sales@shop.nl")
    return mailbox


def send(server, *numbers, to=("support@shop.nl",)):
    for number in numbers:
        server.send(mail(message_id=f"<{number}@x>", text=f"{number}\n"), *to)


def once(count):
    assert Message.objects.count() == count
    assert Event.objects.filter(type="message.received").count() == count
    assert set(IngestRecord.objects.values_list("state", flat=True)) == {"done"}
    assert [line for law in LAWS for line in law.broken()] == []


@pytest.mark.skipif(
    connection.vendor == "sqlite" and not LONG,
    reason="what Postfix says is the same for every database",
)
def test_by_lmtp_also_while_the_listener_dies(shop, environment, tmp_path):
    for path in (tmp_path, *tmp_path.parents):
        with suppress(PermissionError):
            path.chmod(path.stat().st_mode | 0o011)
    lmtp = ("lmtp:unix:" + str(tmp_path / "lmtp"), "--mode", "666")
    with postfix(lmtp[0]) as server:
        # Nobody listens yet: it keeps the mail.
        send(server, 0)
        for fault in LMTP_FAULTS:
            with listening(
                environment, tmp_path, *lmtp[1:], FAULT_STEP=fault
            ) as process:
                send(server, fault, f"{fault}+", to=("sales@shop.nl",))
                assert process.process.wait(30) == -signal.SIGKILL, fault
        with listening(environment, tmp_path, *lmtp[1:]) as process:
            send(server, 1, 2)
            send(server, 3, to=("support+a@shop.nl", "sales@shop.nl", "wie@shop.nl"))
            server.empties()
            large = mail(message_id="<4@x>") + (b"x" * 990 + b"\r\n") * 27_000
            server.send(large, "support@shop.nl")
            server.empties()
            assert process.end() == 0
        assert "550 5.1.1 No such mailbox here" in server.log()
        # Refused by us, who tell people of it; its sender hears it from Postfix.
        assert "552 5.3.4 The mail is larger than 25 MiB (in reply to RCPT" in (
            server.log()
        )
    assert Event.objects.filter(type="message.oversize").count() == 1
    IngestRecord.objects.filter(state="oversize").delete()
    once(5 + 2 * len(LMTP_FAULTS))
    found = Message.objects.filter(message_id="3@x")
    assert set(found.values_list("mailbox__address", flat=True)) == {
        "sales@shop.nl",
        "support@shop.nl",
    }


@pytest.fixture
def for_nobody(environment):
    """The pipe's user is not this one; the file has to be his too."""
    name = Path(connection.settings_dict["NAME"])
    connection.close()
    mine = [name.parent, *name.parent.glob(f"{name.name}*")]
    for path in mine:
        os.chown(path, 65534, -1)
    yield environment
    connection.close()
    for path in [name.parent, *name.parent.glob(f"{name.name}*")]:
        os.chown(path, os.geteuid(), -1)


@pytest.mark.skipif(
    connection.vendor != "sqlite",
    reason="the pipe's user may not connect to the tests' PostgreSQL",
)
def test_by_a_pipe_also_while_its_processes_die(shop, for_nobody):
    with postfix("mailbelly:", for_nobody) as server:
        for fault in PIPE_FAULTS:
            server.fault(fault)
            send(server, fault)
            eventually(lambda: not (server.base / "fault").exists(), explain=server.log)
            server.empties()
        send(server, 1, to=("support+vip@shop.nl", "sales@shop.nl"))
        server.empties()
        # It waits for whom we do not know: somebody mends it, or it is sent back.
        send(server, 2, to=("wie@shop.nl",))
        eventually(lambda: "there is no mailbox wie@shop.nl" in str(server.queue()))
        assert "status=bounced" not in server.log()
    once(2 + len(PIPE_FAULTS))
    call_command("ingest", "--verify")
