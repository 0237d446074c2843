"""An answer is read as strictly as HTTP/1.1 is written, however it comes."""

import pytest

from webhooks.answers import LONGEST_HEAD, AnswerError, Reader, SilenceError

LIMIT = 4096


def reader(*pieces):
    left = list(pieces)
    return Reader(lambda: left.pop(0) if left else b"")


def answered(*pieces, limit=LIMIT):
    """Status, the beginning of the body, and whether the connection may serve again."""
    one = reader(*pieces)
    answer = one.head()
    body = one.body(answer, limit)
    return answer.status, body, answer.is_whole


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], (204, b"", True)),
        ([b"HTTP/1.1 304 Not Modified\r\n\r\n"], (304, b"", True)),
        ([b"HTTP/1.1 206\r\nContent-Length: 2\r\n\r\nok"], (206, b"ok", True)),
        ([b"HTTP/1.1 299 ?\nContent-Length: 0\n\n"], (299, b"", True)),
        ([b"HTTP/1.1 600 ?\r\ncontent-length:0\r\n\r\n"], (600, b"", True)),
        ([b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"], (200, b"ok", False)),
        ([b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n"], (200, b"", False)),
        ([b"HTTP/1.1 200 OK\r\n\r\nto the", b" end"], (200, b"to the end", False)),
        # More than was announced is nobody's answer.
        ([b"HTTP/1.1 204 OK\r\n\r\nHTTP/1.1 200"], (204, b"", False)),
        ([b"HTTP/1.1 101 Switching Protocols\r\n\r\n"], (101, b"", False)),
        (
            [
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r",
                b"\nHTTP/1.1 204 OK\r\n\r\n",
            ],
            (204, b"", True),
        ),
        (
            [
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r",
                b"\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n",
            ],
            (200, b"abcde", True),
        ),
        ([bytes([b]) for b in b"HTTP/1.1 204 No\r\nA: b\r\n\r\n"], (204, b"", True)),
    ],
)
def test_an_answer_is_read_to_its_end(pieces, expected):
    assert answered(*pieces) == expected


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFF\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_of_an_endless_body_only_the_beginning_is_read(head):
    status, body, is_whole = answered(head, b"x" * 5000)
    assert (status, len(body), is_whole) == (200, LIMIT, False)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nX-Half: "],
        [b"HTTP/1.1 200 OK\r\n"],
        [b"<html>hello</html>\r\n\r\n"],  # HTTP/0.9
        [b"HTTP/2 200\r\n\r\n"],
        [b"HTTP/1.1 099 Low\r\n\r\n"],
        [b"HTTP/1.1 2000 OK\r\n\r\n"],
        [b"SSH-2.0-OpenSSH_9.2\r\n", b""],
        [b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (LONGEST_HEAD // 6) + b"\r\n"],
        [b"HTTP/1.1 100 Continue\r\n\r\n"] * 100,
    ],
)
def test_what_is_no_whole_answer_is_none(pieces):
    with pytest.raises(AnswerError):
        reader(*pieces).head()


# An interim answer alone is none.
@pytest.mark.parametrize("pieces", [[], [b"HTTP/1.1 199 Almost\r\n\r\n"]])
def test_who_hangs_up_without_a_word_is_told_from_who_breaks_off(pieces):
    with pytest.raises(SilenceError):
        reader(*pieces).head()


@pytest.mark.parametrize(
    "body", [b"zz\r\n", b"-1\r\n", b"5\r\nabc", b"0x5\r\nabcde\r\n", b"a" * 70_000]
)
def test_chunks_that_are_none_spoil_the_body_and_not_the_status(body):
    one = reader(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", body)
    answer = one.head()
    assert answer.status == 200
    with pytest.raises(AnswerError):
        one.body(answer, LIMIT)
    assert not answer.is_whole


def test_of_two_headers_the_first_counts():
    answer = reader(
        b"HTTP/1.1 429 ?\r\nRetry-After: 7\r\nretry-after: 9\r\n\r\n"
    ).head()
    assert answer.headers["retry-after"] == "7"
