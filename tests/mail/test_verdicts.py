"""Delivery reports, recipient by recipient."""

from time import process_time

from threads.mail import oddities
from threads.mail.parse import parse
from threads.mail.wire import packed, unpacked

REPORT = b"""\
From: MAILER-DAEMON@mx.shop.nl
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.shop.nl
Arrival-Date: Tue, 25 Feb 2026 10:30:00 +0000

Final-Recipient: rfc822; een@x.nl
Action: delivered
Status: 2.0.0

Original-Recipient: rfc822;twee@x.nl
Final-Recipient: rfc822; Twee@x.nl
Action: failed
Status: 5.1.1 (bad destination)
Diagnostic-Code: smtp; 550 5.1.1 <twee@x.nl>:
    User unknown

Final-Recipient: rfc822; drie@x.nl
Action: Delayed
Status: 4.4.1
--b
Content-Type: message/rfc822

Received: from a by b
Message-ID: <ours@shop.nl>
Subject: Re: vraag

body
--b--
"""


def test_every_recipient_is_told():
    for raw in (
        REPORT,
        REPORT.replace(b"\n", b"\r\n"),
        REPORT.replace(b"\n", b"\r"),
        REPORT.replace(b"message/delivery", b"message/global-delivery"),
        REPORT.replace(b"rfc822; Twee@x.nl", b"rfc822;<Twee@x.nl>"),
        REPORT.replace(b"Action: failed", b"Action: Failed (no such user)"),
    ):
        assert parse(raw).bounce == {
            "message_id": "ours@shop.nl",
            "recipient": "Twee@x.nl",
            "action": "failed",
            "status": "5.1.1",
            "recipients": [
                {
                    "address": "een@x.nl",
                    "original": "",
                    "action": "delivered",
                    "status": "2.0.0",
                    "detail": "",
                },
                {
                    "address": "Twee@x.nl",
                    "original": "twee@x.nl",
                    "action": "failed",
                    "status": "5.1.1",
                    "detail": "550 5.1.1 <twee@x.nl>: User unknown",
                },
                {
                    "address": "drie@x.nl",
                    "original": "",
                    "action": "delayed",
                    "status": "4.4.1",
                    "detail": "",
                },
            ],
        }


def test_a_report_of_success_or_delay_is_no_bounce():
    assert parse(REPORT.replace(b"Action: failed", b"Action: relayed")).bounce is None


STATUS = REPORT.partition(b"Content-Type: message/delivery-status\n\n")[2]
BARE = (
    b"From: MAILER-DAEMON@mx.shop.nl\nContent-Type: message/delivery-status\n\n"
    + STATUS.partition(b"--b")[0]
)


def test_a_status_without_a_report_around_it_is_a_report():
    """Some servers send nothing else; it may come from anybody's address."""
    for raw in (BARE, BARE.replace(b"MAILER-DAEMON", b"bounces-7")):
        mail = parse(raw)
        assert mail.reasons == (("auto", "Content-Type: message/delivery-status"),)
        assert mail.bounce["recipient"] == "Twee@x.nl"
        assert len(mail.bounce["recipients"]) == 3
        # Somebody may want to read it, and there is nothing else.
        assert "Final-Recipient: rfc822; een@x.nl" in mail.body_text
    assert parse(BARE.replace(b"Action: failed", b"Action: delayed")).bounce is None


def test_a_report_of_reading_is_no_bounce():
    kind = b"report-type=disposition-notification"
    raw = REPORT.replace(b"report-type=delivery-status", kind)
    assert parse(raw).bounce is None


def test_headers_alone_name_the_mail_too():
    raw = REPORT.replace(b"message/rfc822", b"text/rfc822-headers")
    assert parse(raw).bounce["message_id"] == "ours@shop.nl"


def test_a_report_without_a_status_is_a_bounce_of_which_nothing_is_known():
    raw = REPORT.replace(b"message/delivery-status", b"text/plain")
    assert parse(raw).bounce == {
        "message_id": "ours@shop.nl",
        "recipients": [],
        "recipient": "",
        "action": "",
        "status": "",
    }


# --- Servers that write no report -------------------------------------------------

QMAIL = b"""\
Return-Path: <>
From: MAILER-DAEMON@mx.nl
Subject: failure notice

Hi. This is the qmail-send program at mx.nl.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<een@x.nl>:
Sorry, no mailbox here by that name. (#5.1.1)

<twee@y.nl>:
10.0.0.1 does not like recipient.
Remote host said: 550 5.7.1 Refused.

--- Below this line is a copy of the message.

Return-Path: <support@shop.nl>
Message-ID: <ours@shop.nl>
To: een@x.nl

derde@z.nl:
"""
EXIM = b"""\
Return-path: <>
From: Mail Delivery System <Mailer-Daemon@mx.nl>
X-Failed-Recipients: een@x.nl
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  een@x.nl
    SMTP error from remote mail server after RCPT TO:<een@x.nl>:
    550 5.1.1 User unknown

------ This is a copy of the message, including all the headers. ------

Message-ID: <ours@shop.nl>
"""
EXCHANGE = b"""\
From: System Administrator <postmaster@corp.nl>
Subject: Undeliverable: Re: Vraag

Your message did not reach some or all of the intended recipients.

      Subject:  Re: Vraag
      Sent:     25-2-2026 10:30

The following recipient(s) could not be reached:

      een@x.nl on 25-2-2026 10:31
            The e-mail account does not exist at the organization.
            <corp.nl #5.1.1>
"""
SENDMAIL = b"""\
From: Mail Delivery Subsystem <MAILER-DAEMON@mx.nl>
Subject: Returned mail: see transcript for details

   ----- The following addresses had permanent fatal errors -----
<een@x.nl>
    (reason: 550 5.1.1 <een@x.nl>... User unknown)

   ----- Transcript of session follows -----
... while talking to mx.x.nl.:
"""
GMX = b"""\
From: "GMX Mailer Daemon" <mailer-daemon@gmx.net>
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of
its recipients. This is a permanent error. The following address
failed:

een@x.nl:
SMTP error from remote server for RCPT TO command, host: mx.x.nl
reason: 550 5.1.1 unknown user

--- The header of the original message is following. ---

Message-ID: <ours@shop.nl>
"""


def test_older_servers_are_understood():
    for raw, about in (
        (QMAIL, "ours@shop.nl"),
        (EXIM, "ours@shop.nl"),
        (EXCHANGE, ""),
        (SENDMAIL, ""),
        (GMX, "ours@shop.nl"),
    ):
        for sent in (raw, raw.replace(b"\n", b"\r\n")):
            found = parse(sent).bounce
            assert found["message_id"] == about
            assert parse(sent).auto
            assert found["recipients"][0]["address"] == "een@x.nl"
            assert found["recipients"][0]["action"] == "failed"
            assert found["status"] == "5.1.1", sent
    assert [one["address"] for one in parse(QMAIL).bounce["recipients"]] == [
        "een@x.nl",
        "twee@y.nl",
    ]
    assert "550 5.7.1 Refused" in parse(QMAIL).bounce["recipients"][1]["detail"]


def test_a_server_that_still_tries_has_not_failed():
    raw = EXIM.replace(b"X-Failed-Recipients: een@x.nl\n", b"").replace(
        b"This is a permanent error.", b"It has been delayed and will be retried."
    )
    assert parse(raw).bounce is None
    assert parse(raw).auto


def test_a_server_that_tries_again_for_hours_names_nobody_who_failed():
    """Gmail puts the header of failures on its delays."""
    delayed = EXIM.replace(
        b"This is a permanent error.", b"Gmail will retry for 47 more hours."
    )
    assert parse(delayed).bounce is None
    subject = EXIM.replace(b"Subject: ", b"Subject: Delivery Status (Delay) ")
    assert (parse(subject).bounce, parse(subject).auto) == (None, True)


def test_a_sentence_may_go_on_in_the_next_line():
    raw = b"""\
Return-Path: <>
From: MAILER-DAEMON (Mail Delivery System)

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients.

<een@x.nl>: host mx.x.nl said: 550 5.1.1 User unknown
    (in reply to RCPT TO command)
"""
    assert parse(raw).bounce["recipients"] == [
        {
            "address": "een@x.nl",
            "original": "",
            "action": "failed",
            "status": "5.1.1",
            "detail": "host mx.x.nl said: 550 5.1.1 User unknown"
            " (in reply to RCPT TO command)",
        }
    ]


LISTSERV = b"""From: "LSMTP for Windows NT v1.1b" <postmaster@mail.x.nl>
To: support@shop.nl
Subject: Undelivered mail

An error was found while the enclosed message was processed.

--> Error description:
Error-for:  klant@x.nl
Error-Code: 0
Error-Text: "554 Message looping (received 6 times)"

Error-End:  One error reported.

------------------------------ Original message ------------------------------

Message-ID: <ours@shop.nl>
"""


def test_the_words_of_a_single_product_are_known_too():
    found = parse(LISTSERV).bounce
    assert (found["recipient"], found["message_id"]) == ("klant@x.nl", "ours@shop.nl")
    aol = (
        b"From: Mail Delivery Subsystem <MAILER-DAEMON@AOL.com>\n\n"
        b"Your mail to the following recipients could not be delivered because"
        b" they are not accepting mail from support@shop.nl:\n\tklant\n"
    )
    assert parse(aol).bounce["recipient"] == "klant@aol.com"
    by_hand = LISTSERV.replace(b"LSMTP for Windows NT v1.1b", b"Jan")
    assert parse(by_hand.replace(b"postmaster", b"jan")).bounce is None


def test_a_status_in_another_word_is_a_failure_all_the_same():
    for word in (b"failure", b"error"):
        raw = REPORT.replace(b"Action: failed", b"Action: " + word)
        assert parse(raw).bounce["action"] == "failed"


def test_what_only_one_product_says_is_looked_for_in_little_time():
    head = b"From: MAILER-DAEMON@x.nl\n\n"
    for unit in (b"User's mailbox is full: <", b" \n", b"--b\n\n", b"<a@x.nl>\n"):
        begun = process_time()
        oddities.recipients(head + unit * 40_000)
        assert process_time() - begun < 5


def test_a_person_who_writes_of_a_bounce_sends_none():
    raw = SENDMAIL.replace(b"Mail Delivery Subsystem <MAILER-DAEMON", b"Jan <jan")
    mail = parse(raw)
    assert (mail.bounce, mail.auto, mail.reasons) == (None, False, ())


# --- Automatic answers --------------------------------------------------------------


def verdict(header, body=b"x"):
    mail = parse(b"From: jan@x.nl\n" + header + b"\n\n" + body)
    return mail.auto, mail.bulk, dict(mail.reasons)


def test_a_verdict_names_the_header_that_spoke():
    assert verdict(b"Auto-Submitted: Auto-Replied; x=y") == (
        True,
        False,
        {"auto": "Auto-Submitted: Auto-Replied; x=y"},
    )
    assert verdict(b"Return-Path: <>")[2] == {"auto": "Return-Path: <>"}
    assert verdict(b"Precedence: bulk\nX-Autoreply: yes") == (
        True,
        True,
        {"auto": "X-Autoreply: yes", "bulk": "Precedence: bulk"},
    )
    assert verdict(b"List-Id: <a.b>")[2] == {"bulk": "List-Id: <a.b>"}


def test_auto_submitted_no_is_a_person():
    assert verdict(b"Auto-Submitted: no") == (False, False, {})
    assert verdict(b"Return-Path: <jan@x.nl>") == (False, False, {})


def test_outlook_answers_by_itself_and_nobody_is_taken_for_it():
    answer = b"Subject: Automatisch antwoord: Vraag\nIn-Reply-To: <a@b>"
    assert verdict(answer)[2] == {"auto": "Subject: Automatisch antwoord: Vraag"}
    away = b"Subject: Afwezig: Re: Vraag\nReferences: <a@b>"
    assert verdict(away)[2] == {"auto": "Subject: Afwezig: Re: Vraag"}
    assert not verdict(b"Subject: Afwezig: morgen")[0]
    assert not verdict(b"Subject: Automatisch antwoord: hoe stel ik dat in?")[0]
    assert not verdict(b"Subject: Re: Automatic reply: x\nIn-Reply-To: <a@b>")[0]


def test_the_exchange_absence_that_looks_like_a_bounce_is_an_answer():
    raw = REPORT.replace(b"message/delivery-status", b"text/plain").replace(
        b"Subject: Undelivered", b"Subject: Automatic reply: Re: vraag"
    )
    mail = parse(raw)
    assert (mail.auto, mail.bounce) == (True, None)


# --- Complaints -----------------------------------------------------------------------

ARF = (
    REPORT.replace(b"report-type=delivery-status", b"report-type=feedback-report")
    .replace(b"message/delivery-status", b"message/feedback-report")
    .replace(
        b"Reporting-MTA: dns; mx.shop.nl",
        b"Feedback-Type: abuse\nUser-Agent: Some/1.0\n"
        b"Original-Rcpt-To: <klant@x.nl>\nVersion: 1",
    )
)


def test_a_complaint_names_the_mail_and_who_did_not_want_it():
    mail = parse(ARF)
    assert mail.bounce is None
    assert mail.auto
    assert mail.complaint == {
        "message_id": "ours@shop.nl",
        "type": "abuse",
        "recipient": "klant@x.nl",
        "agent": "Some/1.0",
    }


def test_praise_and_failed_authentication_are_no_complaint():
    for kind in (b"not-spam", b"auth-failure"):
        raw = ARF.replace(b"Feedback-Type: abuse", b"Feedback-Type: " + kind)
        assert parse(raw).complaint is None


def test_a_verdict_survives_the_way_from_the_parser():
    for raw in (REPORT, QMAIL, ARF):
        assert unpacked(packed(parse(raw))) == parse(raw)
