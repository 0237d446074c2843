"""Whatever is in a mail, both databases take what we say of it."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threads.mail import limits
from threads.mail.addresses import normalise
from threads.mail.display import html_for_frame
from threads.mail.markup import framed, sanitised, text_of
from threads.mail.parse import parse

LONE_SURROGATE = "a\ud800b"


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts(one)


def assert_storable(raw):
    mail = parse(raw)
    for text in texts(asdict(mail)):
        assert "\x00" not in text
        text.encode()
    assert len(mail.sender) <= limits.ADDRESS
    assert len(mail.subject) <= limits.SUBJECT
    for person in (*mail.from_, *mail.to, *mail.cc, *mail.reply_to):
        assert len(person.address) <= limits.ADDRESS
        assert len(person.name) <= limits.NAME
    for found in mail.attachments:
        assert len(found.filename) <= limits.FILENAME
        assert len(found.content_type) <= limits.CONTENT_TYPE
        assert len(found.content_id) <= limits.CONTENT_ID
    return mail


def test_an_address_is_measured_in_the_form_that_is_stored():
    """80 labels of one letter each are 7 times as long in IDNA."""
    domain = ".".join(["é"] * 80) + ".nl"
    assert len(domain) < limits.ADDRESS
    assert normalise(f"jan@{domain}") == ""
    assert_storable(f"From: jan@{domain}\n\nx".encode())


def test_a_charset_that_is_a_trap_is_none():
    for charset in (
        b"charset*=utf-8''%00x",
        b"charset*=utf-7''+2AA-",
        b'charset="a\x00b"',
        b"charset=utf-7",
        b"charset=utf-16",
        b"charset=rot13",
        b"charset=idna",
        b"charset=undefined",
        b"charset=unicode_escape",
    ):
        for kind in (b"text/plain", b"text/html"):
            head = b"Content-Type: %s; %s\n\n" % (kind, charset)
            for body in (
                b"+2AA-",
                b"+2D3cAA-",
                b"\x00\xd8",
                b"caf\xe9\x00",
                b"\\ud800",
            ):
                assert_storable(head + body)


def test_utf7_is_shown_as_text():
    raw = (
        b"Content-Type: text/html; charset=utf-7\n\n+ADw-script+AD4-x+ADw-/script+AD4-y"
    )
    assert assert_storable(raw).body_html == "y"


@pytest.mark.parametrize("label", [b"utf-8''%00x", b"utf-7''+2AA-", b"utf-8''%0Ax"])
def test_a_charset_that_is_told_of_holds_no_nul_and_no_surrogate(label):
    raw = b"Subject: s\nContent-Type: text/plain; charset*=" + label + b"\n\nx\xe9\n"
    (defect,) = parse(raw).defects
    assert defect.startswith("charset: not really")
    assert defect.isprintable()
    defect.encode()


@pytest.mark.parametrize("kind", [b"text/html", b"text/plain"])
def test_a_lone_surrogate_in_a_body_costs_only_itself(kind):
    raw = b"Content-Type: " + kind + b"; charset=utf-7\n\nHallo +2AA- Jan\n"
    mail = parse(raw)
    for text in (mail.body_text, mail.body_html, html_for_frame(raw, pictures=False)):
        text.encode()
    assert mail.body_text.startswith("Hallo ")
    assert mail.body_text.strip().endswith(" Jan")


def test_html_of_any_text_is_made_fit():
    for made in (
        sanitised(LONE_SURROGATE),
        framed(LONE_SURROGATE, inline={}, pictures=False),
        text_of(LONE_SURROGATE),
    ):
        assert made.startswith("a")
        made.encode()


NAMES = st.sampled_from(
    [b"From", b"To", b"Subject", b"Message-ID", b"Date", b"References", b"Content-ID",
     b"Content-Type", b"Content-Disposition", b"Content-Transfer-Encoding"]
)  # fmt: skip
VALUES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"=?utf-7?q?+2AA-?=", b"=?utf-8?b?AAAA?=", b"=?utf-16?b?ANg=?= <a@b>",
         b"a@\xc3\xa9\x00.nl", b"text/html; charset=utf-7", b"x/y; name*=utf-7''+2AA-",
         b"attachment; filename*0*=utf-8''%00%ed%a0%80; filename*1=\"\x00\"", b"base64"]
    ),
)  # fmt: skip


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.binary(max_size=60))
def test_everything_is_storable(fields, body):
    head = b"".join(name + b": " + value + b"\n" for name, value in fields)
    assert_storable(head + b"\n" + body)
