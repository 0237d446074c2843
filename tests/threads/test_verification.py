"""`ingest --verify`: what the source has against what the database has."""

import json

import pytest

from tests.mails import mail
from threads.models import IngestRecord, Message, Thread

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def verified(ingest, capsys):
    """Runs `ingest --verify`: its exit code and what it says."""

    def run(*arguments):
        capsys.readouterr()
        code = ingest("--verify", "--json", *arguments)
        return code, json.loads(capsys.readouterr().out)

    return run


def counts(report):
    names = ("present", "missing", "twice", "quarantined", "pending", "too_large")
    return {name: report[name] for name in names if report[name]}


def test_each_copy_is_accounted_for(source, maildir, ingest, verified, settings):
    settings.MAIL_SIZE_LIMIT = 5000
    maildir.deliver(mail())
    maildir.deliver(b"Received: from a by b; 2\n" + mail())
    maildir.deliver(mail(message_id="<2@x>", text="x" * 6000))
    maildir.deliver(b"Received: from a by b; x\n" * 51 + mail(message_id="<3@x>"))
    maildir.deliver(mail("Anders", message_id="<4@x>"), "1.M1P1.host:2,", "cur")
    assert ingest() == 1
    assert ingest() == 0
    code, report = verified()
    assert counts(report) == {"present": 3, "quarantined": 1, "too_large": 1}
    assert code == 0


def test_a_mail_that_was_not_taken_in_is_missing(source, maildir, ingest, verified):
    maildir.deliver(mail())
    ingest()
    maildir.deliver(mail(message_id="<2@x>"), "1.new.host")
    assert verified() == (1, verified()[1])
    assert verified()[1]["missing_refs"] == ["1.new.host"]
    assert ingest() == 0
    assert verified()[0] == 0


def test_other_bytes_under_a_known_name_are_missing(source, maildir, ingest, verified):
    maildir.deliver(mail(), "1.M1P1.host")
    ingest()
    changed = mail().replace(b"vraag", b"VRAAG")
    (maildir.path / "cur/1.M1P1.host:2,").write_bytes(changed)
    code, report = verified()
    assert (code, report["missing_refs"]) == (1, ["1.M1P1.host"])


def test_a_message_that_is_gone_is_missing(source, maildir, ingest, verified):
    maildir.deliver(mail(), "1.M1P1.host")
    ingest()
    Thread.objects.update(last_message=None)
    Message.objects.all().delete()
    code, report = verified()
    assert (code, report["missing_refs"]) == (1, ["1.M1P1.host"])


def test_two_copies_that_each_brought_one_message_are_told(
    source, maildir, ingest, verified
):
    maildir.deliver(mail(), "1.host")
    maildir.deliver(b"Received: from a by b; 2\n" + mail(), "2.host")
    ingest()
    IngestRecord.objects.update(state="done")
    code, report = verified()
    assert (code, report["twice_refs"]) == (1, ["1.host", "2.host"])


def test_a_copy_that_became_two_messages_is_told(source, maildir, ingest, verified):
    maildir.deliver(mail(), "1.host")
    ingest()
    message = Message.objects.get()
    message.pk, message.public_id, message.dedupe_key = None, "c" + "0" * 24, "other"
    message.save(force_insert=True)
    code, report = verified()
    assert (code, report["twice_refs"]) == (1, ["1.host"])


def test_mail_from_before_the_start_was_never_asked_for(
    source, maildir, verified, ingest
):
    maildir.deliver(mail())
    code, report = verified("--since", "2099-01-01")
    assert (code, report["skipped"]) == (0, {"older": 1})


def test_it_touches_nothing_and_says_so_to_people(source, maildir, ingest, capsys):
    maildir.deliver(mail(), "1.host")
    assert ingest("--verify") == 1
    said = capsys.readouterr()
    assert "0 present, 1 missing, 0 twice" in said.out
    assert said.err == "missing: 1.host\n"
    assert maildir.names("new") == ["1.host"]
    assert IngestRecord.objects.count() == 0


@pytest.mark.parametrize("look", ["--check", "--verify"])
def test_a_folder_that_nobody_configured_is_looked_at_too(
    mailbox, maildir, ingest, capsys, look
):
    maildir.deliver(mail())
    code = ingest(look, "--maildir", str(maildir.path), "--to", mailbox.address)
    assert code == (1 if look == "--verify" else 0)
