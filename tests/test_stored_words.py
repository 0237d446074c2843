"""What was stored in English is shown in the language of whoever looks."""

from shutil import rmtree

import pytest
from django.utils.translation import override

from tests.mails import Maildir as Folder
from threads import quarantine
from threads.ingest import Options, take_in
from threads.models import IngestRecord, Mailbox, Source
from threads.sources.maildir import Maildir
from webhooks import subscriptions
from webhooks.delivery import drain
from webhooks.models import Attempt
from webhooks.outbox import test as send_test

pytestmark = pytest.mark.django_db(transaction=True)


def test_why_a_source_was_not_read(tmp_path):
    mailbox = Mailbox.objects.create(address="support@shop.nl")
    folder = Folder(tmp_path / "Maildir").path
    source = Source.objects.create(
        mailbox=mailbox, kind="maildir", location=str(folder)
    )
    door = Maildir(folder)
    rmtree(folder / "new")
    take_in(source, door, Options(limit=1_000_000))
    source.refresh_from_db()
    assert "can't be read: No such file or directory" in source.last_error
    with override("nl"):
        assert "is niet te lezen: No such file or directory" in source.trouble


def test_why_a_webhook_was_not_told(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    hook = subscriptions.create(
        {"url": "http://127.0.0.1:1024/", "events": ["thread.closed"]}
    )[0]
    send_test(hook, "thread.closed")
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    drain(budget_seconds=20)
    attempt = Attempt.objects.get()
    assert attempt.error == "address_refused"
    with override("nl"):
        assert attempt.trouble.endswith("en dat is geen openbaar adres.")


def test_what_is_older_than_the_words_is_shown_as_it_was_written():
    record = IngestRecord(last_error="Traceback …\nValueError: too deep")
    assert quarantine.told(record) == "ValueError: too deep"
