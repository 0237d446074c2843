"""How long what was told is kept: one number, on a page of its own."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.admin import ModelAdmin

from webhooks.models import Retention
from webhooks.models.retention import days_kept


@admin.register(Retention)
class RetentionAdmin(ModelAdmin):  # type: ignore[misc]
    fields = ("days",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """There is nothing to list."""
        if Retention.objects.exists() or not self.has_add_permission(request):
            return self._only(request, extra_context)
        return HttpResponseRedirect(reverse("admin:webhooks_retention_add"))

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A second row would be one too many."""
        if Retention.objects.exists():
            return self._only(request, extra_context)
        page: HttpResponse = super().add_view(request, form_url, extra_context)
        return page

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= {"show_save_and_continue": False, "show_save_and_add_another": False}
        page: HttpResponse = super().render_change_form(
            request, context, *args, **kwargs
        )
        return page

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"days": days_kept()}

    def _only(
        self, request: HttpRequest, extra_context: dict[str, Any] | None
    ) -> HttpResponse:
        """The page of the one there is; to whoever may make none, the empty list."""
        chosen = Retention.objects.first()
        if chosen is None:
            page: HttpResponse = super().changelist_view(request, extra_context)
            return page
        name = "admin:webhooks_retention_change"
        return HttpResponseRedirect(reverse(name, args=[chosen.pk]))
