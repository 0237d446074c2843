"""What is quoted is what quotequail finds, wherever in the text it begins."""

import random

import pytest
import quotequail

from threads.mail.quotes import spans

LINES = (
    "Hallo,",
    "",
    "  ",
    "Op 3 mei schreef Jan <jan@x.nl>:",
    "On Mon, 3 May, Jan",
    "wrote: ",
    "> On Monday Jan wrote:",
    ">",
    "> hoi",
    "---- Original message ----",
    "________________________________",
    "Begin forwarded message:",
    "2014/03/20 Max <",
    "max@x.nl>",
    "-- ",
    "Jan:",
    "El martes Jan escribió:\u00a0",
    "On Tuesday Jan wrote:\r",
)


def quotequails(text):
    """Where the quote begins, by the library alone on the whole text."""
    pieces = quotequail.quote(text, limit=10_000, quote_intro_line=True)
    whole = "\n".join(piece for _, piece in pieces) == text
    return len(text) - len(pieces[1][1]) if whole and len(pieces) > 1 else len(text)


@pytest.mark.parametrize("seed", range(20))
def test_the_quote_begins_where_quotequail_says(seed):
    dice = random.Random(seed)
    for _ in range(200):
        text = "\n".join(dice.choices(LINES, k=dice.randrange(1, 9)))
        quoted = spans(text)["quoted"]
        begun = quoted[0][0] if quoted else len(text)
        assert begun == quotequails(text), text


def test_after_ten_thousand_lines_all_is_quoted():
    text = "a\n" * 12_000
    assert spans(text)["quoted"] == [[9_999 * 2, len(text)]]
