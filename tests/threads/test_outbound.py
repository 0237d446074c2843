"""A reply is accepted, sent once, and says what became of it."""

import json
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from tests.mails import mail
from tests.mailservers import smtp_server
from threads import lifecycle, smtp
from threads.actors import SYSTEM
from threads.errors import RefusedError
from threads.mail.compose import Enclosure
from threads.mail.parts import attachment
from threads.mailserver import server_of
from threads.models import (
    Mailbox,
    Message,
    Original,
    Recipient,
    Reference,
    Thread,
)
from threads.outbound import Reply, reply
from webhooks.leases import in_seconds
from webhooks.models import Event, EventBody

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def thread(source, maildir, ingest):
    """Makes a thread from a first mail."""

    def make(**values):
        maildir.deliver(mail(**values))
        ingest()
        return Thread.objects.latest("pk")

    return make


def use(sink):
    server = {"host": "127.0.0.1", "port": sink.port, "tls": "none"}
    mailbox = Mailbox.objects.get()
    mailbox.smtp = server
    mailbox.save()


def answer(thread, body="Bedankt voor je bericht.", **values):
    return reply(thread.pk, Reply(body=body, **values), actor=SYSTEM)


def told():
    return list(Event.objects.order_by("position").values_list("type", flat=True))


def test_a_file_goes_along_under_a_safe_name_and_type(thread):
    asked = thread()
    files = [
        Enclosure(
            filename="../x\u202egnp.exe\r\nBcc: x@y.nl",
            content_type="text/html; charset=x\r\nX: y",
            content=b"<script>",
        ),
        Enclosure(filename="", content_type="message/rfc822", content=b"\xff\n.\n"),
    ]
    with smtp_server() as sink:
        use(sink)
        message = answer(asked, attachments=files)
        assert smtp.send_due().sent == 1
    to, raw = sink.mails[0]
    sent = message_from_bytes(raw, policy=policy.default)
    assert to == ["klant@bedrijf.nl"]
    assert "Bcc" not in sent
    found = list(sent.iter_attachments())
    assert [one.get_filename() for one in found] == [
        "xgnp.exe Bcc: x@y.nl",
        "attachment",
    ]
    assert [one.get_content_type() for one in found] == [
        "text/html",
        "application/octet-stream",
    ]
    assert [one.get_payload(decode=True) for one in found] == [
        b"<script>",
        b"\xff\n.\n",
    ]
    assert found[0]["X"] is None
    kept = message.attachment_set.order_by("part")
    assert [one.size for one in kept] == [8, 4]
    last = kept[1]
    assert attachment(bytes(message.original.content), last.part) == b"\xff\n.\n"


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([b"x"] * 21, "too_many_attachments"),
        ([bytes(9_000_000)] * 2, "attachments_too_large"),
    ],
)
def test_more_than_servers_take_is_refused(thread, settings, files, code):
    settings.EMAIL_HOST = "127.0.0.1"
    asked = thread()
    enclosed = [
        Enclosure(filename="x", content_type="", content=content) for content in files
    ]
    with pytest.raises(RefusedError) as refused:
        answer(asked, attachments=enclosed)
    assert refused.value.code == code
    assert Message.objects.count() == 1


def test_a_reply_arrives_with_the_headers_of_a_conversation(thread):
    asked = thread(references="<0@x>", subject="Vraag over café")
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
        assert (message.status, told()[2:]) == ("queued", [])
        assert smtp.send_due().sent == 1
    to, raw = sink.mails[0]
    sent = message_from_bytes(raw, policy=policy.default)
    assert to == ["klant@bedrijf.nl"]
    assert sent["From"] == "Support <support@shop.nl>"
    assert sent["To"] == "Klant <klant@bedrijf.nl>"
    assert sent["Subject"] == "Re: Vraag over café"
    assert sent["In-Reply-To"] == "<1@bedrijf.nl>"
    assert sent["References"] == "<0@x> <1@bedrijf.nl>"
    assert sent["Message-ID"] == f"<{message.message_id}>"
    assert message.message_id == message.message_id.lower()
    assert "Auto-Submitted" not in sent
    assert sent.get_content().strip() == "Bedankt voor je bericht."
    message.refresh_from_db()
    assert message.status == "sent"
    assert bytes(message.original.content) == raw
    assert told()[2:] == ["message.sent"]
    assert smtp.send_due().tried == 0


def test_re_stands_once(thread):
    asked = thread(subject="RE: AW: Vraag")
    with smtp_server() as sink:
        use(sink)
        assert answer(asked).subject == "Re: Vraag"


def test_the_customers_answer_comes_back_into_the_thread(thread, maildir, ingest):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
        smtp.send_due()
    reply_id = f"<{message.message_id}>"
    maildir.deliver(mail(message_id="<2@bedrijf.nl>", in_reply_to=reply_id, text="Ok"))
    ingest()
    assert Thread.objects.get().message_count == 3
    assert Message.objects.latest("pk").why_rule == "keyed"


def test_our_own_mail_coming_back_is_recognised(thread, maildir, ingest):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        answer(asked)
        smtp.send_due()
    maildir.deliver(b"Received: from x by y\r\n" + sink.mails[0][1])
    ingest()
    assert Message.objects.count() == 2


DSN = """From: MAILER-DAEMON@mx.bedrijf.nl
To: support@shop.nl
Subject: Undelivered Mail
Message-ID: <dsn-{number}@mx.bedrijf.nl>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It did not arrive.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.bedrijf.nl

{fates}--b
Content-Type: text/rfc822-headers

Message-ID: <{about}>
Subject: Re: Vraag
--b--
"""


def fate(address, action="failed", status="5.1.1", said=""):
    """What a report says of one recipient."""
    lines = [f"Final-Recipient: rfc822; {address}", f"Action: {action}"]
    lines += [f"Status: {status}"] if status else []
    lines += [f"Diagnostic-Code: smtp; {said}"] if said else []
    return "\n".join(lines) + "\n\n"


def fates(message):
    return {
        one.address: (one.state, one.detail)
        for one in message.recipients.order_by("address")
    }


def test_a_bounce_marks_the_mail_that_reached_nobody(thread, maildir, ingest):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
        smtp.send_due()
    report = DSN.format(
        number=1, fates=fate("klant@bedrijf.nl"), about=message.message_id
    )
    maildir.deliver(report.encode())
    ingest()
    message.refresh_from_db()
    assert message.status == "bounced"
    assert told()[-1] == "message.bounced"


def test_a_report_marks_each_recipient_in_the_words_of_its_server(
    thread, maildir, ingest
):
    asked = thread()
    copies = [f"{name}@x.nl" for name in ("een", "twee", "drie")]
    with smtp_server() as sink:
        use(sink)
        message = answer(asked, cc=copies)
        smtp.send_due()
    first = DSN.format(
        number=1,
        about=message.message_id,
        fates=fate("Een@X.nl", said="550 5.1.1 User unknown")
        + fate("twee@x.nl", status="5.2.2", said="452 Mailbox full")
        + fate("drie@x.nl", action="delayed", status="4.4.1")
        + fate("klant@bedrijf.nl", action="relayed", status="2.1.9"),
    )
    maildir.deliver(first.encode())
    ingest()
    message.refresh_from_db()
    assert message.status == "sent"
    assert fates(message) == {
        "drie@x.nl": ("sent", ""),
        "een@x.nl": ("bounced", "550 5.1.1 User unknown"),
        "klant@bedrijf.nl": ("sent", ""),
        "twee@x.nl": ("bounced", "5.2.2 452 Mailbox full"),
    }
    report = Message.objects.latest("pk")
    assert [one["action"] for one in report.bounce["recipients"]] == [
        *("failed", "failed", "delayed", "relayed")
    ]
    last = DSN.format(
        number=2,
        about=message.message_id,
        fates=fate("drie@x.nl", status="") + fate("klant@bedrijf.nl"),
    )
    maildir.deliver(last.encode())
    ingest()
    message.refresh_from_db()
    assert message.status == "bounced"
    assert fates(message)["drie@x.nl"] == ("bounced", "")


@pytest.mark.parametrize(
    "lies",
    [
        {b"From: MAILER-DAEMON@mx.bedrijf.nl": b"From: dief@y.nl"},
        {b"From: ": b"Return-Path: <dief@y.nl>\nFrom: "},
        {
            b"From: ": b"Authentication-Results: mx.shop.nl; dmarc=fail"
            b" header.from=mx.bedrijf.nl\nFrom: "
        },
        {b"rfc822; klant@bedrijf.nl": b"rfc822; vreemd@y.nl"},
    ],
    ids=["a person", "a person by the envelope", "DMARC says no", "about a stranger"],
)
def test_a_report_that_marks_nobody_is_mail_like_any_other(
    thread, maildir, ingest, lies
):
    Mailbox.objects.update(trusted_authserv_ids=["mx.shop.nl"])
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
        smtp.send_due()
    report = DSN.format(
        number=1, fates=fate("klant@bedrijf.nl"), about=message.message_id
    ).encode()
    for true, lie in lies.items():
        report = report.replace(true, lie)
    maildir.deliver(report)
    ingest()
    message.refresh_from_db()
    assert (message.status, told()[-1]) == ("sent", "message.received")
    assert fates(message) == {"klant@bedrijf.nl": ("sent", "")}


def test_what_was_not_sent_yet_has_not_bounced(thread, maildir, ingest):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
        report = DSN.format(
            number=1, fates=fate("klant@bedrijf.nl"), about=message.message_id
        )
        maildir.deliver(report.encode())
        ingest()
        message.refresh_from_db()
        assert (message.status, told()[-1]) == ("queued", "message.received")


def test_a_recipient_is_known_wherever_his_server_sent_the_mail_on(
    thread, maildir, ingest
):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        message = answer(asked, cc=["een@x.nl"])
        smtp.send_due()
    forwarded = fate("prive@gmail.nl", said="552 Full").strip("\n")
    forwarded += "\nOriginal-Recipient: rfc822;een@x.nl\n\n"
    report = DSN.format(number=1, about=message.message_id, fates=forwarded)
    maildir.deliver(report.encode())
    # Somebody we did not write to is nobody of ours.
    other = fate("vreemd@y.nl")
    maildir.deliver(
        DSN.format(number=2, about=message.message_id, fates=other).encode()
    )
    ingest()
    assert fates(message) == {
        "een@x.nl": ("bounced", "5.1.1 552 Full"),
        "klant@bedrijf.nl": ("sent", ""),
    }


def test_what_is_about_a_mail_of_ours_names_it(thread, maildir, ingest):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
        smtp.send_due()
    ours = f"<{message.message_id}>"
    arf = DSN.format(number=2, fates="Feedback-Type: abuse\n\n", about="x")
    arf = arf.replace("delivery-status", "feedback-report").replace("<x>", ours)
    arf = arf.replace("Reporting-MTA: dns; mx.bedrijf.nl\n\n", "")
    old = mail(
        sender="Mailer-Daemon@mx.nl",
        message_id="<3@mx.nl>",
        text=f"It could not be delivered:\n\nklant@bedrijf.nl\n  550 5.1.1 No."
        f"\n\n--- This is a copy\n\nMessage-ID: {ours}\n",
    )
    away = mail(message_id="<4@x>", in_reply_to=ours, auto_submitted="auto-replied")
    person = mail(message_id="<5@x>", in_reply_to=ours)
    for raw in (arf.encode(), old, away, person):
        maildir.deliver(raw)
    ingest()
    found = Message.objects.filter(thread=asked, direction="inbound").order_by("pk")[1:]
    assert [one.about for one in found] == [*[message.public_id] * 3, ""]
    assert found[0].complaint["type"] == "abuse"
    assert found[1].bounce["status"] == "5.1.1"
    message.refresh_from_db()
    assert message.status == "bounced"


def test_a_report_that_names_nobody_is_about_the_only_recipient(
    thread, maildir, ingest
):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
        smtp.send_due()
    maildir.deliver(DSN.format(number=1, fates="", about=message.message_id).encode())
    ingest()
    message.refresh_from_db()
    assert message.status == "bounced"


def test_a_stranger_in_the_thread_is_never_answered(thread, maildir, ingest):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
        maildir.deliver(
            mail(
                sender="dief@y.nl",
                message_id="<evil@y.nl>",
                in_reply_to=f"<{message.message_id}>",
            )
        )
        ingest()
        assert Message.objects.latest("pk").unverified_sender
        again = answer(asked)
    addresses = list(again.recipients.values_list("address", flat=True))
    assert addresses == ["klant@bedrijf.nl"]


def stranger(message, **values):
    """Refers to a mail of ours that did not go to its sender."""
    return mail(
        **{
            "sender": "dief@y.nl",
            "message_id": "<evil@y.nl>",
            "text": "Maak het geld over.\n",
            "in_reply_to": f"<{message.message_id}>",
            **values,
        }
    )


@pytest.mark.parametrize(
    "forged",
    [
        {},
        {
            "sender": "klant@bedrijf.nl",
            "authentication_results": "mx.shop.nl; dmarc=fail header.from=bedrijf.nl",
        },
    ],
    ids=["another sender", "DMARC says no"],
)
def test_a_stranger_opens_and_wakes_no_thread_and_speaks_for_nobody(
    thread, maildir, ingest, forged
):
    Mailbox.objects.update(trusted_authserv_ids=["mx.shop.nl"])
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        message = answer(asked, close=True)
    tomorrow = timezone.now() + timedelta(days=1)
    Thread.objects.update(snoozed_until=tomorrow)
    before = told()
    maildir.deliver(stranger(message, **forged))
    ingest()
    asked.refresh_from_db()
    assert Message.objects.latest("pk").thread == asked
    assert (asked.status, asked.snoozed_until) == ("closed", tomorrow)
    assert told()[len(before) :] == ["message.received"]
    heard = json.loads(bytes(EventBody.objects.latest("pk").body))
    assert heard["message"]["unverified_sender"] is True
    urgent = lifecycle.Changes(priority="urgent")
    lifecycle.change(asked.pk, actor=SYSTEM, changes=urgent)
    said = json.loads(bytes(EventBody.objects.latest("pk").body))
    assert said["event"] == "thread.updated"
    assert said["body_text"] == "Hallo, ik heb een vraag."
    assert said["message"]["from"]["address"] == "klant@bedrijf.nl"


def test_a_forged_reply_to_is_not_obeyed(thread):
    asked = thread(reply_to="dief@y.nl")
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
    assert message.recipients.get().address == "klant@bedrijf.nl"


def test_a_contact_form_is_answered_at_its_reply_to(thread):
    asked = thread(sender="Formulier <support@shop.nl>", reply_to="klant@bedrijf.nl")
    assert asked.customer.address == "klant@bedrijf.nl"
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
    assert message.recipients.get().address == "klant@bedrijf.nl"


def test_reply_all_reaches_the_first_mails_copies_but_not_us(thread):
    asked = thread(to="support@shop.nl, Baas <baas@bedrijf.nl>", cc="info@bedrijf.nl")
    with smtp_server() as sink:
        use(sink)
        message = answer(asked, reply_all=True)
    in_order = message.recipients.order_by("pk")
    addresses = list(in_order.values_list("address", flat=True))
    assert addresses == ["klant@bedrijf.nl", "baas@bedrijf.nl", "info@bedrijf.nl"]


def test_a_spam_thread_gets_no_answer(thread, settings):
    asked = thread()
    lifecycle.change(asked.pk, actor=SYSTEM, changes=lifecycle.Changes(status="spam"))
    settings.EMAIL_HOST = "127.0.0.1"
    with pytest.raises(RefusedError) as refused:
        answer(asked)
    assert refused.value.code == "thread_is_spam"


def test_without_a_mail_server_a_reply_is_refused(thread):
    with pytest.raises(RefusedError) as refused:
        answer(thread())
    assert refused.value.code == "smtp_not_configured"
    assert Message.objects.count() == 1


def test_the_try_out_writes_the_reply_to_a_file(thread, settings, tmp_path):
    settings.DEBUG, settings.DATA_DIR = True, tmp_path
    message = answer(thread())
    assert message.status == "stored"
    written = (tmp_path / "outbox" / f"{message.public_id}.eml").read_bytes()
    assert written == bytes(Original.objects.latest("pk").content)


def test_closing_with_a_reply_closes_at_once_and_a_failure_opens_again(thread):
    asked = thread()
    with smtp_server(refuse={"klant@bedrijf.nl": "550 5.1.1 unknown"}) as sink:
        use(sink)
        answer(asked, close=True)
        asked.refresh_from_db()
        assert (asked.status, told()[2:]) == ("closed", ["thread.closed"])
        smtp.send_due()
    asked.refresh_from_db()
    assert asked.status == "open"
    assert told()[3:] == ["message.failed", "thread.reopened"]
    assert Message.objects.latest("pk").error_detail == "5.1.1 unknown"


def test_a_failed_reply_opens_no_thread_that_it_did_not_close(thread):
    asked = thread()
    lifecycle.change(asked.pk, actor=SYSTEM, changes=lifecycle.Changes(status="closed"))
    with smtp_server(answer="554 no") as sink:
        use(sink)
        answer(asked, close=True)
        smtp.send_due()
    asked.refresh_from_db()
    assert asked.status == "closed"
    assert "thread.reopened" not in told()


def test_a_temporary_refusal_is_tried_again_later(thread):
    asked = thread()
    with smtp_server(answer="451 4.3.0 busy") as sink:
        use(sink)
        message = answer(asked)
        smtp.send_due()
        message.refresh_from_db()
        assert message.status == "queued"
        later = Message.objects.filter(next_at__gt=in_seconds(50))
        assert later.get() == message
        sink.answer = "250 OK"
        Message.objects.filter(pk=message.pk).update(next_at=Now())
        smtp.send_due()
    message.refresh_from_db()
    assert (message.status, message.attempts) == ("sent", 2)
    assert sink.mails[0][1] == sink.mails[1][1]


def test_a_server_that_is_down_is_tried_again_later(thread):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
    message = answer(asked)
    smtp.send_due()
    message.refresh_from_db()
    assert (message.status, message.error_code) == ("queued", "connection")


def test_one_refused_recipient_of_three_does_not_stop_the_others(thread):
    asked = thread()
    with smtp_server(refuse={"b@x.nl": "550 no"}) as sink:
        use(sink)
        message = answer(asked, to=["a@x.nl", "b@x.nl", "c@x.nl"])
        smtp.send_due()
    assert sink.mails[0][0] == ["a@x.nl", "c@x.nl"]
    states = dict(Recipient.objects.values_list("address", "state"))
    assert states == {"a@x.nl": "sent", "b@x.nl": "failed", "c@x.nl": "sent"}
    message.refresh_from_db()
    assert message.status == "sent"


def test_no_answer_after_the_mail_is_doubt_and_not_a_second_mail(thread):
    asked = thread()
    with smtp_server(answer=None) as sink:
        use(sink)
        message = answer(asked)
        smtp.send_due()
        smtp.send_due()
        assert len(sink.mails) == 1
    message.refresh_from_db()
    assert message.status == "in_doubt"
    assert told()[2:] == ["message.in_doubt"]


@pytest.mark.parametrize(("started", "status"), [(False, "sent"), (True, "in_doubt")])
def test_a_sender_that_died_leaves_doubt_only_after_the_data(thread, started, status):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
        smtp._claim(())
        Message.objects.filter(pk=message.pk).update(
            data_started=started, claimed_until=in_seconds(-1)
        )
        smtp.send_due()
        assert len(sink.mails) == (0 if started else 1)
    message.refresh_from_db()
    assert message.status == status


def test_dots_and_long_lines_arrive_as_they_were_written(thread):
    body = ".\n..\n.x\n" + "é" * 3000 + "\nFrom here\nlast"
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        answer(asked, body=body)
        smtp.send_due()
    raw = sink.mails[0][1]
    assert len(sink.mails) == 1
    assert max(map(len, raw.split(b"\r\n"))) < 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    parsed = message_from_bytes(raw, policy=policy.default)
    assert parsed.get_content().replace("\r\n", "\n") == body + "\n"


def test_an_encoded_line_break_in_the_subject_makes_no_header(thread):
    asked = thread(subject="x")
    Thread.objects.update(subject="a Bcc: dief@y.nl")
    Message.objects.update(subject="a Bcc: dief@y.nl")
    with smtp_server() as sink:
        use(sink)
        answer(asked)
        smtp.send_due()
    assert message_from_bytes(sink.mails[0][1])["Bcc"] is None


# --- Trouble ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer_", "status"),
    [
        ("nonsense", "in_doubt"),
        ("354 go on", "in_doubt"),
        ("451 later", "queued"),
        ("554 no", "failed"),
        ("250 OK", "sent"),
    ],
)
def test_only_a_2xx_after_the_mail_means_sent(thread, answer_, status):
    asked = thread()
    with smtp_server(answer=answer_) as sink:
        use(sink)
        message = answer(asked)
        smtp.send_due()
    message.refresh_from_db()
    assert message.status == status


def test_long_ids_stay_what_they_are(thread):
    long = f"<{'a' * 200}@{'b' * 40}.nl>"
    asked = thread(message_id=long, references="<old@x> <0@x>")
    Reference.objects.filter(referenced="old@x").update(referenced="c" * 180 + "@x")
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
        smtp.send_due()
    raw = sink.mails[0][1]
    assert b"=?" not in raw.partition(b"\r\n\r\n")[0]
    sent = message_from_bytes(raw)
    assert sent["In-Reply-To"] == long
    assert sent["References"].split() == [f"<{'c' * 180}@x>", "<0@x>", long]
    chain = list(message.references.order_by("position").values_list("referenced"))
    assert [f"<{one}>" for (one,) in chain] == sent["References"].split()


def test_a_mail_without_a_message_id_is_answered_without_references(thread):
    asked = thread(message_id=None)
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
        smtp.send_due()
    sent = message_from_bytes(sink.mails[0][1])
    assert (sent["In-Reply-To"], sent["References"]) == (None, None)
    assert message.references.count() == 0


def test_an_address_with_two_dots_is_answered(thread):
    asked = thread(sender="K <k..x@docomo.ne.jp>")
    with smtp_server() as sink:
        use(sink)
        answer(asked)
        smtp.send_due()
    assert sink.mails[0][0] == ["k..x@docomo.ne.jp"]


def test_an_address_that_few_servers_take_is_refused_at_once(thread):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        with pytest.raises(RefusedError) as refused:
            answer(asked, to=["jörg@bücher.de"])
    assert refused.value.code == "invalid_recipient"


def test_a_mail_that_cannot_be_sent_holds_up_no_other(thread):
    first, second = thread(), thread(sender="b@y.nl", message_id="<b@y.nl>")
    with smtp_server() as sink:
        use(sink)
        bad, good = answer(first), answer(second)
        Recipient.objects.filter(message=bad).update(address="jörg@x.nl")
        smtp.send_due()
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, good.status) == ("failed", "sent")


def test_a_password_that_smtp_cannot_carry_keeps_the_mail(thread):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        mailbox = Mailbox.objects.get()
        mailbox.smtp |= {"username": "x", "password": "wachtwoord-é"}
        mailbox.save()
        message = answer(asked)
        tally = smtp.send_due()
    message.refresh_from_db()
    assert message.status == "queued"
    assert message.public_id in tally.troubles[0]


def test_settings_that_no_key_opens_keep_the_mail(thread):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE threads_mailbox SET smtp = 'gAAAA'")
    smtp.send_due()
    message.refresh_from_db()
    assert message.status == "queued"
    assert "ENCRYPTION_KEYS" in message.error_detail


@pytest.mark.parametrize(
    ("networks", "host"),
    [([], "169.254.169.254"), ([], "::ffff:169.254.169.254"), (["10.0.0.0/8"], None)],
)
def test_a_mail_server_where_none_may_be_is_never_connected_to(
    thread, settings, networks, host
):
    settings.MAIL_ALLOWED_NETWORKS = networks
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        if host:
            mailbox = Mailbox.objects.get()
            mailbox.smtp = {**mailbox.smtp, "host": host}
            mailbox.save()
        message = answer(asked)
        smtp.send_due()
        assert sink.mails == []
    message.refresh_from_db()
    assert message.status == "queued"
    assert "MAIL_ALLOWED_NETWORKS" in message.error_detail


def test_a_server_that_is_down_costs_one_try_a_run(thread):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
    for _ in range(3):
        answer(asked)
    assert smtp.send_due().tried == 1
    assert Message.objects.filter(status="queued", attempts=0).count() == 2


def test_a_sender_that_always_dies_waits_its_turn(thread):
    asked = thread()
    with smtp_server() as sink:
        use(sink)
        message = answer(asked)
        for _ in range(3):
            smtp._claim(())
            Message.objects.filter(pk=message.pk).update(claimed_until=in_seconds(-1))
            smtp._recover()
    message.refresh_from_db()
    assert message.status == "queued"
    assert Message.objects.filter(next_at__gt=in_seconds(300)).exists()


def test_a_reply_to_a_merged_thread_joins_the_survivor(thread, maildir, ingest):
    asked = thread()
    other = thread(message_id="<2@bedrijf.nl>")
    with smtp_server() as sink:
        use(sink)
        message = answer(other)
        maildir.deliver(
            mail(
                message_id="<3@bedrijf.nl>",
                references="<1@bedrijf.nl> <2@bedrijf.nl>",
            )
        )
        ingest()
        other.refresh_from_db()
        assert other.merged_into == asked
        later = answer(other)
        smtp.send_due()
    for one in (message, later):
        one.refresh_from_db()
        assert (one.status, one.thread) == ("sent", asked)


def test_a_server_without_a_word_on_tls_gets_no_mail_in_clear(thread):
    with smtp_server() as sink:
        use(sink)
        mailbox = Mailbox.objects.get()
        server = {k: v for k, v in mailbox.smtp.items() if k != "tls"}
        Mailbox.objects.update(smtp=server)
        assert server_of(Mailbox.objects.get())["tls"] == "starttls"
        message = answer(thread())
        smtp.send_due()
        assert sink.mails == []
        message.refresh_from_db()
        assert message.status == "queued"
        assert "STARTTLS" in message.error_detail
    # What is wrapped in TLS from the first byte needs no STARTTLS.
    wrapped = Mailbox(smtp={"host": "smtp.shop.nl", "port": 465})
    assert server_of(wrapped)["tls"] == "ssl"
