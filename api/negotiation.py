"""What a request asks for: the route decides, whatever the Accept header says."""

from collections.abc import Sequence
from typing import TypeVar

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

R = TypeVar("R", bound=BaseRenderer)


class RouteDecides(DefaultContentNegotiation):
    """Each answer has one form (RFC 9110 section 12.4.1 allows to disregard Accept)."""

    def select_renderer(  # type: ignore[override]
        self,
        request: Request,
        renderers: Sequence[R],
        format_suffix: str | None = None,
    ) -> tuple[R, str]:
        del request, format_suffix
        return renderers[0], str(renderers[0].media_type)
