"""What every view of the API does: count, check, act once, say how much is left."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from api import idempotency, limits
from api.models import ApiKey
from api.parameters import QUERY
from api.scopes import ANY
from api.shapes import ref


def described(
    answer: str = "",
    *,
    status: int = 200,
    query: Iterable[str] = (),
    media: str = "",
    request: Any = None,
) -> Callable[[Any], Any]:
    """What the OpenAPI document says of a method, beside its docstring.

    `answer` names a shape (api.shapes); without one there is no body, or, with
    `media`, bytes of that type.
    """
    shown: Any = ref(answer) if answer else None
    if media:
        shown = OpenApiTypes.BINARY
    key = (status, media) if media else status
    return extend_schema(
        parameters=[
            OpenApiParameter(
                name,
                QUERY[name].type,
                description=QUERY[name].text,
                enum=QUERY[name].values or None,
            )
            for name in query
        ],
        request=request,
        responses={key: shown},
    )


class View(APIView):
    """`scopes` names the scope of each method."""

    scopes: ClassVar[dict[str, str]] = {"GET": ANY}
    request: Request

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """In English until the answer is rendered, whatever Accept-Language says."""
        translation.activate("en")
        return super().dispatch(request, *args, **kwargs)

    def initialize_request(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> Request:
        """An empty body has no type: it is `{}`, and never an empty form."""
        asked = super().initialize_request(request, *args, **kwargs)
        if asked.stream is None:
            request.META["CONTENT_TYPE"] = ""
        return asked

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, count, then check the scope: also a refusal is counted."""
        self.perform_authentication(request)
        key = request.auth
        if isinstance(key, ApiKey):
            self.window = limits.count(key)
            limits.refuse(key, *self.window)
        super().initial(request, *args, **kwargs)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        key = getattr(request, "auth", None) if hasattr(self, "window") else None
        if isinstance(key, ApiKey):
            for name, value in limits.headers(key, *self.window).items():
                answer[name] = value
        answer["Cache-Control"] = "no-store"
        return answer

    @property
    def key(self) -> ApiKey:
        key = self.request.auth
        if not isinstance(key, ApiKey):  # HasScope let nobody else in
            raise TypeError(key)
        return key

    def once(self, act: Any) -> HttpResponse:
        """For POST: an Idempotency-Key makes it repeatable."""
        body = repr(sorted(self.request.data.items())).encode("utf-8", "replace")
        return idempotency.once(self.request, body, act)
