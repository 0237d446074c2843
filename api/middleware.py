"""What every request gets: an id, and a route that forgives a trailing slash."""

import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_current: ContextVar[str] = ContextVar("request_id", default="")

Next = Callable[[HttpRequest], HttpResponse]


def current_request_id() -> str:
    """Of the request that this thread is answering; empty outside of one."""
    return _current.get()


class RequestIdMiddleware:
    """`X-Request-Id` comes back as sent, or is made here; errors and logs bear it."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(12)
        request.request_id = request_id  # type: ignore[attr-defined]
        token = _current.set(request_id)
        try:
            response = self.get_response(request)
        finally:
            _current.reset(token)
        response["X-Request-Id"] = request_id
        return response


class SlashMiddleware:
    """Under /api/ the form with a slash answers the same; never a redirect."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        if path.startswith("/api/") and path.endswith("/"):
            request.path_info = path.rstrip("/")
            request.path = request.path.rstrip("/")
        return self.get_response(request)
