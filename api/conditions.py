"""If-Match and If-None-Match (RFC 9110 section 13.1)."""

from django.utils.http import parse_etags
from rest_framework.request import Request

_ANY = ["*"]


def demanded(request: Request) -> list[str] | None:
    """The tags of which one must still hold; None when anything will do.

    If-Match compares strongly: a weak tag is none of ours, so it never holds.
    """
    header = request.headers.get("if-match")
    tags = None if header is None else parse_etags(header)
    return None if tags == _ANY else tags


def unchanged(request: Request, tag: str) -> bool:
    """Does the client have this one already? If-None-Match compares weakly."""
    known = parse_etags(request.headers.get("if-none-match", ""))
    return known == _ANY or tag in {one.removeprefix("W/") for one in known}
