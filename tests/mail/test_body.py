"""The right text of the right parts."""

from tests.mail.test_mime import multipart
from threads.mail.body import unflowed
from threads.mail.markup import text_of
from threads.mail.parse import parse

PLAIN = b"Content-Type: text/plain\n\n"
HTML = b"Content-Type: text/html\n\n"
PDF = b"Content-Type: application/pdf; name=a.pdf\n\nx"


def test_all_of_the_richest_branch_is_read():
    """Apple Mail: HTML before and after an attachment, beside one plain text."""
    rich = multipart(HTML + b"<p>een</p>", PDF, HTML + b"<p>twee</p>", boundary=b"i")
    mail = parse(multipart(PLAIN + b"een twee", rich, kind=b"alternative"))
    assert mail.body_text == "een twee"
    assert mail.body_html == "<p>een</p>\n<p>twee</p>"
    assert [a.filename for a in mail.attachments] == ["a.pdf"]


def test_the_same_once_more_for_other_programs_is_no_attachment():
    amp = b"Content-Type: text/x-amp-html\n\n<html amp4email>"
    calendar = b"Content-Type: text/calendar\n\nBEGIN:VCALENDAR"
    raw = multipart(
        PLAIN + b"hallo", amp, calendar, HTML + b"hallo", kind=b"alternative"
    )
    assert [a.content_type for a in parse(raw).attachments] == ["text/calendar"]


def test_named_text_is_read_where_there_is_no_other():
    named = b"Content-Type: text/plain\nContent-Disposition: inline; filename=a.txt\n\n"
    mail = parse(multipart(named + b"hallo"))
    assert mail.body_text == "hallo"
    assert [a.filename for a in mail.attachments] == ["a.txt"]
    assert parse(multipart(PLAIN + b"dag", named + b"hallo")).body_text == "dag"


def test_plain_text_beside_html_keeps_its_lines():
    mail = parse(multipart(HTML + b"<p>een</p>", PLAIN + b"twee\ndrie & vier"))
    assert mail.body_html == "<p>een</p>\n<p>twee<br>drie &amp; vier</p>"
    assert mail.body_text == "een\ntwee\ndrie & vier"


def test_quotes_of_html_are_quoted():
    mail = parse(
        HTML + b"<div>Ja.</div><div>Op wo 25 feb 2026 om 10:30 schreef Jan &lt;jan@x.nl"
        b"&gt;:</div><blockquote>Kan dat?<blockquote>Toe</blockquote></blockquote>"
    )
    assert mail.body_text.endswith(":\n> Kan dat?\n>> Toe")
    [[start, end]] = mail.spans["reply"]
    assert mail.body_text[start:end].strip() == "Ja."


def test_links_are_told_once():
    assert text_of('<a href="https://x.nl">https://x.nl</a>') == "https://x.nl"
    assert text_of('<a href="https://x.nl">hier</a>') == "hier (https://x.nl)"


def test_a_type_without_semicolons_is_understood():
    mail = parse(b"Content-Type: text/html charset=iso-8859-1\n\n<b>caf\xe9</b>")
    assert mail.body_text == "café"


def test_a_charset_with_a_comment_is_understood():
    mail = parse(b"Content-Type: text/plain; charset=iso-8859-15 (Latin9)\n\n\xa4")
    assert mail.body_text == "€"


def test_flowed_text_is_one_paragraph_however_long():
    assert unflowed("a \n" * 3 + "b\n> c \n> d\n>> e") == "a a a b\n> c d\n>> e"
    assert unflowed("a \nb \n", delete_space=True) == "ab"
