"""Errors that no view caught: problems under /api/, Django's own pages elsewhere."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views import defaults

from api.errors import CONTENT_TYPE, Problem, body, not_found, unexpected


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """A Host that is not ours, mostly."""
    problem = Problem(
        "bad_request",
        "The server does not answer to this request.",
        fix="Send it to the host of PUBLIC_URL, or add yours to ALLOWED_HOSTS.",
    )
    return _said(request, problem) or defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    problem = Problem(
        "permission_denied",
        "This is not allowed.",
        http_status=403,
        fix="See /api/docs for what may be done.",
    )
    return _said(request, problem) or defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _said(request, not_found()) or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    return _said(request, unexpected()) or defaults.server_error(request)


def _said(request: HttpRequest, problem: Problem) -> HttpResponse | None:
    if not f"{request.path_info}/".startswith("/api/"):
        return None
    return JsonResponse(
        body(problem, getattr(request, "request_id", "")),
        status=problem.status,
        content_type=CONTENT_TYPE,
    )
