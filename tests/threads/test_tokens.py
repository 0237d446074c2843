"""Answers that lost their headers, and what the team sends by mail program."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.mails import Maildir, mail
from tests.mailservers import smtp_server
from threads import smtp
from threads.actors import SYSTEM
from threads.house import House
from threads.laws import LAWS
from threads.mail.parse import parse
from threads.matching import REFERENCES_KEPT
from threads.models import Mailbox, Message, Source, Thread, User
from threads.outbound import Reply, reply
from threads.recipients import answered_message, reply_recipients
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)
AUTH = {"authentication_results": "mx.shop.nl; dmarc=pass header.from=shop.nl"}


@pytest.fixture
def answered(source, maildir, ingest):
    """A question and our answer to it, with whatever the mailbox is set to."""

    def make(number=1, **settings):
        maildir.deliver(mail(message_id=f"<{number}@bedrijf.nl>"))
        assert ingest() == 0
        thread = Thread.objects.latest("pk")
        with smtp_server() as sink:
            server = {"host": "127.0.0.1", "port": sink.port, "tls": "none"}
            mailbox = Mailbox.objects.get()
            for name, value in {"smtp": server, **settings}.items():
                setattr(mailbox, name, value)
            mailbox.save()
            wanted = Reply(body="Ja.", body_html="<p>Ja.</p>")
            message = reply(thread.pk, wanted, actor=SYSTEM)
            smtp.send_due()
        return message, sink.mails[0][1]

    return make


def told():
    return list(Event.objects.order_by("position").values_list("type", flat=True))


def broken():
    return [line for law in LAWS for line in law.broken()]


# --- Tokens -----------------------------------------------------------------------


def test_without_the_wish_no_mail_carries_a_token(answered):
    message, raw = answered()
    assert message.token_key is None
    assert parse(raw).reply_to == ()
    assert b"ref:" not in raw


def test_the_answer_address_brings_an_answer_home(answered, maildir, ingest):
    message, raw = answered(reply_addresses=True)
    asked_at = parse(raw).reply_to[0].address
    assert asked_at == f"support+{message.token_key}@shop.nl"
    maildir.deliver(mail("Iets", message_id="<a@x>", to=asked_at.upper()))
    stranger = mail("Iets", message_id="<b@y>", to=asked_at, sender="dief@evil.nl")
    maildir.deliver(stranger)
    ingest()
    back, evil = Message.objects.filter(direction="inbound").order_by("pk")[1:]
    assert (back.thread, back.why_rule) == (message.thread, "keyed")
    assert "token" in back.why_evidence
    assert (evil.thread, evil.unverified_sender) == (message.thread, True)
    # We never write to an answer address of ours, nor to the stranger.
    house = House.of(message.mailbox)
    found = reply_recipients(
        message.thread, answered_message(message.thread), house, everybody=True
    )
    assert [p.address for p in (*found.to, *found.cc)] == ["klant@bedrijf.nl"]
    people = {one["address"] for one in back.thread.participants}
    assert people == {"klant@bedrijf.nl"}


def test_a_strict_mailbox_lets_no_stranger_in_by_token(answered, maildir, ingest):
    message, raw = answered(reply_addresses=True, strict=True)
    asked_at = parse(raw).reply_to[0].address
    maildir.deliver(mail(message_id="<b@y>", to=asked_at, sender="dief@evil.nl"))
    ingest()
    evil = Message.objects.get(message_id="b@y")
    assert evil.thread != message.thread
    assert evil.thread.related == [message.thread.public_id]


def test_the_marker_in_the_quote_brings_an_answer_home(answered, maildir, ingest):
    message, raw = answered(body_marker=True)
    assert message.body_text == "Ja."
    sent = parse(raw)
    line = f"[ref:{message.token_key}]"
    assert sent.body_text.endswith(line)
    assert line in sent.body_html
    maildir.deliver(mail("Iets", message_id="<a@x>", text=f"Dank!\n\n> Ja.\n> {line}"))
    ingest()
    assert Message.objects.get(message_id="a@x").thread == message.thread


def test_a_threads_mail_has_one_token_and_each_thread_its_own(answered):
    first, _ = answered(1, body_marker=True)
    again = reply(first.thread.pk, Reply(body="En nog iets."), actor=SYSTEM)
    second, _ = answered(2, body_marker=True)
    assert first.token_key == again.token_key != second.token_key


def test_a_changed_subject_begins_a_thread_and_says_so(answered, maildir, ingest):
    message, _ = answered(by_subject=True)
    answer = {"in_reply_to": f"<{message.message_id}>"}
    maildir.deliver(mail("Re: vraag over factuur", message_id="<a@x>", **answer))
    maildir.deliver(mail("Heel iets anders", message_id="<b@x>", **answer))
    ingest()
    same, other = Message.objects.filter(direction="inbound").order_by("pk")[1:]
    assert same.thread == message.thread
    assert (other.thread == message.thread, other.why_rule) == (False, "new")
    assert "another subject" in other.why_evidence
    assert other.thread.related == [message.thread.public_id]


# --- By mail program ----------------------------------------------------------------


@pytest.fixture
def anna(db):
    return User.objects.create_user("anna", "anna@shop.nl", "x")


@pytest.fixture
def sent_folder(mailbox, tmp_path):
    folder = Maildir(tmp_path / "Sent")
    Source.objects.create(
        mailbox=mailbox, kind="maildir", location=str(folder.path), sent=True
    )
    return folder


def test_what_lies_in_a_sent_folder_went_out(source, maildir, sent_folder, ingest):
    maildir.deliver(mail())
    ingest()
    answer = {"in_reply_to": "<1@bedrijf.nl>", "message_id": "<a@shop.nl>"}
    sent_folder.deliver(
        mail("Re: Vraag", sender="support@shop.nl", to="klant@bedrijf.nl", **answer)
    )
    ingest()
    sent = Message.objects.get(message_id="a@shop.nl")
    assert (sent.direction, sent.via, sent.status) == ("outbound", "mailbox", "sent")
    assert sent.thread == Thread.objects.get()
    assert [(r.address, r.state) for r in sent.recipients.all()] == [
        ("klant@bedrijf.nl", "sent")
    ]
    assert told() == ["thread.created", "message.received", "message.sent"]
    # The customer's answer knows nothing but that mail.
    maildir.deliver(mail(message_id="<2@bedrijf.nl>", in_reply_to="<a@shop.nl>"))
    ingest()
    assert Message.objects.get(message_id="2@bedrijf.nl").thread == sent.thread
    assert broken() == []


def test_our_reply_in_the_sent_folder_is_the_reply_and_no_second_one(
    answered, sent_folder, ingest
):
    _message, raw = answered()
    assert raw.count(b"\r\n\r\n") > 1
    altered = raw.replace(b"Ja.", b"Ja!").replace(b"Subject: Re:", b"Subject: RE:")
    sent_folder.deliver(b"X-Kept-By: server\r\n" + altered)
    ingest()
    assert Message.objects.count() == 2
    assert broken() == []


def test_a_team_member_who_answers_with_us_in_copy_is_known(
    source, maildir, ingest, anna, mailbox
):
    mailbox.trusted_authserv_ids = ["mx.shop.nl"]
    mailbox.save()
    maildir.deliver(mail())
    answer = {"in_reply_to": "<1@bedrijf.nl>", "to": "klant@bedrijf.nl"}
    answer["cc"] = "support@shop.nl, collega@bedrijf.nl"
    proven = mail(sender="anna@shop.nl", message_id="<a@shop.nl>", **AUTH, **answer)
    maildir.deliver(proven)
    maildir.deliver(mail(sender="anna@shop.nl", message_id="<b@shop.nl>", **answer))
    ingest()
    sent = Message.objects.get(message_id="a@shop.nl")
    assert (sent.direction, sent.via, sent.author) == ("outbound", "mailbox", anna)
    assert sent.thread == Message.objects.get(message_id="1@bedrijf.nl").thread
    people = {one["address"] for one in sent.thread.participants}
    assert people == {"klant@bedrijf.nl", "collega@bedrijf.nl"}
    # Nobody vouches for this one: it may be anybody's.
    forged = Message.objects.get(message_id="b@shop.nl")
    assert (forged.direction, forged.via) == ("inbound", "mail")
    assert forged.thread != sent.thread


def test_a_conversation_that_the_team_begins_is_the_customers(sent_folder, ingest):
    sent_folder.deliver(
        mail("Aanbod", sender="support@shop.nl", to="Klant <klant@bedrijf.nl>")
    )
    ingest()
    thread = Thread.objects.get()
    assert thread.customer.address == "klant@bedrijf.nl"
    assert (thread.customer_is_new, thread.status) == (False, "open")
    assert told() == ["thread.created", "message.sent"]
    assert broken() == []


# --- Other ways in ------------------------------------------------------------------


def test_one_mail_to_two_mailboxes_is_one_message_in_each(
    source, maildir, ingest, tmp_path
):
    other = Mailbox.objects.create(address="info@shop.nl")
    folder = Maildir(tmp_path / "Other")
    Source.objects.create(mailbox=other, kind="maildir", location=str(folder.path))
    raw = mail(to="support@shop.nl, info@shop.nl")
    maildir.deliver(raw)
    folder.deliver(b"Received: from a by b\r\n" + raw)
    ingest()
    found = {(m.mailbox.address, m.delivered_to) for m in Message.objects.all()}
    assert found == {(a, a) for a in ("support@shop.nl", "info@shop.nl")}
    assert Thread.objects.count() == 2


def test_whoever_is_in_a_loop_or_names_thousands_costs_as_many_statements(
    source, maildir, ingest
):
    """References that lie, go round or never end: three look-ups, as for one."""
    maildir.deliver(mail())
    ingest()
    ids = [f"<{n}@verzonnen.nl>" for n in range(5_000)]
    one = mail(message_id="<2@bedrijf.nl>", references="<1@bedrijf.nl>")
    head = b"References: " + "\r\n ".join(["<3@bedrijf.nl>", *ids]).encode()
    many = mail(message_id="<3@bedrijf.nl>", in_reply_to="<1@bedrijf.nl>")
    asked = []
    for raw in (one, head + b"\r\n" + many):
        maildir.deliver(raw)
        with CaptureQueriesContext(connection) as statements:
            ingest()
        asked.append(len(statements))
    assert asked[1] <= asked[0]
    kept = Message.objects.get(message_id="3@bedrijf.nl").references.count()
    assert kept == 2 * REFERENCES_KEPT
    assert Thread.objects.count() == 1


def test_our_own_mail_that_comes_back_is_a_duplicate_of_it(answered, maildir, ingest):
    message, raw = answered()
    maildir.deliver(b"Received: from a by b\r\n" + raw)
    ingest()
    assert Message.objects.count() == 2
    # A list that adds its footer makes another mail of it, and says so.
    maildir.deliver(raw.replace(b"Ja.", b"Ja. -- De lijst"))
    ingest()
    back = Message.objects.get(message_id=message.message_id, direction="inbound")
    assert back.message_id_reused
    assert broken() == []


def test_a_form_that_a_program_sends_is_answered_at_its_reply_to(
    source, maildir, ingest
):
    maildir.deliver(
        mail(
            sender="wordpress@site.nl",
            reply_to="Klant <klant@bedrijf.nl>",
            auto_submitted="auto-generated",
        )
    )
    ingest()
    thread = Thread.objects.get()
    assert thread.customer.address == "klant@bedrijf.nl"
    house = House.of(thread.mailbox)
    found = reply_recipients(thread, answered_message(thread), house, everybody=False)
    assert [one.address for one in found.to] == ["klant@bedrijf.nl"]
