"""The same promises with another server: pymap, by STARTTLS and without CONDSTORE."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from tests.imapservers import pymap
from tests.mails import mail
from tests.processes import eventually, running
from threads.laws import LAWS
from threads.models import IngestRecord, Message, Source
from webhooks.models import Event

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "sqlite",
        reason="what a server says is the same for every database",
    ),
]


@pytest.fixture(scope="module")
def server():
    with pymap() as server:
        yield server


@pytest.fixture
def folder(request):
    return request.node.name


@pytest.fixture
def client(server, folder):
    with server.client() as client:
        client.create_folder(folder)
        yield client


@pytest.fixture
def source(mailbox, server, folder):
    return Source.objects.create(
        mailbox=mailbox,
        kind="imap",
        location=server.url(folder),
        settings=server.settings(),
        start="all",
    )


def put(client, folder, *numbers):
    for number in numbers:
        client.append(folder, mail(message_id=f"<{number}@x>", text=f"{number}\n"))


def texts():
    return sorted(map(int, Message.objects.values_list("body_text", flat=True)))


def once(count):
    assert texts() == list(range(count))
    assert Event.objects.filter(type="message.received").count() == count
    assert [line for law in LAWS for line in law.broken()] == []


def test_each_mail_comes_in_once(source, client, folder, ingest):
    put(client, folder, *range(60))
    for _ in range(2):
        assert ingest() == 0
    once(60)
    client.select_folder(folder)
    assert not [f for f in client.get_flags(client.search()).values() if b"\\Seen" in f]
    client.delete_messages(client.search()[:10])
    client.expunge()
    put(client, folder, 60)
    assert ingest() == 0
    once(61)
    # The folder is made anew, with the same mails and one more.
    client.close_folder()
    client.delete_folder(folder)
    client.create_folder(folder)
    put(client, folder, *range(62))
    for _ in range(2):
        assert ingest() == 0
    once(62)
    assert Event.objects.filter(type="mailbox.reset").count() == 1
    assert ingest("--verify") == 0


def test_what_becomes_of_a_mail_over_there(source, client, folder, ingest):
    Source.objects.update(after="seen")
    put(client, folder, 0)
    assert ingest() == 0
    client.select_folder(folder)
    assert b"\\Seen" in client.get_flags(client.search()).popitem()[1]
    client.create_folder(f"{folder}-archive")
    Source.objects.update(after="move", move_to=f"{folder}-archive")
    put(client, folder, 1)
    assert ingest() == 0
    Source.objects.update(after="delete", grace_days=2)
    put(client, folder, 2)
    assert ingest() == 0
    client.select_folder(folder)
    assert len(client.search()) == 2
    source.records.update(updated_at=timezone.now() - timedelta(days=3))
    assert ingest() == 0
    client.select_folder(folder)
    assert len(client.search()) == 1
    client.select_folder(f"{folder}-archive")
    assert len(client.search()) == 1
    assert not IngestRecord.objects.exclude(cleanup="").exists()
    once(3)


def test_mail_is_pushed(source, client, folder, environment, tmp_path):
    with running(environment, tmp_path / "log", "ingest", "--watch") as watcher:
        for number in range(3):
            put(client, folder, number)
            eventually(
                lambda n=number: Message.objects.count() == n + 1, 20, watcher.output
            )
    connection.close()
    call_command("ingest", "--verify")
    once(3)
