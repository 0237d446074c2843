"""An HTTP/1.1 answer, read from bytes as they come (RFC 9112). Pure.

Strict where a lenient client is fooled: a stream that ends within the headers is no
answer, and what is not HTTP is none either. Of the body only the beginning is read, and
never unpacked.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from webhooks.wording import SentenceError
from webhooks.wording import marked as _

LONGEST_HEAD = 65_536
_MOST_INTERIM = 10
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: .*)?")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_BODILESS = frozenset({204, 304})
_FINAL = 200
_SWITCHED = 101

Read = Callable[[], bytes]


class AnswerError(SentenceError):
    """What came is no whole answer."""


class SilenceError(Exception):
    """The other side hung up without a word."""


@dataclass(slots=True)
class Answer:
    status: int
    # Lower-cased names; of several with one name the first.
    headers: dict[str, str] = field(default_factory=dict)
    # It was read to its end, and the connection may serve again.
    is_whole: bool = False


class Reader:
    """Reads the answers of one connection. `read` gives more bytes; none at the end."""

    def __init__(self, read: Read) -> None:
        self.read = read
        self.buffer = b""

    def head(self) -> Answer:
        """The final answer's status and headers, after interim ones.

        Raises `SilenceError`, `AnswerError`, and what `read` raises.
        """
        for _number in range(_MOST_INTERIM):
            answer, version = _parsed(self._head())
            if answer.status >= _FINAL or answer.status == _SWITCHED:
                answer.is_whole = version == b"1" and not _closes(answer)
                return answer
        raise AnswerError(_("It only sends interim answers."))

    def body(self, answer: Answer, limit: int) -> bytes:
        """At most `limit` bytes of it; `answer.is_whole` says whether that was all."""
        may_serve, answer.is_whole = answer.is_whole, False
        if answer.status in _BODILESS:
            found, is_all = b"", True
        elif answer.headers.get("transfer-encoding", "").lower() == "chunked":
            found, is_all = self._chunks(limit)
        elif (length := _length(answer)) is not None:
            found, is_all = self._exactly(min(length, limit)), length <= limit
        else:
            found, is_all = self._rest(limit), False
        answer.is_whole = may_serve and is_all and not self.buffer
        return found

    def _head(self) -> bytes:
        seen = 0
        while (found := _BLANK_LINE.search(self.buffer, seen)) is None:
            if len(self.buffer) > LONGEST_HEAD:
                break
            seen = max(len(self.buffer) - 3, 0)
            more = self.read()
            if not more:
                if not self.buffer:
                    raise SilenceError
                raise AnswerError(_("The connection ended within the headers."))
            self.buffer += more
        if found is None or found.start() > LONGEST_HEAD:
            raise AnswerError(
                _("Its headers are longer than %(limit)d bytes."), limit=LONGEST_HEAD
            )
        head, self.buffer = self.buffer[: found.start()], self.buffer[found.end() :]
        return head

    def _more(self) -> None:
        more = self.read()
        if not more:
            raise AnswerError(_("The connection ended within the answer."))
        self.buffer += more

    def _exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self._more()
        found, self.buffer = self.buffer[:count], self.buffer[count:]
        return found

    def _rest(self, limit: int) -> bytes:
        while len(self.buffer) < limit and (more := self.read()):
            self.buffer += more
        found, self.buffer = self.buffer[:limit], self.buffer[limit:]
        return found

    def _line(self) -> bytes:
        while b"\n" not in self.buffer:
            if len(self.buffer) > LONGEST_HEAD:
                raise AnswerError(_("Its chunks are malformed."))
            self._more()
        line, _newline, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def _chunks(self, limit: int) -> tuple[bytes, bool]:
        found = b""
        while size := self._size():
            if len(found) + size > limit:
                return found + self._exactly(limit - len(found)), False
            found += self._exactly(size)
            self._line()
        while self._line():
            pass
        return found, True

    def _size(self) -> int:
        digits = self._line().partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", digits):
            raise AnswerError(_("Its chunks are malformed."))
        return int(digits, 16)


def _parsed(head: bytes) -> tuple[Answer, bytes]:
    """An answer without its body, and the minor version of HTTP."""
    first, *lines = head.split(b"\n")
    status = _STATUS.fullmatch(first.rstrip(b"\r"))
    if status is None:
        raise AnswerError(_("What it answers is not HTTP/1.1."))
    answer = Answer(int(status[2]))
    for line in lines:
        name, _colon, value = line.partition(b":")
        answer.headers.setdefault(
            name.strip().lower().decode("latin-1"), value.strip().decode("latin-1")
        )
    return answer, status[1]


def _length(answer: Answer) -> int | None:
    text = answer.headers.get("content-length", "")
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


def _closes(answer: Answer) -> bool:
    words = answer.headers.get("connection", "").lower().split(",")
    return "close" in {word.strip() for word in words}
