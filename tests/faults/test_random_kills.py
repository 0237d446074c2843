"""kill -9 at random moments, under load: nothing is lost, nothing is there twice.

Two watchers, a cron `ingest`, a sender of webhooks and pipes work on one mailbox, and
one after the other is killed and started again. A short run here; `make faults` kills
some hundreds on each database. The seed is printed, and `FAULT_SEED` takes it.
"""

import io
import os
import random
import signal
import sys
from collections import Counter
from time import monotonic, sleep

import pytest
from django.core.management import call_command

from tests.faults.harness import begun, healthy
from tests.mails import Maildir, mail
from tests.receivers import receiving
from threads.models import IngestRecord, Mailbox, Message, Source
from webhooks import subscriptions
from webhooks.leases import in_seconds
from webhooks.models import Delivery, Event

KILLS = int(os.environ.get("FAULT_KILLS", "24"))
RECOVERY_SECONDS = 120
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(60 + 10 * KILLS + RECOVERY_SECONDS),
]


def watching():
    call_command("ingest", "--watch")


def sending():
    while True:
        call_command("deliver", "--once")
        sleep(0.1)


def cron():
    call_command("ingest")


class Crew:
    """Processes that are killed, and started again."""

    def __init__(self, **works):
        self.works = works
        self.pids = {name: begun(work) for name, work in works.items()}
        self.killed = Counter()

    def kill(self, name):
        pid = self.pids[name]
        gone, status = os.waitpid(pid, os.WNOHANG)
        if not gone:
            os.kill(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
        self.killed[name] += os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        self.pids[name] = begun(self.works[name])

    def end(self):
        for name, pid in self.pids.items():
            gone, _status = os.waitpid(pid, os.WNOHANG)
            if not gone:
                os.kill(pid, signal.SIGTERM if name != "sender" else signal.SIGKILL)
                os.waitpid(pid, 0)


def piped(content, dice):
    """An MTA: it gives the mail until it is taken; how often its pipe was killed."""

    def pipe():
        sys.stdin = io.TextIOWrapper(io.BytesIO(content))
        call_command("ingest", "--stdin", "--to", "support@shop.nl")

    for kills in range(3):
        pid = begun(pipe)
        sleep(dice.uniform(0.0, 0.6))
        gone, status = os.waitpid(pid, os.WNOHANG)
        if not gone:
            os.kill(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
        if os.waitstatus_to_exitcode(status) == 0:
            return kills
    while os.waitstatus_to_exitcode(os.waitpid(begun(pipe), 0)[1]):
        sleep(0.1)
    return 3


def counted(expected, receiver):
    """`(lost, twice)` of mails, of their events, and of what a receiver has heard."""
    stored = Counter(Message.objects.values_list("message_id", flat=True))
    told = Event.objects.filter(type="message.received").count()
    heard = {headers["webhook-id"] for _path, headers, _body in receiver.requests}
    lost = sum(not stored[one] for one in expected) + (len(expected) - len(heard))
    twice = sum(count - 1 for count in stored.values()) + (told - len(expected))
    return lost, twice


def test_nothing_is_lost_and_nothing_is_twice(tmp_path, settings):
    seed = int(os.environ.get("FAULT_SEED", str(random.randrange(10**6))))
    dice = random.Random(seed)
    print(f"\nseed={seed}", file=sys.__stderr__)
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    maildir = Maildir(tmp_path / "Maildir")
    mailbox = Mailbox.objects.create(address="support@shop.nl")
    Source.objects.create(mailbox=mailbox, kind="maildir", location=str(maildir.path))
    expected = []

    def next_mail():
        number = len(expected)
        answers = {"in_reply_to": f"<{number - 1}@x>"} if number % 3 else {}
        expected.append(f"{number}@x")
        return mail(message_id=f"<{number}@x>", text=f"{number}\n", **answers)

    kills = 0
    with receiving() as receiver:
        subscriptions.create({"url": receiver.url, "events": ["message.received"]})
        crew = Crew(one=watching, two=watching, cron=cron, sender=sending)
        while kills + crew.killed.total() < KILLS:
            for _ in range(dice.randrange(6)):
                maildir.deliver(next_mail(), folder=dice.choice(["new", "new", "cur"]))
            sleep(dice.uniform(0.0, 0.5))
            crew.kill(dice.choice(["one", "two", "cron", "sender"]))
            if dice.random() < 0.2:
                kills += piped(next_mail(), dice)
        kills += crew.killed.total()
        begin = monotonic()
        if "FAULT_KILLS" not in os.environ:
            # The leases of the dead run out; a short run does not wait for that.
            past = in_seconds(-1)
            Delivery.objects.filter(state="claimed").update(claimed_until=past)
            Source.objects.filter(token__isnull=False).update(leased_until=past)
        while not _at_rest(len(expected)) and monotonic() - begin < RECOVERY_SECONDS:
            sleep(0.2)
        took = monotonic() - begin
        crew.end()
        lost, twice = counted(expected, receiver)
        print(
            f"kills={kills} lost={lost} twice={twice} mails={len(expected)}"
            f" recovery={took:.0f}s seed={seed}",
            file=sys.__stderr__,
        )
        assert (lost, twice) == (0, 0), f"FAULT_SEED={seed}"
    assert took < RECOVERY_SECONDS
    assert not IngestRecord.objects.filter(state="quarantined").exists()
    call_command("ingest", "--verify")
    healthy()


def _at_rest(count):
    told = Event.objects.filter(type="message.received").count()
    return (
        told >= count
        and not IngestRecord.objects.filter(state="seen").exists()
        and not Delivery.objects.exclude(state="succeeded").exists()
    )
