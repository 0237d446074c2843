"""What every view of the API does: count, check, act once, say how much is left."""

from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from api import idempotency, limits
from api.models import ApiKey
from api.scopes import ANY

# The OpenAPI document describes answers by example objects; inputs by fields.
described = extend_schema


class View(APIView):
    """`scopes` names the scope of each method."""

    scopes: ClassVar[dict[str, str]] = {"GET": ANY}
    request: Request

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
