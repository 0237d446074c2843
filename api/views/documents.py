"""The OpenAPI document, a page that shows it offline, and the signpost to both."""

from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import Problem, not_found
from api.parameters import Parameters
from api.schemas import schema
from api.views.base import View, described
from webhooks.catalogue import EVENTS, TEST


class Document(SpectacularJSONAPIView, View):
    """For any key."""

    scopes: ClassVar = {"GET": ""}
    renderer_classes = [OpenApiJsonRenderer2]  # noqa: RUF012 -- as application/json


class Page(SpectacularSwaggerSplitView):
    """Public; the document it shows asks for a key. Its script is a file of its own."""

    authentication_classes = []  # noqa: RUF012 -- an instance variable upstream
    permission_classes = []  # noqa: RUF012


class EventSchema(View):
    """Public: it says nothing that the documentation does not."""

    permission_classes = []  # noqa: RUF012

    @described("Schema")
    def get(self, request: Request, kind: str) -> Response:
        """Read the JSON Schema (2020-12) of a type of event; it needs no key."""
        Parameters(request, ())
        if kind not in (*EVENTS, TEST):
            raise Problem(
                "not_found",
                f"There is no event {kind}.",
                http_status=404,
                fix=f"There are: {', '.join((*EVENTS, TEST))}.",
            )
        return Response(schema(kind))


class Index(View):
    """Public: where the way begins."""

    schema = None
    permission_classes = []  # noqa: RUF012

    def get(self, request: Request) -> Response:
        Parameters(request, ())
        home = f"{settings.PUBLIC_URL}/api"
        return Response(
            {
                "v1": f"{home}/v1",
                "docs": f"{home}/docs",
                "openapi": f"{home}/v1/openapi.json",
            }
        )


class Nowhere(View):
    """Whatever else is asked under /api/, by whatever method."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise not_found()
