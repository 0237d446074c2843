"""Ten thousand damaged mails: none raises, none takes long, all can be stored.

Each is a mail of the corpus, damaged by dice with a fixed seed: mostly a small one,
for large ones say the same more slowly.
"""

import random
from functools import cache
from time import process_time

import pytest

from tests.mail.corpus import FILES
from tests.mail.test_storable import assert_storable
from threads.mail.display import html_for_frame
from threads.mail.parts import attachment
from threads.mail.wire import packed, unpacked

COUNT = 10_000
SHARES = 4
SECONDS = 5
SMALL, LARGEST = 6_000, 100_000
LARGE_ONES = 0.03
INTERESTING = (
    b"\x00", b"\xff", b"\xed\xa0\x80", b"=?", b"?=", b'"', b"<", b"--", b"\r",
    b"\n\n", b"\x1b$B", b"=", b"%", b"*0*=", b"begin 644 a\n",
)  # fmt: skip


def flip(dice, raw):
    damaged = bytearray(raw)
    for _ in range(dice.randrange(1, 40)):
        damaged[dice.randrange(len(damaged))] = dice.randrange(256)
    return bytes(damaged)


def insert(dice, raw):
    for _ in range(dice.randrange(1, 20)):
        at = dice.randrange(len(raw) + 1)
        raw = raw[:at] + dice.choice(INTERESTING) * dice.randrange(1, 4) + raw[at:]
    return raw


def cut(dice, raw):
    start, end = sorted(dice.randrange(len(raw) + 1) for _ in range(2))
    return raw[:start] if dice.random() < 0.5 else raw[:start] + raw[end:]


def double(dice, raw):
    """A piece once more, elsewhere: parts, boundaries, headers."""
    lines = raw.splitlines(keepends=True)
    start, end, at = sorted(dice.randrange(len(lines) + 1) for _ in range(3))
    return b"".join(lines[:at] + lines[start:end] * 2 + lines[at:])


def swap(dice, raw):
    """Headers in another order, and the value of one under the name of another."""
    head, blank, body = raw.partition(b"\n\n" if b"\r\n" not in raw else b"\r\n\r\n")
    lines = head.splitlines(keepends=True)
    dice.shuffle(lines)
    if len(lines) > 1:
        name = lines[0].partition(b":")[0]
        lines[1] = name + b":" + lines[1].partition(b":")[2]
    return b"".join(lines) + blank + body


DAMAGES = (flip, insert, cut, double, swap)


def damaged(number):
    dice = random.Random(number)
    small, all_of_them = mails()
    raw = dice.choice(all_of_them if dice.random() < LARGE_ONES else small)
    for _ in range(dice.randrange(1, 4)):
        raw = dice.choice(DAMAGES)(dice, raw or b"\n")
    return raw


@cache
def mails():
    """The small ones, and all that are not too large."""
    read = [path.read_bytes() for path in FILES if path.stat().st_size <= LARGEST]
    return [raw for raw in read if 0 < len(raw) <= SMALL], list(filter(None, read))


def failures(numbers):
    """What went wrong, and with which number."""
    found = []
    for number in numbers:
        raw = damaged(number)
        begun = process_time()
        try:
            mail = assert_storable(raw)
            assert unpacked(packed(mail)) == mail
            html_for_frame(raw, pictures=True).encode()
            for one in mail.attachments[:1]:
                assert len(attachment(raw, one.part)) == one.size
        except Exception as error:
            found.append(f"{number}: {error!r}")
        if process_time() - begun > SECONDS:
            found.append(f"{number}: took {process_time() - begun:.1f} s")
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", range(SHARES))
def test_damaged_mails_are_read_in_time_and_storable(share):
    small, all_of_them = mails()
    assert (len(small) > 400, len(all_of_them) > 500) == (True, True)
    assert failures(range(share, COUNT, SHARES)) == []
