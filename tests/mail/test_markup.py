"""HTML of strangers: what is dangerous or calls home is gone, what is said stays."""

import pytest

from threads.mail import limits
from threads.mail.markup import sanitised, text_of
from threads.mail.parse import parse

FRAMED = b"Content-Type: text/html; charset=utf-8\n\n"


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>x",
        '<p onclick="alert(1)">x</p>',
        "<img src=x onerror=alert(1)>x",
        '<a href="javascript:alert(1)">x</a>',
        '<a href=" java\nscript:alert(1)">x</a>',
        '<a href="&#106;avascript:alert(1)">x</a>',
        '<a href="vbscript:x">x</a>',
        '<a href="data:text/html,<script>">x</a>',
        '<a href="file:///etc/passwd">x</a>',
        '<a href="//evil.nl/">x</a>',
        '<form action="https://evil.nl"><input name=a><button>x</button></form>',
        '<base href="https://evil.nl/"><meta http-equiv=refresh content="0;evil.nl">x',
        '<iframe src="https://evil.nl"></iframe>x',
        '<object data="https://evil.nl"></object><embed src="https://evil.nl">x',
        "<svg onload=alert(1)><script>alert(1)</script></svg>x",
        "<math><mi//xlink:href='data:,<script>alert(1)</script>'></mi></math>x",
        '<p id="__proto__" name="x" class="submit-row">x</p>',
        '<a target="_top" ping="https://evil.nl" href="https://x.nl">x</a>',
    ],
)  # fmt: skip
def test_nothing_that_acts_is_left(html):
    safe = sanitised(html)
    assert "x" in safe
    for word in (
        "script:", "<script", "alert", "onclick", "onerror", "evil", "data:", "file:",
        "<form", "<input", "<svg", "__proto__", "submit-row", "_top",
    ):  # fmt: skip
        assert word not in safe


@pytest.mark.parametrize(
    "html",
    [
        '<img src="https://evil.nl/p.gif" alt="x">',
        '<img srcset="https://evil.nl/p.gif 2x" alt="x">',
        '<img src="data:image/svg+xml,evil" alt="x">',
        '<table background="https://evil.nl/p.gif"><tr><td>x</table>',
        '<p style="background:url(https://evil.nl)">x</p>',
        '<style>@import "https://evil.nl";</style>x',
        '<link rel=stylesheet href="https://evil.nl">x',
        '<video poster="https://evil.nl/p.gif" src="https://evil.nl/v"></video>x',
        '<audio src="https://evil.nl/a"></audio>x',
        '<input type=image src="https://evil.nl/p.gif">x',
    ],
)
def test_nothing_calls_home(html):
    safe = sanitised(html)
    assert "evil" not in safe
    assert "x" in safe


def test_what_is_said_stays():
    html = (
        '<h1>Factuur</h1><p>Zie <a href="https://x.nl/a?b=1&amp;c=2">hier</a> of bel'
        ' <a href="tel:+31201234567">020</a>.</p><img src="cid:logo@x" alt="Logo">'
        '<table><tr><td colspan="2">5&nbsp;€</td></tr></table>'
    )
    safe = sanitised(html)
    for kept in ("<h1>", 'href="https://x.nl/a?b=1&amp;c=2"', 'href="tel:', "cid:logo",
                 'colspan="2"', "noopener"):  # fmt: skip
        assert kept in safe
    assert text_of(html) == "Factuur\n\nZie hier (https://x.nl/a?b=1&c=2) of bel 020.\n\nLogo\n\n5 €"  # fmt: skip  # noqa: E501 -- as it is read


def test_so_many_links_are_told_and_the_rest_is_counted():
    one = '<a href="https://x.nl/{}">a</a> '
    html = "".join(one.format(number) for number in range(limits.LINKS + 1))
    mail = parse(FRAMED + html.encode())
    assert mail.body_text.count("https://") == limits.LINKS
    assert mail.defects == (f"links: only the first {limits.LINKS} are told",)
    fewer = parse(FRAMED + html.encode().rsplit(b"<a", 1)[0])
    assert fewer.defects == ()


def test_html_beyond_the_limit_is_cut_and_said():
    mail = parse(FRAMED + b"x" * (limits.HTML + 1))
    assert mail.defects == (f"html: only the first {limits.HTML} characters",)
    assert len(mail.body_html) == limits.HTML


def test_what_lies_beyond_the_limits_of_a_header_is_counted():
    people = b", ".join(b"p%d@x.nl" % number for number in range(limits.ADDRESSES + 1))
    mail = parse(b"To: " + people + b"\n\nx")
    assert len(mail.to) == limits.ADDRESSES
    assert mail.defects == (f"addresses: only the first {limits.ADDRESSES} of to",)
    assert parse(b"To: " + people.rsplit(b",", 1)[0] + b"\n\nx").defects == ()
    mail = parse(b"Subject: " + b"a" * (limits.HEADER_BYTES + 1) + b"\n\nx")
    assert mail.defects == (f"header: only {limits.HEADER_BYTES} bytes of subject",)
    many = b"; ".join(b"a%d=b" % number for number in range(limits.PARAMETERS + 1))
    mail = parse(b"Content-Type: text/plain; " + many + b"\n\nx")
    told = (f"parameters: only the first {limits.PARAMETERS} of content-type",)
    assert mail.defects == told
    # Of a part too, and of people in several headers or without commas.
    mixed = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n%s\n\nx\n--b--\n"
    assert parse(mixed % (b"Content-Type: a/b; " + many)).defects == told
    long = b"Content-Description: " + b"a" * (limits.HEADER_BYTES + 1)
    assert parse(mixed % long).defects == (
        f"header: only {limits.HEADER_BYTES} bytes of content-description",
    )
    half = b" ".join(b"p%d@x.nl" % number for number in range(600))
    mail = parse(b"Cc: " + half + b"\nCc: " + half + b"\n\nx")
    assert len(mail.cc) == limits.ADDRESSES
    assert mail.defects == (f"addresses: only the first {limits.ADDRESSES} of cc",)
