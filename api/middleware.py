"""What every request gets: an id, a forgiving route, and what browsers ask for."""

import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

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


_ASKED = "GET, POST, PATCH, DELETE"
_SENT = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match"
_READ = (
    "ETag, Location, Content-Location, Retry-After, X-Request-Id, Idempotent-Replayed,"
    " RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"
)
_DAY = "86400"


class CorsMiddleware:
    """Pages of CORS_ALLOWED_ORIGINS may ask the API (Fetch standard, section 3.3).

    With a key, never with a cookie; the staff site is nobody's to ask.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        origin = request.headers.get("origin", "")
        ours = request.path_info.startswith("/api/")
        if not (ours and settings.CORS_ALLOWED_ORIGINS):
            return self.get_response(request)
        allowed = origin in settings.CORS_ALLOWED_ORIGINS
        asks = "access-control-request-method" in request.headers
        if allowed and asks and request.method == "OPTIONS":
            response = HttpResponse(status=204)
            response["Access-Control-Allow-Methods"] = _ASKED
            response["Access-Control-Allow-Headers"] = _SENT
            response["Access-Control-Max-Age"] = _DAY
        else:
            response = self.get_response(request)
        if allowed:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = _READ
        patch_vary_headers(response, ["Origin"])
        return response
