"""The OpenAPI document, and a page that shows it without the internet."""

from typing import ClassVar

from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from api.views.base import View


class Document(SpectacularJSONAPIView, View):
    """For any key."""

    scopes: ClassVar = {"GET": ""}


class Page(SpectacularSwaggerSplitView):
    """Public; the document it shows asks for a key. Its script is a file of its own."""

    authentication_classes = []  # noqa: RUF012 -- an instance variable upstream
    permission_classes = []  # noqa: RUF012
