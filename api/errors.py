"""One shape for every error: application/problem+json (RFC 9457)."""

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response

from threads.errors import RefusedError
from webhooks.outbox import NotHeardError, NotTellableError
from webhooks.rules import InvalidWebhookError

log = logging.getLogger(__name__)

JSON = dict[str, Any]
CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5

# What a verb refuses, as HTTP says it; anything else is 422.
_REFUSALS = {
    "thread_is_spam": status.HTTP_409_CONFLICT,
    "answered_meanwhile": status.HTTP_409_CONFLICT,
    "version_mismatch": status.HTTP_412_PRECONDITION_FAILED,
    "smtp_not_configured": status.HTTP_503_SERVICE_UNAVAILABLE,
    "no_recipient": status.HTTP_422_UNPROCESSABLE_ENTITY,
    "invalid_recipient": status.HTTP_400_BAD_REQUEST,
    "too_many_recipients": status.HTTP_400_BAD_REQUEST,
    "too_many_attachments": status.HTTP_400_BAD_REQUEST,
    "attachments_too_large": status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    "too_many_tags": status.HTTP_400_BAD_REQUEST,
    "same_thread": status.HTTP_409_CONFLICT,
    "message_on_its_way": status.HTTP_409_CONFLICT,
    "other_mailbox": status.HTTP_409_CONFLICT,
    "nothing_to_split": status.HTTP_409_CONFLICT,
    "empty_note": status.HTTP_400_BAD_REQUEST,
    "note_too_long": status.HTTP_400_BAD_REQUEST,
}
_CODES = {
    "not_authenticated": (
        "Send the header Authorization: Bearer mb_…; keys are made in the admin."
    ),
    "authentication_failed": "Check the key, or make a new one in the admin.",
    "permission_denied": "Give the key the scope, or use another key.",
    "method_not_allowed": "See /api/docs for what this route can do.",
    "unsupported_media_type": "Send Content-Type: application/json.",
    "parse_error": "Send one JSON object.",
}


class Problem(Exception):  # noqa: N818 -- the RFC's own word
    """An error with everything RFC 9457 wants said."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        http_status: int = 400,
        fix: str = "",
        field: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = http_status
        self.fix = fix
        self.errors = (
            [{"field": field, "code": code, "detail": detail}] if field else []
        )
        self.headers = dict(headers or {})


def problem_handler(error: Exception, context: JSON) -> Response | None:
    """DRF's exception handler. What it does not know is a 500 with its request id."""
    problem = _problem(error)
    if problem is None:
        log.error("Unexpected error in %s", context.get("view"), exc_info=error)
        problem = unexpected()
    request = context["request"]
    return Response(
        body(problem, getattr(request, "request_id", "")),
        status=problem.status,
        headers=problem.headers,
        content_type=CONTENT_TYPE,
    )


def body(problem: Problem, request_id: str) -> JSON:
    return {
        "type": f"{settings.PUBLIC_URL}/api/docs#{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "fix": problem.fix,
        "request_id": request_id,
        "errors": problem.errors,
    }


def not_found() -> Problem:
    """The same for what never was, what is not yours, and what can't be."""
    return Problem(
        "not_found",
        "There is nothing here.",
        http_status=404,
        fix=(
            "Check the id, and the route in /api/docs; a key bound to domains sees"
            " only those."
        ),
    )


def unexpected() -> Problem:
    return Problem(
        "internal_error",
        "Something went wrong here; it has been logged.",
        http_status=500,
        fix="Try again; if it stays, report the request_id.",
    )


def _problem(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if isinstance(error, RefusedError):
        return Problem(
            error.code,
            error.detail,
            http_status=_REFUSALS.get(error.code, 422),
            fix=error.fix,
            field=error.field,
        )
    if isinstance(error, InvalidWebhookError):
        return Problem(error.code, error.detail, fix=error.fix, field=error.field)
    if isinstance(error, NotTellableError):
        narrowed = isinstance(error, NotHeardError)
        return Problem(
            "webhook_narrowed" if narrowed else "webhook_not_active",
            str(error),
            http_status=409,
            fix="Change its mailboxes or domains, or read the event from GET /events."
            if narrowed
            else 'Change its state to "active" first.',
        )
    if isinstance(error, OperationalError | InterfaceError):
        log.error("The database is out of reach: %s", error)
        return Problem(
            "database_unavailable",
            "The database is out of reach.",
            http_status=503,
            fix="Try again in a few seconds.",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    return _of_framework(error) if isinstance(error, exceptions.APIException) else None


def _of_framework(error: exceptions.APIException) -> Problem:
    if isinstance(error, exceptions.ValidationError):
        fields = list(_fields(error.get_full_details()))
        problem = Problem(
            "invalid",
            "; ".join(
                f"{f['field']}: {f['detail']}" if f["field"] else f["detail"]
                for f in fields
            ),
            fix="Correct the fields named in errors.",
        )
        problem.errors = fields
        return problem
    if isinstance(error, exceptions.NotFound):
        return not_found()
    code = error.get_codes()
    code = code if isinstance(code, str) else error.default_code
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    return Problem(
        code,
        str(error.detail),
        http_status=error.status_code,
        fix=_CODES.get(code, ""),
        headers=headers,
    )


def _fields(details: Any, path: str = "") -> Iterator[JSON]:
    """DRF's nested details as a flat list: `headers.X`, `to.0` name the place."""
    if isinstance(details, dict) and "message" in details and "code" in details:
        yield {
            "field": path,
            "code": str(details["code"]),
            "detail": str(details["message"]),
        }
    elif isinstance(details, dict):
        for name, inner in details.items():
            plain = "" if name == "non_field_errors" else str(name)
            yield from _fields(inner, ".".join(filter(None, [path, plain])))
    elif isinstance(details, list):
        for number, inner in enumerate(details):
            message = isinstance(inner, dict) and "message" in inner
            yield from _fields(inner, path if message else f"{path}.{number}")
