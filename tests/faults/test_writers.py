"""Two writers on one mailbox at once: a parent and its reply are one thread."""

import threading
from uuid import uuid4

import pytest
from django.db import connection

from tests.mails import mail
from threads import ledger
from threads.arrival import Incoming, store
from threads.house import House
from threads.laws import LAWS
from threads.mail.parse import parse
from threads.models import (
    IngestRecord,
    Mailbox,
    Message,
    Original,
    Source,
    Thread,
)
from threads.sources.base import Copy

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 200


def entered(source, content, token):
    arrived = ledger.Arrived(
        Copy(str(uuid4()), len(content), ""), str(uuid4()), content
    )
    record = ledger.enter(source, "", [arrived], token=token, silent=False)[0]
    return [Incoming(record, parse(content))]


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer; PostgreSQL has many"
)
@pytest.mark.timeout(300)
def test_a_parent_and_its_reply_stored_at_once_are_never_split():
    mailbox = Mailbox.objects.create(address="support@shop.nl")
    sources = [
        Source.objects.create(mailbox=mailbox, kind="maildir", location=str(number))
        for number in range(2)
    ]
    house = House.of(mailbox)
    failures = []
    rounds = []
    for number in range(ROUNDS):
        parent = mail(message_id=f"<{number}@x>", text=f"{number}\n")
        child = mail(
            message_id=f"<{number}r@x>",
            in_reply_to=f"<{number}@x>",
            text=f"re {number}\n",
        )
        pair = []
        for source, content in zip(sources, (parent, child), strict=True):
            token = uuid4()
            pair.append((entered(source, content, token), token))
        rounds.append(pair)
    gate = threading.Barrier(2)

    def write(side):
        try:
            for pair in rounds:
                batch, token = pair[side]
                gate.wait(timeout=60)
                store(mailbox, batch, house=house, token=token)
        except Exception as error:
            failures.append(error)
            gate.abort()
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(side,)) for side in (0, 1)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert Message.objects.count() == 2 * ROUNDS
    standing = Thread.objects.standing()
    assert standing.count() == ROUNDS
    assert set(standing.values_list("message_count", flat=True)) == {2}
    assert IngestRecord.objects.filter(state="done").count() == 2 * ROUNDS
    assert [line for law in LAWS for line in law.broken()] == []


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer; PostgreSQL has many"
)
def test_the_same_bytes_entered_by_two_writers_at_once_are_one_original():
    mailbox = Mailbox.objects.create(address="support@shop.nl")
    sources = [
        Source.objects.create(mailbox=mailbox, kind="maildir", location=str(number))
        for number in range(2)
    ]
    failures = []
    gate = threading.Barrier(2)

    def write(source):
        try:
            for number in range(30):
                contents = [mail(text=f"{number} {n}\n") for n in range(20)]
                arrived = [
                    ledger.Arrived(
                        Copy(f"{number}.{n}", len(c), ""), f"{number}.{n}", c
                    )
                    for n, c in enumerate(contents)
                ]
                gate.wait(timeout=60)
                ledger.enter(source, "", arrived, token=uuid4(), silent=False)
        except Exception as error:
            failures.append(error)
            gate.abort()
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(source,)) for source in sources]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert IngestRecord.objects.count() == 2 * Original.objects.count() == 2 * 600
