"""kill -9 at every step: nothing is lost, nothing is doubled."""

import pytest

from tests.mails import Maildir, mail
from tests.mailservers import smtp_server
from tests.processes import command, killed
from tests.receivers import receiving
from threads.actors import SYSTEM
from threads.laws import LAWS
from threads.models import IngestRecord, Mailbox, Message, Source, Thread
from threads.outbound import Reply, reply
from webhooks import subscriptions
from webhooks.leases import in_seconds
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def maildir(db, tmp_path):
    folder = Maildir(tmp_path / "Maildir")
    mailbox = Mailbox.objects.create(address="support@shop.nl", name="Support")
    Source.objects.create(mailbox=mailbox, kind="maildir", location=str(folder.path))
    return folder


def broken():
    return [line for law in LAWS for line in law.broken()]


@pytest.mark.parametrize("step", ["ingest.entered", "ingest.stored", "ingest.done"])
def test_ingest_killed_at_a_step_is_finished_by_the_next_run(
    maildir, environment, step
):
    for number in range(60):
        answered = {"in_reply_to": f"<{number - 1}@x>"} if number % 3 else {}
        maildir.deliver(
            mail(message_id=f"<{number}@x>", text=f"{number}\n", **answered)
        )
    assert killed(command(environment, "ingest", fault=step))
    finished = command(environment, "ingest")
    assert finished.returncode == 0, finished.stderr
    assert Message.objects.count() == 60
    assert Thread.objects.count() == 20
    assert set(IngestRecord.objects.values_list("state", flat=True)) == {"done"}
    assert Event.objects.filter(type="message.received").count() == 60
    assert maildir.names("new") == []
    assert broken() == []


def test_an_ingest_killed_again_and_again_charges_only_lone_mails(maildir, environment):
    for number in range(5):
        maildir.deliver(mail(message_id=f"<{number}@x>", text=f"{number}\n"))
    assert killed(command(environment, "ingest", fault="ingest.entered"))
    assert set(IngestRecord.objects.values_list("attempts", flat=True)) == {0}
    assert command(environment, "ingest").returncode == 0
    assert set(IngestRecord.objects.values_list("attempts", flat=True)) == {1}
    assert broken() == []


@pytest.mark.parametrize(
    ("step", "extra"),
    [("delivery.claimed", 0), ("delivery.sent", 1), ("delivery.flushed", 0)],
)
def test_a_delivery_killed_at_a_step_arrives_with_at_most_one_extra_send(
    maildir, environment, step, extra
):
    with receiving() as receiver:
        subscriptions.create({"url": receiver.url, "events": ["message.received"]})
        maildir.deliver(mail())
        assert command(environment, "ingest").returncode == 0
        assert killed(command(environment, "deliver", "--once", fault=step))
        Delivery.objects.filter(state="claimed").update(claimed_until=in_seconds(-1))
        command(environment, "deliver", "--once")
        assert len(receiver.requests) == 1 + extra
        ids = {headers["webhook-id"] for _, headers, _ in receiver.requests}
        assert len(ids) == 1
    assert Delivery.objects.get().state == "succeeded"
    assert broken() == []


@pytest.mark.parametrize(
    ("step", "mails", "status"),
    [
        ("smtp.claimed", 1, "sent"),
        ("smtp.data_started", 0, "in_doubt"),
        ("smtp.accepted", 1, "in_doubt"),
    ],
)
def test_a_reply_killed_at_a_step_is_sent_once_or_in_doubt(
    maildir, environment, step, mails, status
):
    with smtp_server() as sink:
        smtp = {"host": "127.0.0.1", "port": sink.port, "tls": "none"}
        mailbox = Mailbox.objects.get()
        mailbox.smtp = smtp
        mailbox.save()
        maildir.deliver(mail())
        assert command(environment, "ingest").returncode == 0
        message = reply(Thread.objects.get().pk, Reply(body="Dank"), actor=SYSTEM)
        assert killed(command(environment, "deliver", "--once", fault=step))
        Message.objects.filter(status="sending").update(claimed_until=in_seconds(-1))
        Message.objects.filter(status="queued").update(next_at=in_seconds(-1))
        command(environment, "deliver", "--once")
        Message.objects.filter(status="queued").update(next_at=in_seconds(-1))
        command(environment, "deliver", "--once")
        assert len(sink.mails) == mails
    message.refresh_from_db()
    assert message.status == status
    assert broken() == []
