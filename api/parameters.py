"""Query parameters, strictly: an unknown one is an error, never ignored."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from django.utils.dateparse import parse_date, parse_datetime
from rest_framework.request import Request

from api.errors import Problem
from threads.mail.addresses import normalise

DEFAULT_LIMIT = 50
MOST = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Later is "for ever": a day is left, so that every time zone can show it.
_LAST = datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Described:
    """A parameter as the OpenAPI document shows it."""

    text: str
    type: type = str
    values: tuple[str, ...] = ()


_FLAGS = ("true", "false")
QUERY = {
    "after": Described("The id of the last one seen: only what came after it."),
    "assignee": Described("The e-mail of a team member, or `none`."),
    "created_since": Described("A time with its offset, or a date (00:00Z)."),
    "created_until": Described(
        "A time with its offset, or a date (00:00Z): before it."
    ),
    "cursor": Described("From `next` or `previous`."),
    "domain": Described("Of the key's own domains, several with commas."),
    "event": Described("Types of event, several with commas."),
    "format": Described("One of them.", values=("ndjson", "mbox")),
    "from": Described("The address of somebody in the thread, in any spelling."),
    "limit": Described(f"1 to {MOST}; without it {DEFAULT_LIMIT}.", int),
    "mailbox": Described("Of the key's own mailboxes, several with commas."),
    "count": Described("With `true` also `count`, of all pages.", values=_FLAGS),
    "has_attachment": Described("Whether a message has one.", values=_FLAGS),
    "order": Described("Newest first with `desc`.", values=("asc", "desc")),
    "priority": Described("Several with commas: low, normal, high, urgent."),
    "state": Described("Several with commas: pending, claimed, succeeded, …"),
    "status": Described(
        "Several with commas: open, pending, closed, spam; or all. Without it"
        " everything but spam."
    ),
    "team": Described("The name of a team, or `none`."),
    "tag": Described("The name of a tag."),
    "thread": Described("The id of a thread."),
    "type": Described("Types of event, several with commas."),
    "updated_since": Described("A time with its offset, or a date (00:00Z)."),
    "wait": Described("Seconds to wait for news, up to 30.", int),
}


class Parameters:
    """The query of one request; every value that is read has been checked."""

    def __init__(self, request: Request, allowed: Collection[str]) -> None:
        self._query = request.query_params
        for name in self._query:
            if name not in allowed:
                raise Problem(
                    "unknown_parameter",
                    f"There is no parameter {name}.",
                    fix=f"Allowed here: {', '.join(sorted(allowed))}.",
                    field=name,
                )
            if len(self._query.getlist(name)) > 1:
                raise invalid(name, "it stands twice", "Send it once.")
            if _CONTROL.search(self.text(name)):
                raise invalid(name, "it has a control character", "Leave it out.")

    def text(self, name: str) -> str:
        return str(self._query.get(name, ""))

    def address(self, name: str) -> str:
        """An e-mail address as it is compared; empty when absent."""
        text = self.text(name)
        if text and not normalise(text):
            raise invalid(name, f"{text!r} is no e-mail address", "Write a@b.nl.")
        return normalise(text)

    def choices(self, name: str, allowed: Sequence[str]) -> list[str]:
        """Values with commas, each one of `allowed`; empty when absent."""
        if name not in self._query:
            return []
        values = [value.strip() for value in self.text(name).split(",")]
        for value in values:
            if value not in allowed:
                raise invalid(
                    name,
                    f"{value!r} is not one of its values",
                    f"Allowed: {', '.join(allowed) or '(nothing)'}.",
                )
        return values

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        found = self.choices(name, allowed)
        if len(found) > 1:
            raise invalid(name, "it takes one value", "Send one.")
        return found[0] if found else ""

    def flag(self, name: str) -> bool | None:
        """None when absent."""
        found = self.choice(name, _FLAGS)
        return found == "true" if found else None

    def limit(self) -> int:
        return self.number("limit", DEFAULT_LIMIT, 1, MOST)

    def number(self, name: str, default: int, least: int, most: int) -> int:
        if name not in self._query:
            return default
        text = self.text(name)
        if not (text.isascii() and text.isdecimal() and len(text) < 6) or not (  # noqa: PLR2004
            least <= int(text) <= most
        ):
            raise invalid(name, f"{text!r} is not a number from {least} to {most}", "")
        return int(text)

    def moment(self, name: str) -> datetime | None:
        """A time with its offset; a bare date is 00:00Z."""
        if name not in self._query:
            return None
        return moment(name, self.text(name).replace(" ", "+"))


def moment(name: str, text: str) -> datetime:
    """In UTC. Raises 400 `timezone_required` or `invalid_parameter`."""
    try:
        found = _read(text)
        if found is not None and found.tzinfo is not None:
            return min(found.astimezone(UTC), _LAST)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise invalid(name, f"{text!r} is no time", "Write 2026-01-31T09:00:00Z.")
    raise Problem(
        "timezone_required",
        f"{name} has no offset.",
        fix="Write 2026-01-31T09:00:00Z or …+01:00.",
        field=name,
    )


def _read(text: str) -> datetime | None:
    day = parse_date(text)
    if day is not None:
        return datetime.combine(day, time(), tzinfo=UTC)
    return parse_datetime(text)


def invalid(name: str, what: str, fix: str) -> Problem:
    return Problem("invalid_parameter", f"{name}: {what}.", fix=fix, field=name)
