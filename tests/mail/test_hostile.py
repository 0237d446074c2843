"""A mail that was made to be slow takes no longer than its length."""

from time import process_time

import nh3
import pytest

from bench.hostile import SHAPES
from tests.mails import mail
from threads.mail import limits
from threads.mail.body import unflowed
from threads.mail.display import html_for_frame
from threads.mail.nesting import flattened, too_deep
from threads.mail.parse import parse
from threads.mail.parts import attachment


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_hostile_mail_is_parsed_and_shown_in_time(shape):
    raw = shape(SHAPES[shape])
    begun = process_time()
    parse(raw)
    html_for_frame(raw, pictures=True)
    assert process_time() - begun < 5


def depth(html):
    """How deep the elements of sanitised HTML nest."""
    now = deepest = 0
    for tag in nh3.clean(html, tags={"b", "div", "i"}).split("<")[1:]:
        now += -1 if tag.startswith("/") else 1
        deepest = max(deepest, now)
    return deepest


@pytest.mark.parametrize(
    "trick",
    [
        "<div>",
        "<div></x>",
        '<div a="</div>">',
        "<div a='>' b=\"</div>\">",
        "<div><!--</div>-->",
        "<div><title></div></title>",
        "<div><style></div></STYLE >",
        "<div><svg><![CDATA[</div>]]></svg>",
        "<b><i><div></b></i>",
    ],
)
def test_no_trick_hides_how_deep_html_nests(trick):
    assert depth(flattened(trick * 4000)) < 3 * limits.HTML_DEPTH


def test_html_that_is_flattened_keeps_its_text_and_its_tables():
    row = '<tr><td align="right">a &amp; b<td><a href="https://x.nl/?a=1&amp;b=2">c</a>'
    written = flattened("<table>" + row * 2000 + "</table>")
    assert nh3.clean(written) == nh3.clean("<table>" + row * 2000 + "</table>")
    deep = flattened("<div>x" * 4000 + "</div>" * 4000 + "<p>1 < 2 <!-- c --></p>")
    assert deep.count("x") == 4000
    assert deep.endswith("<p>1 &lt; 2 </p>")


def test_flowed_text_is_one_paragraph_however_long():
    assert unflowed("a \n" * 3 + "b\n> c \n> d\n>> e") == "a a a b\n> c d\n>> e"
    assert unflowed("a \nb \n", delete_space=True) == "ab"


def multiparts(levels, pdf=b"%PDF"):
    heads = "".join(
        f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n'
        for n in range(levels)
    )
    return heads.encode() + b"Content-Type: application/pdf\n\n" + pdf


def test_multiparts_nest_as_deep_as_the_limit():
    raw = multiparts(limits.DEPTH)
    (found,) = parse(raw).attachments
    assert attachment(raw, found.part) == b"%PDF"
    deeper = parse(multiparts(limits.DEPTH + 1))
    assert deeper.defects[0].startswith("structure: too deep")


def test_many_multiparts_beside_each_other_are_not_deep():
    one = b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n\nx\n--%d--\n"
    inner = b"".join(b"--out\n" + one % (n, n, n) for n in range(400))
    raw = b"Content-Type: multipart/mixed; boundary=out\n\n" + inner + b"--out--\n"
    assert not too_deep(raw)
    assert parse(raw).body_text.count("x") == 400
    assert not too_deep(mail(text="boundary=a\n--b\n" * 500))
