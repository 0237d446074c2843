import pytest
from rest_framework.test import APIClient

from api.models import ApiKey
from tests.mails import Maildir as Folder
from tests.mails import mail
from threads.ingest import Options, take_in
from threads.models import Mailbox, Source, Thread
from threads.parsers import Parsers
from threads.sources.maildir import Maildir


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def key(db):
    """Makes a client with a key: `key(scopes=[…], domains=[…])`."""

    def make(name="test", **values):
        _, plain = ApiKey.objects.issue(name, **values)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
        return client

    return make


@pytest.fixture
def client(key):
    return key()


@pytest.fixture(scope="package")
def parsers():
    """Warm ones: a process for each mail of each test would take most of the time.

    They end with these tests: others count the children of their process.
    """
    with Parsers(most=1) as warm:
        yield warm


@pytest.fixture
def arrive(db, tmp_path, parsers):
    """Takes in a mail for an address; answers with its thread."""
    folders = {}

    def take(to="support@shop.nl", **values):
        mailbox, _ = Mailbox.objects.get_or_create(
            address=to, defaults={"name": "Support"}
        )
        if to not in folders:
            folders[to] = Folder(tmp_path / to)
        folder = folders[to]
        source, _ = Source.objects.get_or_create(
            mailbox=mailbox, kind="maildir", location=str(folder.path)
        )
        values.setdefault("message_id", f"<{folder.count}.{to}>")
        folder.deliver(mail(to=to, **values))
        take_in(source, Maildir(folder.path), Options(limit=10**7, parsers=parsers))
        return Thread.objects.latest("pk")

    return take
