"""Every mail is taken in exactly once, and none stops the others."""

import json
import os
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

import threads.management.commands.ingest as command
from tests.mails import mail
from threads import ledger, sourcelease
from threads.laws import LAWS
from threads.models import (
    Customer,
    IngestRecord,
    Limits,
    Mailbox,
    Message,
    Original,
    Source,
    Thread,
)
from webhooks.models import Delivery, Event, Webhook

pytestmark = pytest.mark.django_db(transaction=True)


def broken():
    return [line for law in LAWS for line in law.broken()]


def told():
    return list(Event.objects.order_by("position").values_list("type", flat=True))


def test_a_mail_becomes_a_thread_with_its_events(source, maildir, ingest):
    maildir.deliver(mail(attachment=("factuur.pdf", b"%PDF-1.7 x")))
    assert ingest() == 0
    thread = Thread.objects.get()
    message = Message.objects.get()
    assert (thread.subject, thread.status) == ("Vraag over factuur", "open")
    assert thread.customer.address == "klant@bedrijf.nl"
    assert thread.customer_is_new
    assert thread.last_message == message
    assert message.body_text.strip() == "Hallo, ik heb een vraag."
    assert message.delivered_to == "support@shop.nl"
    assert message.attachment_set.get().filename == "factuur.pdf"
    assert told() == ["thread.created", "message.received"]
    assert broken() == []


def test_the_original_is_kept_byte_for_byte(source, maildir, ingest):
    content = mail().replace(b"\n", b"\r\n") + b"\x00\xff trailing\n"
    maildir.deliver(content)
    ingest()
    assert bytes(Original.objects.get().content) == content


def test_postgresql_spends_no_time_on_compressing_originals(db):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT attstorage FROM pg_attribute WHERE attname = 'content'"
                " AND attrelid = 'threads_original'::regclass"
            )
            assert cursor.fetchone() == ("e",)


def test_mail_moves_to_cur_after_it_is_stored(source, maildir, ingest):
    maildir.deliver(mail(), "1.M1P1.host")
    ingest()
    assert maildir.names("new") == []
    assert maildir.names("cur") == ["1.M1P1.host:2,"]


def test_a_second_pass_takes_in_nothing(source, maildir, ingest):
    maildir.deliver(mail())
    ingest()
    assert ingest() == 0
    assert Message.objects.count() == 1
    assert len(told()) == 2


def test_mail_that_a_reader_has_opened_already_is_taken_in(source, maildir, ingest):
    maildir.deliver(mail(), "1.M1P1.host:2,S", folder="cur")
    ingest()
    assert Message.objects.count() == 1
    assert maildir.names("cur") == ["1.M1P1.host:2,S"]


def test_a_changed_flag_is_not_a_new_mail(source, maildir, ingest):
    maildir.deliver(mail(), "1.M1P1.host")
    ingest()
    (maildir.path / "cur/1.M1P1.host:2,").rename(maildir.path / "cur/1.M1P1.host:2,RS")
    ingest()
    assert IngestRecord.objects.count() == 1


def test_another_mail_under_an_old_name_is_taken_in(source, maildir, ingest):
    maildir.deliver(mail(), "1.M1P1.host")
    ingest()
    other = mail("Iets anders", message_id="<2@bedrijf.nl>", text="Heel iets anders\n")
    maildir.deliver(other, "1.M1P1.host:2,", folder="cur")
    ingest()
    ingest()
    assert Message.objects.count() == 2
    assert IngestRecord.objects.count() == 2


def test_the_same_mail_delivered_twice_is_one_message(source, maildir, ingest):
    maildir.deliver(b"Received: from a by b; 1\n" + mail())
    maildir.deliver(b"Received: from c by d; 2\nDelivered-To: x@shop.nl\n" + mail())
    assert ingest() == 0
    assert Message.objects.count() == 1
    states = sorted(IngestRecord.objects.values_list("state", flat=True))
    assert states == ["done", "duplicate"]
    assert len(told()) == 2


def test_mails_without_with_empty_and_with_reused_message_ids_are_kept(
    source, maildir, ingest
):
    maildir.deliver(mail(message_id=None))
    maildir.deliver(mail(message_id=None, text="Nog een.\n"))
    empty = mail(message_id="<gone@x>", text="Leeg.\n").replace(b"<gone@x>", b"<>")
    maildir.deliver(empty)
    maildir.deliver(mail(message_id="<same@x>", text="Een.\n"))
    maildir.deliver(mail(message_id="<same@x>", text="Twee.\n"))
    assert ingest() == 0
    assert Message.objects.count() == 5
    assert Message.objects.filter(message_id_reused=True).count() == 1


def test_what_is_no_mail_is_skipped_and_counted(source, maildir, ingest, capsys):
    maildir.deliver(mail())
    maildir.deliver(b"")
    (maildir.path / "new/link").symlink_to("/etc/hostname")
    os.mkfifo(maildir.path / "new/fifo")
    (maildir.path / "new/folder").mkdir()
    (maildir.path / "new/.hidden").write_bytes(mail("verborgen"))
    (maildir.path / "tmp/half").write_bytes(mail("half"))
    assert ingest("--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["stored"] == 1
    assert report["skipped"] == {"symlink": 1, "fifo": 1, "directory": 1, "empty": 1}
    assert (maildir.path / "tmp/half").exists()


def test_a_mail_that_makes_the_parser_raise_is_set_aside_and_the_run_goes_on(
    source, maildir, ingest, capsys
):
    loop = b"".join(b"Received: from a by b; x\n" for _ in range(51)) + mail()
    maildir.deliver(mail(message_id="<2@x>", text="Voor.\n"))
    maildir.deliver(loop)
    maildir.deliver(mail(message_id="<3@x>", text="Na.\n"))
    assert ingest() == 1
    assert "hop_limit" in capsys.readouterr().err
    assert Message.objects.count() == 2
    record = IngestRecord.objects.get(state="quarantined")
    assert bytes(record.original.content) == loop
    assert "hop_limit" in record.last_error
    assert told().count("mail.quarantined") == 1
    assert ingest() == 0
    assert broken() == []


def test_a_mail_over_the_limit_stays_where_it_is(source, maildir, ingest, settings):
    settings.MAIL_SIZE_LIMIT = 2000
    maildir.deliver(mail())
    big = maildir.deliver(mail(message_id="<2@x>", text="x" * 3000))
    assert ingest() == 0
    assert ingest() == 0
    assert big.exists()
    assert IngestRecord.objects.filter(state="oversize").count() == 1
    assert told().count("message.oversize") == 1


def test_staff_choose_the_limit_and_what_was_too_large_comes_in(
    source, maildir, ingest, admin_client, settings
):
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}
    page = admin_client.get("/admin/threads/limits/", follow=True)
    assert page.redirect_chain[-1][0] == "/admin/threads/limits/add/"
    assert 'value="25"' in page.content.decode()
    large = admin_client.post("/admin/threads/limits/add/", {"mail_megabytes": 101})
    assert large.status_code == 200
    admin_client.post("/admin/threads/limits/add/", {"mail_megabytes": 1})
    maildir.deliver(mail(text="x" * 1_100_000))
    assert ingest() == 0
    assert told().count("message.oversize") == 1
    only = Limits.objects.get()
    again = admin_client.get("/admin/threads/limits/")
    assert again.url == f"/admin/threads/limits/{only.pk}/change/"
    admin_client.post(again.url, {"mail_megabytes": 2})
    assert ingest() == 0
    assert Message.objects.count() == 1
    assert ingest("--verify") == 0


def test_an_answer_joins_and_opens_a_closed_thread(source, maildir, ingest):
    maildir.deliver(mail())
    ingest()
    Thread.objects.update(status="closed")
    maildir.deliver(
        mail("Re: Vraag", message_id="<2@bedrijf.nl>", in_reply_to="<1@bedrijf.nl>")
    )
    ingest()
    thread = Thread.objects.get()
    assert (thread.status, thread.message_count) == ("open", 2)
    assert told()[2:] == ["thread.reopened", "message.received"]
    assert [e.sequence for e in Event.objects.order_by("position")] == [1, 2, 3, 4]


def test_an_automatic_answer_leaves_a_closed_thread_closed(source, maildir, ingest):
    maildir.deliver(mail())
    ingest()
    Thread.objects.update(status="closed")
    maildir.deliver(
        mail(
            "Automatisch antwoord",
            message_id="<2@bedrijf.nl>",
            in_reply_to="<1@bedrijf.nl>",
            auto_submitted="auto-replied",
        )
    )
    ingest()
    assert Thread.objects.get().status == "closed"
    assert told()[2:] == ["message.received"]


def test_a_late_parent_merges_the_threads_of_its_children(source, maildir, ingest):
    sender = "Klant <klant@bedrijf.nl>"
    one = mail(message_id="<b@x>", in_reply_to="<a@x>", sender=sender, text="b\n")
    ander = mail(
        message_id="<c@x>",
        in_reply_to="<q@x>",
        references="<a@x> <q@x>",
        sender="Ander <ander@x.nl>",
        text="c\n",
    )
    maildir.deliver(one)
    maildir.deliver(ander)
    ingest()
    assert Thread.objects.count() == 2
    older = Thread.objects.order_by("created_at", "pk").first()
    maildir.deliver(
        mail(
            message_id="<a@x>",
            sender=sender,
            cc="ander@x.nl",
            text="a\n",
            authentication_results="mx.shop.nl; dmarc=pass header.from=bedrijf.nl",
        )
    )
    Mailbox.objects.update(trusted_authserv_ids=["mx.shop.nl"])
    # The colleague addressed only us, so he is no answer to the parent yet.
    ingest()
    older.refresh_from_db()
    assert older.message_count == 2
    assert broken() == []


def test_threads_that_a_mail_joins_become_the_older_one(source, maildir, ingest):
    maildir.deliver(mail(message_id="<a@x>", text="a\n"))
    maildir.deliver(mail(message_id="<b@x>", text="b\n"))
    ingest()
    survivor, loser = Thread.objects.order_by("pk")
    Thread.objects.filter(pk=survivor.pk).update(status="closed")
    maildir.deliver(mail(message_id="<c@x>", references="<a@x> <b@x>", text="c\n"))
    ingest()
    survivor.refresh_from_db()
    loser.refresh_from_db()
    assert loser.merged_into == survivor
    assert loser.last_message is None
    assert survivor.merged_ids == [loser.public_id]
    assert (survivor.message_count, survivor.status) == (3, "open")
    assert told()[4:] == ["thread.merged", "message.received"]
    assert Customer.objects.get().thread_count == 1
    assert broken() == []


def test_a_reference_that_does_not_link_is_shown_as_related(source, maildir, ingest):
    maildir.deliver(mail(message_id="<a@x>"))
    maildir.deliver(
        mail(message_id="<b@y>", in_reply_to="<a@x>", sender="dief@y.nl", text="b\n")
    )
    ingest()
    victim, stranger = Thread.objects.order_by("pk")
    assert stranger.related == [victim.public_id]
    assert victim.related == []


def test_silent_mail_is_logged_and_told_to_nobody(source, maildir, ingest):
    Webhook.objects.create(url="https://example.com/", events=["message.received"])
    maildir.deliver(mail())
    ingest("--silent")
    assert len(told()) == 2
    assert Delivery.objects.count() == 0


def test_the_first_pass_is_an_import_and_the_second_is_not(source, maildir, ingest):
    maildir.deliver(mail())
    ingest()
    maildir.deliver(mail(message_id="<2@x>", text="Nieuw.\n"))
    ingest()
    flags = list(Message.objects.order_by("pk").values_list("imported", flat=True))
    assert flags == [True, False]


def test_a_maildir_that_is_not_configured_needs_only_a_mailbox(
    mailbox, maildir, ingest
):
    maildir.deliver(mail())
    arguments = ("--maildir", str(maildir.path), "--to", "Support@Shop.nl")
    assert ingest(*arguments) == 0
    assert ingest(*arguments) == 0
    assert Message.objects.count() == 1
    assert not Source.objects.get().active


def test_check_says_what_it_would_do_and_touches_nothing(
    source, maildir, ingest, capsys
):
    maildir.deliver(mail())
    assert ingest("--check", "--json") == 0
    assert json.loads(capsys.readouterr().out)["stored"] == 1
    assert IngestRecord.objects.count() == 0
    assert len(maildir.names("new")) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--maildir", ".", "--to", "wie@shop.nl"), "there is no mailbox wie@shop.nl"),
        (("--maildir", "."), "go together"),
        (("--maildir", "/nergens", "--to", "support@shop.nl"), "is not a Maildir"),
        (("--mailbox", "wie@shop.nl"), "there is no mailbox"),
        (("--since", "gisteren"), "2026-01-31"),
    ],
)
def test_wrong_use_is_a_clear_line_and_exit_2(mailbox, arguments, said):
    with pytest.raises(CommandError, match=said) as refused:
        call_command("ingest", *arguments)
    assert refused.value.returncode == 2


def test_a_source_that_another_process_reads_is_named(source, maildir, monkeypatch):
    monkeypatch.setattr(command, "BUSY_SECONDS", 0.1)
    sourcelease.acquire(source)
    maildir.deliver(mail())
    with pytest.raises(SystemExit) as stop:
        call_command("ingest")
    assert stop.value.code == 1
    assert Message.objects.count() == 0


def test_what_a_death_left_between_the_commits_is_finished(source, maildir, ingest):
    content = mail()
    place = maildir.deliver(content)
    copy = ledger.Copy("1.M1P1.host", len(content), f"new/{place.name}", fresh=True)
    arrived = ledger.Arrived(copy, place.name, content)
    ledger.enter(source, "", [arrived], token=uuid4(), silent=False)
    assert ingest() == 0
    assert Message.objects.count() == 1
    assert IngestRecord.objects.get().attempts == 1
    assert maildir.names("new") == []


def test_a_backlog_costs_at_most_half_a_statement_a_mail(source, maildir, ingest):
    """G5: fifty mails, half of them answers, two webhooks listening."""
    for number in range(2):
        Webhook.objects.create(
            url=f"https://example.com/{number}",
            events=["thread.created", "message.received"],
        )
    for number in range(200):
        headers = {"in_reply_to": f"<{number - 1}@x>"} if number % 2 else {}
        maildir.deliver(
            mail(
                message_id=f"<{number}@x>",
                sender=f"klant{number // 2}@x.nl",
                text=f"Vraag {number}\n",
                **headers,
            )
        )
    with CaptureQueriesContext(
        connection,
    ) as statements:
        ingest()
    assert Message.objects.count() == 200
    assert Thread.objects.count() == 100
    framing = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    counted = [q for q in statements if not q["sql"].startswith(framing)]
    assert len(counted) / 200 <= 0.5, len(counted) / 200
