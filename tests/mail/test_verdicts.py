"""Delivery reports, recipient by recipient."""

from threads.mail.parse import parse

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
                    "action": "delivered",
                    "status": "2.0.0",
                    "detail": "",
                },
                {
                    "address": "Twee@x.nl",
                    "action": "failed",
                    "status": "5.1.1",
                    "detail": "550 5.1.1 <twee@x.nl>: User unknown",
                },
                {
                    "address": "drie@x.nl",
                    "action": "delayed",
                    "status": "4.4.1",
                    "detail": "",
                },
            ],
        }


def test_a_report_of_success_or_delay_is_no_bounce():
    assert parse(REPORT.replace(b"Action: failed", b"Action: relayed")).bounce is None


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
