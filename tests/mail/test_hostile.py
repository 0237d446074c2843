"""Whatever somebody sends is read in bounded time; `bench.hostile` shows it linear."""

from time import process_time

import nh3
import pytest

from bench.hostile import SHAPES, read
from threads.mail import limits
from threads.mail.body import unflowed
from threads.mail.parse import parse
from threads.mail.tags import levelled

MEGABYTE = 1_000_000


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_a_megabyte_is_read_in_seconds(shape):
    """The slowest takes 3 s on a slow machine; what was not linear took minutes."""
    begun = process_time()
    read(shape(MEGABYTE))
    assert process_time() - begun < 10


def test_many_parts_of_html_are_read_up_to_a_limit():
    part = b"--b\nContent-Type: text/html\n\n" + b"<br>" * 100_000 + b"\n"
    head = b"Content-Type: multipart/mixed; boundary=b\n\n"
    begun = process_time()
    mail = parse(head + part * 10)
    assert process_time() - begun < 20
    assert "text: only the first 2000000 characters" in mail.defects


def depth(html):
    """How deep the elements nest as the sanitiser's parser sees them."""
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
    assert depth(levelled(trick * 4000)) <= limits.HTML_DEPTH


def test_a_large_table_stays_as_it_is():
    row = '<tr><td align="right">a &amp; b<td><a href="https://x.nl/?a=1&amp;b=2">c</a>'
    table = "<table>" + row * 2000 + "</table>"
    assert nh3.clean(levelled(table)) == nh3.clean(table)


def test_flowed_text_is_one_paragraph_however_long():
    assert unflowed("a \n" * 3 + "b\n> c \n> d\n>> e") == "a a a b\n> c d\n>> e"
    assert unflowed("a \nb \n", delete_space=True) == "ab"
