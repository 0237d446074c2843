"""`manage.py explain`: what a mail is understood as, and why it is where it is."""

import json

import pytest
from django.core.management import CommandError, call_command

from tests.mails import mail
from threads import explanation
from threads.actors import SYSTEM
from threads.joining import split
from threads.models import Mailbox, Message, Thread, User
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)

# The fields that scripts read (contract), whatever else is beside them.
FIELDS = {
    *("message_id", "in_reply_to", "references", "from", "to", "cc", "reply_to"),
    *("subject", "date", "body_text", "body_html", "reply_text", "quoted_text"),
    *("signature_text", "attachments", "auto", "bulk", "bounce", "authentication"),
    *("defects", "thread", "why"),
}


@pytest.fixture
def explain(capsys):
    """Runs `manage.py explain`; answers with exit code, stdout and stderr."""

    def run(*arguments):
        code = 0
        capsys.readouterr()
        try:
            call_command("explain", *map(str, arguments))
        except SystemExit as stop:
            code = stop.code
        except CommandError as error:
            code = error.returncode
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def file(tmp_path):
    def write(content, name="mail.eml"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


ANSWER = mail(
    "Re: Vraag over factuur",
    message_id="<2@bedrijf.nl>",
    in_reply_to="<1@bedrijf.nl>",
    cc="Collega <collega@bedrijf.nl>",
    attachment=("factuur.pdf", b"%PDF"),
)


def test_a_file_is_explained_and_nothing_is_stored(
    source, maildir, ingest, explain, file
):
    maildir.deliver(mail())
    assert ingest() == 0
    thread = Thread.objects.get()
    before = (Message.objects.count(), Event.objects.count(), thread.message_count)
    code, out, _ = explain(file(ANSWER), "--json")
    assert code == 0
    said = json.loads(out)
    assert set(said) >= FIELDS
    assert said["thread"] == thread.public_id
    assert said["why"] == {
        "rule": "reference",
        "evidence": "refers to <1@bedrijf.nl>",
    }
    assert said["cc"] == [{"address": "collega@bedrijf.nl", "name": "Collega"}]
    assert said["in_reply_to"] == ["1@bedrijf.nl"]
    assert said["date"] == "2026-02-25T09:30:00.000Z"
    assert said["attachments"][0]["filename"] == "factuur.pdf"
    assert (said["id"], said["mailbox"]) == (None, "support@shop.nl")
    thread.refresh_from_db()
    after = (Message.objects.count(), Event.objects.count(), thread.message_count)
    assert after == before


def test_what_is_foreseen_is_what_happens(source, maildir, ingest, explain, file):
    maildir.deliver(mail())
    assert ingest() == 0
    foreseen = json.loads(explain(file(ANSWER), "--json")[1])
    maildir.deliver(ANSWER)
    assert ingest() == 0
    stored = Message.objects.get(message_id="2@bedrijf.nl")
    for name in (stored.public_id, "<2@bedrijf.nl>", "2@bedrijf.nl"):
        said = json.loads(explain(name, "--json")[1])
        assert said["id"] == stored.public_id
        assert {k: said[k] for k in FIELDS} == {k: foreseen[k] for k in FIELDS}
    # The same file once more is that message.
    again = json.loads(explain(file(ANSWER), "--json")[1])
    assert again["id"] == stored.public_id


def test_what_the_team_sends_by_mail_program_is_foreseen_so(
    source, maildir, ingest, explain, file, mailbox
):
    User.objects.create_user("anna", "anna@shop.nl", "x")
    mailbox.trusted_authserv_ids = ["mx.shop.nl"]
    mailbox.save()
    maildir.deliver(mail())
    assert ingest() == 0
    answer = mail(
        "Re: Vraag over factuur",
        sender="anna@shop.nl",
        to="klant@bedrijf.nl",
        cc="support@shop.nl",
        message_id="<a@shop.nl>",
        in_reply_to="<1@bedrijf.nl>",
        authentication_results="mx.shop.nl; dmarc=pass header.from=shop.nl",
    )
    foreseen = json.loads(explain(file(answer), "--json")[1])
    assert (foreseen["direction"], foreseen["via"]) == ("outbound", "mailbox")
    assert foreseen["thread"] == Thread.objects.get().public_id
    assert "A team member sent it with a mail program." in explain(file(answer))[1]
    maildir.deliver(answer)
    assert ingest() == 0
    said = json.loads(explain("<a@shop.nl>", "--json")[1])
    assert {k: said[k] for k in FIELDS} == {k: foreseen[k] for k in FIELDS}
    assert said["via"] == "mailbox"


def test_a_person_reads_sentences(mailbox, explain, file):
    code, out, _ = explain(file(mail()))
    assert code == 0
    assert "support@shop.nl" in out
    assert "it would begin one" in out
    assert "It began a thread: it refers to no other message." in out


def test_evidence_and_warnings_are_said(mailbox, explain, file):
    path = file(
        mail(
            sender='"support@shop.nl" <x@evil.nl>',
            auto_submitted="auto-generated",
            list_id="<a.b>",
        )
    )
    said = json.loads(explain(path, "--json")[1])
    assert {one["verdict"] for one in said["reasons"]} == {"auto", "bulk"}
    assert {one["code"] for one in said["warnings"]} == {
        "display_name_address",
        "display_name_domain",
    }
    out = explain(path)[1]
    assert "Auto-Submitted: auto-generated" in out
    assert "shows our domain shop.nl" in out


def test_the_mailbox_is_named_or_found(mailbox, explain, file):
    other = Mailbox.objects.create(address="info@shop.nl")
    other.alias_set.create(address="hallo@shop.nl")
    path = file(mail(to="Hallo+actie@shop.nl"))
    assert json.loads(explain(path, "--json")[1])["mailbox"] == "info@shop.nl"
    said = json.loads(explain(path, "--to", "support@shop.nl", "--json")[1])
    assert said["mailbox"] == "support@shop.nl"
    code, out, _ = explain(file(mail(to="x@elders.nl")), "--json")
    assert (code, json.loads(out)["why"]) == (0, None)


def test_what_is_not_there_is_named_and_the_others_are_explained(
    mailbox, explain, file
):
    code, out, err = explain("nergens.eml", file(mail()), "--json")
    assert code == 1
    assert "nergens.eml" in err
    assert json.loads(out)["subject"] == "Vraag over factuur"
    assert explain(file(mail()), "--to", "nee@shop.nl")[0] == 2


def test_a_mail_steers_no_terminal(mailbox, explain, file):
    raw = mail().replace(b"Vraag", "\x1b]0;x\x07\x9b2J".encode())
    out = explain(file(raw))[1]
    assert all(c.isprintable() for line in out.splitlines() for c in line)


def test_after_a_split_it_names_the_thread_that_the_mail_then_joins(
    source, maildir, ingest, explain, file
):
    maildir.deliver(mail())
    maildir.deliver(ANSWER)
    assert ingest() == 0
    new = split(Message.objects.get(message_id="2@bedrijf.nl").pk, actor=SYSTEM)
    third = mail(
        message_id="<3@bedrijf.nl>",
        in_reply_to="<2@bedrijf.nl>",
        references="<1@bedrijf.nl> <2@bedrijf.nl>",
    )
    said = json.loads(explain(file(third), "--json")[1])
    maildir.deliver(third)
    assert ingest() == 0
    message = Message.objects.get(message_id="3@bedrijf.nl")
    assert message.thread == new
    assert said["thread"] == new.public_id
    assert said["why"]["evidence"] == message.why_evidence


def test_an_id_that_spells_like_a_reason_is_none():
    ours = "answers our <1.token.not.here.vouch@tokenshop.nl>"
    said = explanation.why(Message(why_rule="keyed", why_evidence=ours))
    assert said.startswith("It answers our own message 1.token")
    bears = Message(why_rule="keyed", why_evidence="bears the token of our <1@x.nl>")
    assert explanation.why(bears).startswith("It bears the token of our message 1@x.nl")
