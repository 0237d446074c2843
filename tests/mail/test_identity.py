"""The same mail keeps its key on every way; another mail never has it."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from threads.mail.identity import dedupe_key
from threads.mail.parse import parse

MAIL = (
    b"Message-ID: <1@b.nl>\nFrom: Jan <a@b.nl>\nTo: support@shop.nl\n"
    b"Subject: een vrij lange regel over de factuur\n\nHallo\n\nDag\n"
)
LONE_CR = (
    b"Received: from x\rFrom: a@b.nl\rSubject: s%d\rMessage-ID: <%d@x>\r\rbody %d\r"
)
CR_CRLF = (
    b"Received: from x\r\r\nFrom: a@b.nl\r\r\nSubject: s\r\r\n\r\r\ndisk %d full\r\r\n"
)
NO_BLANK = b"From: cron@b.nl\nTo: root@b.nl\nSubject: alarm\nDisk %d is full\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LONE_CR % (1, 1, 1), LONE_CR % (2, 2, 2)),
        (LONE_CR % (1, 1, 1), LONE_CR % (1, 1, 2)),
        (LONE_CR % (1, 1, 1), LONE_CR % (1, 2, 1)),
        (CR_CRLF % 1, CR_CRLF % 2),
        (NO_BLANK % 1, NO_BLANK % 2),
        (b"Subject: a\nSubject: b\n\nx", b"Subject: b\nSubject: a\n\nx"),
        (b" Subject: a\nTo: b\n\nx", b"Subject: a\nTo: b\n\nx"),
        (b"Subject: a\nFrom 1\n\nx", b"Subject: a\nFrom 2\n\nx"),
        (b"From x\rSubject: a\r\rx", b"From x\rSubject: b\r\rx"),
        (b"a\r\rb", b"a\r\rc"),
        (b"no header b", b"no header c"),
        (b"Subject: s\nHallo a\nX: y\n", b"Subject: s\nHallo b\nX: y\n"),
    ],
)
def test_different_mails_have_different_keys(one, other):
    assert dedupe_key(one) != dedupe_key(other)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\r\r\n", b"\n\r"])
def test_header_and_body_count_whatever_the_line_ends_are(end):
    one = MAIL.replace(b"\n", end)
    assert dedupe_key(one) != dedupe_key(one.replace(b"Dag", b"Doei"))
    assert dedupe_key(one) != dedupe_key(one.replace(b"lange", b"korte"))


@pytest.mark.parametrize(
    "travelled",
    [
        b"Received: from x by y\nX-Spam: no\n" + MAIL,
        b"Received: from x\n\tby y;\n Wed\n" + MAIL,
        b"Authentication-Results: mx; dmarc=pass\nARC-Seal: i=1\n" + MAIL,
        MAIL.replace(b"\n", b"\r\n"),
        MAIL.replace(b"\n", b"\r\r\n"),
        b"\xef\xbb\xbf" + MAIL,
        MAIL.replace(b"regel over", b"regel\n over"),
        MAIL.replace(b"regel over", b"regel\r\n\tover"),
        MAIL.replace(b"Subject:", b"SUBJECT:  "),
        b"From a@b.nl Wed Feb 25 10:30:00 2026\n" + MAIL,
        b"\n\r\n>From a@b.nl Wed Feb 25 10:30:00 2026\r\n" + MAIL,
        MAIL + b"\n\n",
    ],
)
def test_the_same_mail_keeps_its_key_and_reads_the_same(travelled):
    assert dedupe_key(travelled) == dedupe_key(MAIL)
    assert understood(travelled) == understood(MAIL)


WORDS = st.sampled_from(
    [
        b"Received: x", b"Subject: s", b"Subject: t", b"From: a@b.nl", b"From: c@d.nl",
        b"Message-ID: <1@x>", b"Message-ID: <2@x>", b"Date: 1 Jan 2020 10:00 +0000",
        b"Date: 2 Jan 2020 10:00 +0000", b"Subject", b"Subject : u", b"From x",
        b">From x", b"From : e@f.nl", b":", b" v", b"\tw", b" Subject: y", b"", b"z",
        b"Content-Type: text/html", b"Content-Type: text/plain; format=flowed",
        b"Content-Transfer-Encoding: quoted-printable", b"=41=", b"<b>q</b> ",
        b"Content-Type: multipart/mixed; boundary=b", b"--b", b"--b--",
        b"caf\xc3\xa9: x", b"caf\xe9", b"\xef\xbb\xbf",
    ]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r", b"\r\r\n", b"\n\n", b""])
MAILS = st.lists(st.tuples(WORDS, ENDS), max_size=12).map(
    lambda lines: b"".join(word + end for word, end in lines)
)


def understood(raw):
    mail = parse(raw)
    return (mail.message_id, mail.from_, mail.subject, mail.date, mail.body_text)


def altered(raw, place, end):
    """A near twin: most mails that are mistaken for each other differ a little."""
    place %= len(raw) + 1
    return raw[:place] + end + raw[place + 1 :]


def test_lines_that_look_like_headers_count_when_there_is_nothing_else():
    one = b"Alarm: sensor 3 heeft gefaald, bel direct\n"
    other = b"Klacht: mijn bestelling is kwijt\nX-Iets: anders\n"
    assert dedupe_key(b"Received: from a\n" + one) != dedupe_key(other)
    assert dedupe_key(b"Received: from a\n" + one) == dedupe_key(one + b"\n\n")
    # Of what has a name or a body, hops may have added them.
    for rest in (b"Message-ID: <1@x>\n", b"\nHallo.\n"):
        assert dedupe_key(one + rest) == dedupe_key(other + rest)


@settings(max_examples=1500, deadline=None)
@given(
    MAILS,
    MAILS,
    st.integers(0, 500),
    st.one_of(ENDS, WORDS, st.binary(min_size=1, max_size=1)),
)
@example(LONE_CR % (1, 1, 1), LONE_CR % (2, 2, 2), 0, b"R")
@example(b"Content-Type: text/html\n\nz", b"", 13, b"\x0b")
def test_mails_that_read_differently_never_share_a_key(one, other, place, piece):
    for a, b in [(one, other), (one, altered(one, place, piece))]:
        if dedupe_key(a) == dedupe_key(b):
            assert understood(a) == understood(b)
