"""HTML levelled: depth bounded, everything closed, no reader's text lost."""

import re

import nh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from threads.mail import limits
from threads.mail.markup import sanitised, text_of
from threads.mail.tags import levelled

DEEPEST = limits.HTML_DEPTH


def depth(html):
    deepest = now = 0
    for slash in re.findall(r"<(/?)[a-z]", html):
        now += -1 if slash else 1
        deepest = max(deepest, now)
    assert now == 0
    return deepest


def test_what_is_too_deep_loses_its_tags_and_keeps_its_text():
    html = levelled("<div>" * 40_000 + "deep" + "</div>" * 40_000 + "<p>after</p>")
    assert depth(html) == DEEPEST
    assert html.endswith("<p>after</p>")
    assert text_of(html) == "deep\n\nafter"


def test_unclosed_formatting_does_not_pile_up():
    html = levelled("".join(f"<p><font size={n}>x" for n in range(10_000)))
    assert depth(html) <= DEEPEST
    assert html.count("<font") == 10_000


def test_rows_and_items_without_an_end_are_not_deep():
    for unit in ("<li>a", "<tr><td>a<td>b", "<p>a", "<dt>a<dd>b"):
        html = levelled(unit * 1_000)
        assert depth(html) < 5
        assert html.count("a<") == 1_000


TRAPS = (
    "<x '>", "<!-->", "<!--->", "<p a='b\"'>", "<p a=b'>", "<svg><style>", "<textarea>",
    "<xmp>", "<![CDATA[>", "</x '>", "<p =a'>",
)  # fmt: skip


def test_hidden_tags_are_not_hidden_from_us():
    """Where a parser sees tags, we do: quotes, comments, raw text as HTML has them."""
    deep = "<div>" * 1_000
    for before in TRAPS:
        assert levelled(before + deep).count("<div") <= DEEPEST


def depth_as_read(html):
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
    assert depth_as_read(levelled(trick * 4000)) <= DEEPEST


def test_a_large_table_stays_as_it_is():
    row = '<tr><td align="right">a &amp; b<td><a href="https://x.nl/?a=1&amp;b=2">c</a>'
    table = "<table>" + row * 2000 + "</table>"
    assert nh3.clean(levelled(table)) == nh3.clean(table)


PIECES = st.sampled_from(
    ["<p>", "</p>", "<b>", "</b>", "<li>", "<ul>", "</ul>", "<td>", "<tr>", "<table>",
     "</table>", "<br>", "x", "<a href='", "'>", "<!--", "-->", "<", "<style>", ">",
     "</style>", "&", '"', "</", "<i a=1>"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40))
def test_once_levelled_it_stays_so(pieces):
    once = levelled("".join(pieces))
    assert levelled(str(once)) == once
    assert sanitised(once) == sanitised(str(once))


def test_an_ordinary_mail_is_left_as_it_is():
    html = '<p>Hallo <b>Jan</b>,<br>zie <a href="https://x.nl/?a=1&amp;b=2">x</a></p>'
    assert levelled(html) == html


def test_a_script_is_not_read():
    for html in ("<script>x</script>a", "<style><!-- x</style>a", "<title>x</title>a"):
        assert text_of(html) == sanitised(html) == "a"
