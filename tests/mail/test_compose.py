"""What we send says what was asked, and nothing that a stranger hid in it."""

from base64 import b64encode
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threads.mail.compose import Outgoing, compose
from threads.mail.parse import parse
from threads.mail.parsed import Address

NOW = datetime(2026, 2, 25, 10, 30, tzinfo=UTC)


def outgoing(name="Klant", subject="Re: Vraag", text="Dank.\n"):
    return Outgoing(
        from_=Address("support@shop.nl", "Support"),
        to=[Address("klant@bedrijf.nl", name)],
        cc=[Address("collega@bedrijf.nl", name)],
        subject=subject,
        body_text=text,
        message_id="mb.1@shop.nl",
        in_reply_to="1@bedrijf.nl",
        references=["0@bedrijf.nl", "1@bedrijf.nl"],
        date=NOW,
    )


NAMES = [
    "Message-ID",
    "In-Reply-To",
    "References",
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
]


def encoded(text):
    return f"=?utf-8?b?{b64encode(text.encode()).decode()}?="


HOSTILE = [
    "x\r\nBcc: v@x.nl",
    encoded("x\r\nReply-To: evil@x.nl\r\nBcc: v@x.nl\r\n\r\nPHISH"),
    encoded(encoded("x\r\nBcc: v@x.nl")),
    "=?utf-8?q?a=2C_evil=40x=2Enl?=",
    "=?utf-8?q?=0D=0ABcc=3A_v=40x=2Enl?=",
    'a" <evil@x.nl>, "b',
    "a, evil@x.nl",
    "(comment) <evil@x.nl>",
    "x" * 300,
    "=?" * 100,
    "é" * 200,
    "\x00\x1b[31m",
]


def held(mail):
    raw = compose(mail)
    assert raw.isascii()
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    read = message_from_bytes(raw, policy=policy.default)
    assert read.keys() == NAMES
    for header, address in (("To", "klant"), ("Cc", "collega")):
        found = [one.addr_spec for one in read[header].addresses]
        assert found == [f"{address}@bedrijf.nl"]
    assert head
    assert body
    # Twice decoded by a careless reader, it still is one header.
    again = message_from_bytes(head + b"\r\n\r\n", policy=policy.compat32)
    assert again.keys() == NAMES
    return raw


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_or_subject_adds_no_header_and_no_recipient(text):
    held(outgoing(name=text))
    held(outgoing(subject=text))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_any_name_and_subject_stay_what_they_are(name, subject):
    parsed = parse(held(outgoing(name=name, subject=subject)))
    assert [person.address for person in parsed.to] == ["klant@bedrijf.nl"]


@pytest.mark.parametrize(
    "text",
    ["Vraag over café", "Jansen, Jan", 'Jan "de" Jong', "Björn Çelik 🎉", "a" * 200],
)
def test_what_people_write_arrives_as_they_wrote_it(text):
    parsed = parse(compose(outgoing(name=text, subject=text)))
    assert parsed.subject == text
    assert [person.name for person in parsed.to] == [text]


def test_an_address_that_cannot_be_written_to_is_refused():
    mail = outgoing()
    for address in ("", "no address", "jürgen@x.nl", "a@b\r\nBcc: c@d"):
        with pytest.raises(ValueError, match="written to"):
            compose(Outgoing(**{**_fields(mail), "to": [Address(address)]}))


def _fields(mail):
    return {name: getattr(mail, name) for name in mail.__slots__}
