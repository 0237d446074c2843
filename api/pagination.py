"""Pages by a unique, ever-growing column: equal times can't make a page repeat."""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import QuerySet
from rest_framework.request import Request

from api.errors import Problem

R = TypeVar("R")
JSON = dict[str, Any]
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list is: the path and the query that its pages keep."""

    path: str
    query: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request) -> "Place":
        query = {name: str(request.query_params[name]) for name in request.query_params}
        return cls(request.path, query)


def page(
    place: Place,
    rows: QuerySet[Any],
    column: str,
    limit: int,
    render: Callable[[R], JSON],
    *,
    fetch: Callable[[Any], list[R]] = list,
    oldest_first: bool = False,
) -> JSON:
    """Newest first by `column`; `next` and `previous` are absolute URLs or null.

    `fetch` makes a list of them, in whatever order.
    """
    backwards, position = _read(place.query.get("cursor"))
    ascending = backwards != oldest_first
    if position is not None:
        beyond = "gt" if ascending else "lt"
        rows = rows.filter(**{f"{column}__{beyond}": position})
    ordered = rows.order_by(column if ascending else f"-{column}")
    found = fetch(ordered[: limit + 1])
    found.sort(key=attrgetter(column), reverse=not ascending)
    more = len(found) > limit
    found = found[:limit]
    if backwards:
        found.reverse()
    newer = more if backwards else position is not None
    older = bool(found) if backwards else more
    first = getattr(found[0], column) if found else position
    last = getattr(found[-1], column) if found else position
    return {
        "next": _url(place, ["n", last]) if older else None,
        "previous": _url(place, ["p", first]) if newer else None,
        "results": [render(row) for row in found],
    }


def _url(place: Place, cursor: list[Any]) -> str:
    text = base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().rstrip("=")
    whole = urlencode({**place.query, "cursor": text})
    return f"{settings.PUBLIC_URL}{place.path}?{whole}"


def _read(cursor: str | None) -> tuple[bool, int | None]:
    if cursor is None:
        return False, None
    try:
        raw = base64.urlsafe_b64decode(cursor[:_LONGEST] + "==")
        direction, position = json.loads(raw)
    except (ValueError, TypeError, binascii.Error):
        direction, position = "", None
    known = direction in ("n", "p") and type(position) is int
    if not known or not 0 <= position < 2**63:
        raise Problem(
            "invalid_cursor",
            "The cursor is not one of ours.",
            fix="Follow next and previous as they are, or leave cursor out.",
            field="cursor",
        )
    return direction == "p", position
