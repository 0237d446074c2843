"""Who a mail is from and to, as mail really writes it."""

import re

from hypothesis import given
from hypothesis import strategies as st

from threads.mail.mailboxes import mailboxes
from threads.mail.parse import parse


def test_names_and_addresses_as_mail_writes_them():
    for text, expected in {
        '"Jansen, Jan" <jan@x.nl>': [("Jansen, Jan", "jan@x.nl")],
        '"Jansen; Jan" <jan@x.nl>; piet@y.nl': [
            ("Jansen; Jan", "jan@x.nl"),
            ("", "piet@y.nl"),
        ],
        "jan@x.nl (Jan (de) Jansen)": [("Jan (de) Jansen", "jan@x.nl")],
        r'"Jan \"de\" J." <jan@x.nl>': [('Jan "de" J.', "jan@x.nl")],
        "Jan [Verkoop] <jan@x.nl>": [("Jan [Verkoop]", "jan@x.nl")],
        "<jan@x.nl>": [("", "jan@x.nl")],
        "Jan <@relay.nl,@b.nl:jan@x.nl>": [("Jan", "jan@x.nl")],
        "Team: jan@x.nl, Piet <piet@y.nl>;": [("", "jan@x.nl"), ("Piet", "piet@y.nl")],
        "undisclosed-recipients:;": [],
        '"jan jansen"@x.nl': [("", '"jan jansen"@x.nl')],
        "jan @ x.nl": [("", "jan@x.nl")],
        "mailto:jan@x.nl": [("", "jan@x.nl")],
        "jan@x.nl piet@y.nl": [("", "jan@x.nl"), ("", "piet@y.nl")],
        "MAILER-DAEMON (Mail System)": [("Mail System", "MAILER-DAEMON")],
        "jan@[IPv6:::1]": [("", "jan@[IPv6:::1]")],
        '"Jan <jan@x.nl>, piet@y.nl': [("Jan", "jan@x.nl"), ("", "piet@y.nl")],
        "": [],
    }.items():
        assert list(mailboxes(text)) == expected


def test_a_comma_in_an_encoded_word_separates_nobody():
    [person] = parse(b"To: =?utf-8?Q?Jansen,_Jan?= <jan@x.nl>\n\n").to
    assert (person.name, person.address) == ("Jansen, Jan", "jan@x.nl")


def test_of_two_readings_neither_is_the_sender():
    for text in (
        b"<ceo@ok.nl> <x@evil.nl>",
        b"ceo@ok.nl x@evil.nl",
        b"ceo@ok.nl)x@evil.nl",
        b"ceo@ok.nl, x@evil.nl",
        b"=?utf-8?q?ceo?=@ok.nl",
        b"Groep: ceo@ok.nl, x@evil.nl;",
        b"ceo@ok.nl\nFrom: x@evil.nl",
        b"",
    ):
        assert parse(b"From: " + text + b"\n\n").sender == ""


def test_a_name_that_looks_like_an_address_is_a_name():
    mail = parse(b'From: "ceo@ok.nl" <x@evil.nl>\n\n')
    assert mail.sender == "x@evil.nl"
    assert mail.from_[0].name == "ceo@ok.nl"


@given(st.text(alphabet='ab@<>(),;:"\\ []=?.', max_size=40))
def test_a_sender_stands_in_the_header_as_it_is(text):
    """Nobody is put together from pieces, but for blanks and comments between them."""
    sender = parse(f"From: {text}\n\n".encode()).sender
    assert sender in re.sub(r"\s|\([^()]*\)", "", text)
    assert not (sender and text.count("<") > 1 and '"' not in text and "(" not in text)
