"""How a log line is written: for a person, or as JSON for a machine.

Whatever a mail or a client put into it, it can neither begin a line of its own nor
speak to a terminal.
"""

import json
import logging
import unicodedata
from datetime import UTC, datetime

from api.middleware import current_request_id

# Cc is CR, LF, ESC and their like; Zl and Zp end a line for some readers.
_ENDS = frozenset({"Cc", "Zl", "Zp"})


def escaped(text: str) -> str:
    r"""Text that stays within its line.

    >>> print(escaped("Subject\r\n2026-02-25 INFO forged \x1b[2J é"))
    Subject\r\n2026-02-25 INFO forged \x1b[2J é
    """
    if text.isprintable():
        return text
    return "".join(
        repr(c)[1:-1] if unicodedata.category(c) in _ENDS else c for c in text
    )


class _Formatter(logging.Formatter):
    def facts(self, record: logging.LogRecord) -> dict[str, str]:
        """What either format says; `request_id` and `exception` only where there are.

        A line about a request may be written when it is over; then the record has it.
        """
        moment = datetime.fromtimestamp(record.created, UTC)
        facts = {
            "time": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        request = getattr(record, "request", None)
        if request_id := getattr(request, "request_id", "") or current_request_id():
            facts["request_id"] = request_id
        if record.exc_info:
            facts["exception"] = self.formatException(record.exc_info)
        return facts


class Line(_Formatter):
    """One line; the lines of a traceback stand indented below it."""

    def format(self, record: logging.LogRecord) -> str:
        facts = self.facts(record)
        trace = facts.pop("exception", "").split("\n")
        request_id = facts.pop("request_id", "")
        first = escaped(" ".join(facts.values()))
        if request_id:
            first += f" [{request_id}]"
        return "\n    ".join([first, *(escaped(line) for line in trace if line)])


class Json(_Formatter):
    """One JSON object a line: ASCII, so that no reader sees an end of line in it."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.facts(record))
