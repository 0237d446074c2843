"""No text holds a NUL: SQLite would take one, PostgreSQL refuses it everywhere."""

from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase, QueryDict

Next = Callable[[HttpRequest], HttpResponseBase]


class NulMiddleware:
    """400 for a NUL in path, cookies, query or form, before anybody looks it up.

    After the CSRF middleware, which is the first to read a form. The API says for
    itself which field is wrong.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not _of_the_api(request):
            _refuse((request.path_info, *request.COOKIES.values()))
            _refuse(_words(request.GET))
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> None:
        if request.method == "POST" and not _of_the_api(request):
            _refuse(_words(request.POST))


def _of_the_api(request: HttpRequest) -> bool:
    return f"{request.path_info}/".startswith("/api/")


def _words(values: QueryDict) -> Iterable[str]:
    for name, given in values.lists():
        yield name
        yield from (str(value) for value in given)


def _refuse(words: Iterable[str]) -> None:
    if any("\x00" in word for word in words):
        raise BadRequest("There is a NUL in it.")
