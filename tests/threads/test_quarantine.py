"""Mail set aside: listed, shown, tried again, and told of each time."""

import json

import pytest
from django.core.management import CommandError, call_command

from tests.mails import mail
from threads import ingest as ingesting
from threads import quarantine
from threads.models import IngestRecord, Message
from webhooks.models import Event

LOOP = [("Received", f"from a{n} by b{n}") for n in range(60)]


@pytest.fixture
def looping(maildir, source, ingest):
    """A mail that went round in circles."""
    raw = "".join(f"{name}: {value}\n" for name, value in LOOP).encode() + mail()
    maildir.deliver(raw)
    assert ingest() == 1
    return IngestRecord.objects.get()


@pytest.fixture
def command(capsys):
    """Runs `manage.py quarantine`; answers with exit code and stdout."""

    def run(*arguments):
        code = 0
        capsys.readouterr()
        try:
            call_command("quarantine", *arguments)
        except SystemExit as stop:
            code = stop.code
        except CommandError as error:
            code = error.returncode
        return code, capsys.readouterr().out

    return run


def test_it_is_listed_and_shown(looping, command):
    code, text = command("list")
    assert code == 0
    assert looping.public_id in text
    assert "hop_limit" in text
    code, text = command("list", "--json")
    row = json.loads(text)
    assert row["id"] == looping.public_id
    assert row["mailbox"] == "support@shop.nl"
    assert row["reason"].startswith("hop_limit")
    code, text = command("show", looping.public_id)
    assert code == 0
    assert "over 50 is a loop" in text


def test_what_fails_again_is_exit_1_and_told_of_again(looping, command):
    for times in (2, 3):
        code, _text = command("retry", looping.public_id)
        assert code == 1
        looping.refresh_from_db()
        assert looping.state == "quarantined"
        assert Event.objects.filter(type="mail.quarantined").count() == times


@pytest.mark.parametrize("active", [True, False])
def test_what_is_understood_now_is_stored_once_and_keeps_its_time(
    looping, command, monkeypatch, source, active
):
    source.active = active
    source.save()
    before = looping.received_at
    monkeypatch.setattr(ingesting, "HOP_LIMIT", 100)
    code, text = command("retry", "--all", "--json")
    assert code == 0
    assert json.loads(text)["state"] == "done"
    looping.refresh_from_db()
    assert looping.received_at == before
    assert looping.message == Message.objects.get()
    assert Event.objects.filter(type="message.received").count() == 1
    assert command("list") == (0, "")
    assert command("retry", "--all") == (0, "")
    assert Message.objects.count() == 1


def test_the_pass_of_ingest_takes_what_was_released(looping, ingest, monkeypatch):
    monkeypatch.setattr(ingesting, "HOP_LIMIT", 100)
    assert quarantine.release(looping)
    assert not quarantine.release(looping)
    assert ingest() == 0
    looping.refresh_from_db()
    assert looping.state == "done"


def test_a_retry_leaves_what_is_known_of_the_source(looping, command, source):
    source.refresh_from_db()
    before = (source.last_pass_at, source.first_pass_at, source.last_error)
    command("retry", "--all")
    source.refresh_from_db()
    assert (source.last_pass_at, source.first_pass_at, source.last_error) == before
    assert source.token is None


@pytest.mark.parametrize(
    "arguments",
    [("show",), ("retry",), ("retry", "x", "--all"), ("list", "x"), ("show", "nope")],
)
def test_wrong_use_is_exit_2(db, command, arguments):
    assert command(*arguments)[0] == 2
