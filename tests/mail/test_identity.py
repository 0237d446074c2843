"""The dedupe key: the same mail by another way is one, another mail never is."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from threads.mail.identity import dedupe_key
from threads.mail.parse import parse

MAIL = b"""\
Message-ID: <a@x.nl>
From: Jan <jan@x.nl>
Subject: een lange
 regel
Date: Tue, 25 Feb 2026 10:30:00 +0000

Hallo,

dag
"""
HOPS = b"""\
Return-Path: <jan@x.nl>
Delivered-To: support@shop.nl
Received: from a by b;
 Tue, 25 Feb 2026 10:30:00 +0000
Authentication-Results: mx; dmarc=pass
X-Spam-Score: 0
ARC-Seal: i=1
"""


def understood(raw):
    mail = parse(raw)
    return (mail.message_id, mail.from_, mail.subject, mail.date, mail.body_text)


def test_hops_line_ends_and_folds_do_not_make_another_mail():
    key = dedupe_key(MAIL)
    folded = MAIL.replace(b"een lange\n regel", b"een\n\tlange\n  regel")
    for other in (
        HOPS + MAIL,
        MAIL.replace(b"\n", b"\r\n"),
        MAIL.replace(b"\n", b"\r\r\n"),
        folded,
        b"From jan@x.nl Mon Jan  1 00:00:00 2026\n" + MAIL,
        b"\r\n" + MAIL,
        MAIL + b"\n\n",
        MAIL.replace(b"Subject: ", b"SUBJECT:   "),
    ):
        assert dedupe_key(other) == key
        assert understood(other) == understood(MAIL)


def test_bodies_count_whatever_the_line_ends_are():
    for end in (b"\n", b"\r\n", b"\r", b"\r\r\n", b"\n\r"):
        one = MAIL.replace(b"\n", end)
        assert dedupe_key(one) != dedupe_key(one.replace(b"dag", b"nacht"))
        assert dedupe_key(one) != dedupe_key(one.replace(b"lange", b"korte"))


def test_a_body_without_an_empty_line_before_it_counts():
    one, other = (b"Subject: s\nHallo %s\nX: y\n" % name for name in (b"a", b"b"))
    assert dedupe_key(one) != dedupe_key(other)


def test_which_of_two_subjects_comes_first_counts():
    one, other = b"Subject: a\nSubject: b\n\n", b"Subject: b\nSubject: a\n\n"
    assert parse(one).subject != parse(other).subject
    assert dedupe_key(one) != dedupe_key(other)


PIECES = st.sampled_from(
    [b"Subject: a", b"Subject:  b", b"subject : c", b"From: jan@x.nl", b"From x",
     b">From y", b"Date: Tue, 25 Feb 2026 10:30:00 +0000", b"Message-ID: <a@b>",
     b" folded", b"\t", b"text", b"text ", b"", b":", b"Received: x", b"--b", b"--b--",
     b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: text/html",
     b"Content-Type: text/plain; format=flowed", b"\xef\xbb\xbf", b"caf\xe9", b"=C3=A9",
     b"Content-Transfer-Encoding: quoted-printable", b"a=", b"<p>x"]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r", b"\r\r\n", b" \n"])


@st.composite
def mails(draw):
    end = draw(ENDS)
    lines = draw(st.lists(PIECES, max_size=8))
    return end.join(lines) + draw(st.sampled_from([b"", end, b"\n\n"]))


@st.composite
def similar(draw):
    """A mail and one that differs by little: where two are most easily confused."""
    one = draw(mails())
    at = draw(st.integers(0, len(one)))
    inserted = draw(
        st.sampled_from([b"", b"\n", b"\r", b" ", b"x", b"\n\n", b"\nX: y\n"])
    )
    removed = draw(st.integers(0, 2))
    return one, one[:at] + inserted + one[at + removed :]


@given(similar())
@example((b"a\r\rb", b"a\r\rc"))
@example((b"Subject: a\r\r\n\r\r\nb", b"Subject: a\r\r\n\r\r\nc"))
@example((b"no header b", b"no header c"))
def test_what_is_read_differently_never_shares_a_key(pair):
    one, other = pair
    if understood(one) != understood(other):
        assert dedupe_key(one) != dedupe_key(other)


@given(st.lists(mails(), min_size=2, max_size=4))
def test_no_two_different_mails_share_a_key(many):
    for one, other in pairwise(many):
        if understood(one) != understood(other):
            assert dedupe_key(one) != dedupe_key(other)
