import pytest
from django.core.management import call_command

from tests.mails import Maildir
from threads.models import Mailbox, Source


@pytest.fixture
def mailbox(db):
    return Mailbox.objects.create(address="support@shop.nl", name="Support")


@pytest.fixture
def maildir(tmp_path):
    return Maildir(tmp_path / "Maildir")


@pytest.fixture
def source(mailbox, maildir):
    return Source.objects.create(
        mailbox=mailbox, kind=Source.Kind.MAILDIR, location=str(maildir.path)
    )


@pytest.fixture
def ingest(capsys):
    """Runs `manage.py ingest`; answers with its exit code."""

    def run(*arguments):
        try:
            call_command("ingest", *arguments)
        except SystemExit as stop:
            return stop.code
        return 0

    return run
