"""JSON, strictly: one object, no NaN, no name twice, no lone surrogate, a limit."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from api.errors import Problem


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        del media_type, parser_context
        limit = settings.API_BODY_LIMIT
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise Problem(
                "body_too_large",
                f"The body is larger than {limit // 1024 // 1024} MiB.",
                http_status=413,
                fix="Send less.",
            )
        try:
            found = json.loads(
                raw.decode("utf-8"),
                object_pairs_hook=_object,
                parse_constant=_no_number,
            )
            _refuse_half_characters(found)
        except (ValueError, RecursionError) as error:
            raise ParseError(f"This is no JSON: {error}.") from error
        if not isinstance(found, dict):
            raise ParseError("The body is not a JSON object.")
        return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = next(name for name, count in times.items() if count > 1)
        raise ValueError(f"the name {twice!r} stands twice")
    return found


def _refuse_half_characters(found: Any) -> None:
    """No answer, mail or column can hold a lone surrogate (RFC 8259 section 8.2)."""
    try:
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        half = ord(error.object[error.start])
        raise ValueError(
            f"\\u{half:04x} is half of a surrogate pair; send both halves,"
            " or the character itself"
        ) from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")
