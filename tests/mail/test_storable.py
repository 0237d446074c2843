"""Whatever a mail says can be stored, also where its words are bytes in disguise."""

import pytest

from threads.mail.display import html_for_frame
from threads.mail.markup import framed, sanitised, text_of
from threads.mail.parse import parse

LONE_SURROGATE = "a\ud800b"


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
