"""The OpenAPI document, and a page that shows it without the internet."""

from typing import ClassVar

from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

from api.views.base import View


class Document(SpectacularJSONAPIView, View):
    """For any key."""

    scopes: ClassVar = {"GET": ""}


class Page(SpectacularSwaggerView):
    """Public; the document it shows asks for a key."""

    authentication_classes = []  # noqa: RUF012 -- an instance variable upstream
    permission_classes = []  # noqa: RUF012
