"""The right text of the right parts."""

import base64

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


def test_inline_texts_are_read_in_order():
    mail = parse(multipart(PLAIN + b"een", PDF, PLAIN + b"twee", PLAIN + b"drie"))
    assert mail.body_text == "een\ntwee\ndrie"


def test_a_signed_mail_reads_as_what_was_signed():
    inner = multipart(
        PLAIN + b"hallo", HTML + b"<p>hallo</p>", kind=b"alternative", boundary=b"i"
    )
    signature = b"Content-Type: application/pkcs7-signature; name=smime.p7s\n\nx"
    mail = parse(multipart(inner, signature, kind=b"signed"))
    assert (mail.body_text, mail.body_html) == ("hallo", "<p>hallo</p>")
    assert [a.filename for a in mail.attachments] == ["smime.p7s"]


def test_a_report_reads_as_what_it_says_to_people():
    status = b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n"
    enclosed = b"Content-Type: message/rfc822\n\nSubject: s\n\nbinnen\n"
    mail = parse(multipart(PLAIN + b"Mislukt.", status, enclosed, kind=b"report"))
    assert mail.body_text == "Mislukt."
    assert len(mail.attachments) == 2


def test_damaged_transfer_encodings_lose_the_least():
    def body(encoding, content):
        head = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
        return parse(head + encoding + b"\n\n" + content).body_text

    # Blanks after a soft line break, no digits, a break at the end.
    damaged = b"caf=C3=A9 en= \t\r\n =ZZ thee="
    assert body(b"quoted-printable", damaged) == "café en =ZZ thee"
    assert body(b"base64", b"Y2Fmw6kgZW4g\r\n!dGhlZQ") == "café en thee"
    assert body(b"base64", b"Nooit gecodeerd, zo te zien.") == (
        "Nooit gecodeerd, zo te zien."
    )


def test_flowed_quotes_and_stuffed_lines_are_undone():
    flowed = b"Content-Type: text/plain; format=flowed; delsp=yes\n\n"
    raw = flowed + b"> een lan \n> ge regel\n From hier \nverder\n"
    assert parse(raw).body_text == "> een lange regel\nFrom hierverder"


def test_html_may_declare_its_charset_itself():
    html = "<meta http-equiv=x content='text/html; charset=koi8-r'>Привет".encode(
        "koi8-r"
    )
    assert parse(HTML + html).body_text == "Привет"
    assert parse(HTML + "<meta charset=koi8-r>Één".encode()).body_text == "Één"


def test_what_a_list_writes_below_base64_is_read_as_it_came():
    head = b"Content-Type: text/plain; charset=utf-8\n"
    head += b"Content-Transfer-Encoding: base64\n\n"
    for rule in (b"-- ", b"_" * 47):
        mail = parse(head + b"SGFsbG8gd2VyZWxk\n" + rule + b"\nVan de lijst\n")
        assert mail.body_text == f"Hallo wereld\n{rule.decode()}\nVan de lijst"
    long = base64.encodebytes(b"tekst " * 400_000)
    found = parse(head + long + b"-- \nVan de lijst\n").body_text
    assert found[:12] == "tekst tekst "


def test_html_has_as_many_lines_as_a_browser_shows():
    head = b"Content-Type: text/html\n\n"
    for html, text in (
        (b"<div>a</div><div>b</div>", "a\nb"),
        (b"<div>a</div><div><br></div><div>b</div>", "a\n\nb"),
        (b"<div>a</div>\n<div>&nbsp;</div>\n<div>b</div>", "a\n\nb"),
        (b"a<br><br>b<div>c<p>d</p></div>", "a\n\nb\nc\n\nd"),
        (b"<p class=MsoNormal>a</p><p class=MsoNormal>b</p>", "a\nb"),
        (
            b"<p class=MsoNormal>a<p class=MsoNormal>&nbsp;<p class=MsoNormal>b",
            "a\n\nb",
        ),
        (b"<p style='margin: 0cm 0cm .0001pt'>a</p><p style=margin:0>b</p>", "a\nb"),
        (b"<p style='margin:0 0 16px'>a</p><p style='margin:0'>b</p>", "a\n\nb"),
        (b"<table><tr><td>a<td>b<tr><td>c<td>d</table>e", "a b\nc d\n\ne"),
        (b"<ul><li>a<li>b</ul>", "* a\n* b"),
        (b"a<blockquote><div>b</div><div>c</div></blockquote>d", "a\n> b\n> c\nd"),
    ):
        assert parse(head + html).body_text == text, html
