"""Whatever somebody sends is read in bounded time; `bench.hostile` shows it linear."""

from time import process_time

import pytest

from bench.hostile import SHAPES, read
from threads.mail.parse import parse

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
