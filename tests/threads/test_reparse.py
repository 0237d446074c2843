"""`manage.py reparse`: today's parser over what an older one has read."""

import json

import pytest
from django.core.management import call_command

from tests.mails import mail
from tests.processes import command, killed
from threads.laws import LAWS
from threads.mail.edition import edition
from threads.models import Attachment, Message, Thread
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reparse(capsys):
    """Runs `manage.py reparse`; answers with exit code, stdout and stderr."""

    def run(*arguments):
        code = 0
        capsys.readouterr()
        try:
            call_command("reparse", *arguments)
        except SystemExit as stop:
            code = stop.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def misread(source, maildir, ingest):
    """A mail that an older parser got wrong."""
    maildir.deliver(
        mail(
            text="Ja, graag.\n\nOp ma 1 jan schreef Shop:\n> Wil je dat?\n",
            attachment=("factuur.pdf", b"%PDF"),
            auto_submitted="auto-replied",
        )
    )
    assert ingest() == 0
    message = Message.objects.get()
    Message.objects.update(
        body_text="Ja, grÃ¤g.",
        spans={"reply": [[0, 10]], "quoted": [], "signature": []},
        subject="=?utf-8?q?Vraag?=",
        auto=False,
        reasons=[],
        parsed_by="older",
    )
    Thread.objects.update(subject="=?utf-8?q?Vraag?=")
    Attachment.objects.update(filename="x.bin")
    return message


def test_what_was_misread_is_mended_and_nobody_is_told(misread, reparse):
    thread, file = Thread.objects.get(), Attachment.objects.get()
    events = Event.objects.count()
    code, out, _ = reparse()
    assert (code, out) == (0, "1 read, 1 changed\n")
    message = Message.objects.get()
    assert message.body_text.startswith("Ja, graag.")
    assert message.span_text("reply").strip() == "Ja, graag."
    assert message.reasons == [
        {"verdict": "auto", "evidence": "Auto-Submitted: auto-replied"}
    ]
    assert (message.public_id, message.thread) == (misread.public_id, thread)
    assert (message.created_at, message.why_rule) == (misread.created_at, "new")
    assert message.parsed_by == edition()
    mended = Attachment.objects.get()
    assert (mended.public_id, mended.filename) == (file.public_id, "factuur.pdf")
    thread.refresh_from_db()
    assert thread.subject == "Vraag over factuur"
    assert Event.objects.count() == events
    assert [line for law in LAWS for line in law.broken()] == []


def test_once_read_is_read_until_the_parser_changes_or_somebody_asks(misread, reparse):
    reparse()
    assert reparse()[1] == "0 read, 0 changed\n"
    assert reparse("--again")[1] == "1 read, 0 changed\n"


def test_a_dry_run_shows_each_field_and_writes_nothing(misread, reparse):
    before = Message.objects.values().get()
    code, out, _ = reparse("--dry-run")
    assert code == 0
    assert "  subject\n" in out
    assert '  - "=?utf-8?q?Vraag?="\n  + "Vraag over factuur"' in out
    assert "  -Ja, grÃ¤g.\n  +Ja, graag.\n" in out
    assert out.endswith("1 read, 1 would change\n")
    said = json.loads(reparse("--dry-run", "--json")[1])
    assert said["id"] == misread.public_id
    assert said["changes"]["auto"] == {"old": False, "new": True}
    assert Message.objects.values().get() == before


def test_a_subject_that_somebody_wrote_stays(misread, reparse):
    Thread.objects.update(subject="Van het team")
    reparse()
    assert Thread.objects.get().subject == "Van het team"


def test_since_narrows_it(misread, reparse):
    assert reparse("--since", "2090-01-01")[1] == "0 read, 0 changed\n"


def test_killed_it_goes_on_where_it_was(source, maildir, ingest, environment):
    for number in range(60):
        maildir.deliver(mail(message_id=f"<{number}@x>", text=f"{number}\n"))
    assert ingest() == 0
    Message.objects.update(parsed_by="older", body_text="")
    assert killed(command(environment, "reparse", fault="reparse.written"))
    assert Message.objects.filter(parsed_by=edition()).count() == 50
    assert Message.objects.filter(body_text="").count() == 10
    finished = command(environment, "reparse")
    assert finished.stdout == "10 read, 10 changed\n"
    assert not Message.objects.filter(body_text="").exists()
