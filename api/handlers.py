"""Errors that no view caught: problems under /api/, pages for people elsewhere."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader

from api.errors import CONTENT_TYPE, Problem, body, not_found, unexpected


def bad_request(
    request: HttpRequest,
    exception: Exception,  # noqa: ARG001 -- Django gives it
) -> HttpResponse:
    """A Host that is not ours, mostly."""
    problem = Problem(
        "bad_request",
        "The server does not answer to this request.",
        fix="Send it to the host of PUBLIC_URL, or add yours to ALLOWED_HOSTS.",
    )
    return _said(request, problem) or _page(request, 400)


def permission_denied(
    request: HttpRequest,
    exception: Exception,  # noqa: ARG001 -- Django gives it
) -> HttpResponse:
    problem = Problem(
        "permission_denied",
        "This is not allowed.",
        http_status=403,
        fix="See /api/docs for what may be done.",
    )
    return _said(request, problem) or _page(request, 403)


def page_not_found(
    request: HttpRequest,
    exception: Exception,  # noqa: ARG001 -- Django gives it
) -> HttpResponse:
    return _said(request, not_found()) or _page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    return _said(request, unexpected()) or _page(request, 500)


def _said(request: HttpRequest, problem: Problem) -> HttpResponse | None:
    if not f"{request.path_info}/".startswith("/api/"):
        return None
    return JsonResponse(
        body(problem, getattr(request, "request_id", "")),
        status=problem.status,
        content_type=CONTENT_TYPE,
    )


def _page(request: HttpRequest, status: int) -> HttpResponse:
    """Without context processors: one of them may be what failed."""
    words = loader.render_to_string(f"{status}.html", {"request": request})
    return HttpResponse(words, status=status)
