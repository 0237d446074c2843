"""The event log: for reading."""

import json
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from webhooks.admin.base import ShownOnly, column
from webhooks.admin.words import EVENTS, of_event
from webhooks.models import Event


class KindFilter(admin.SimpleListFilter):
    """From the catalogue: the log itself may be too long to ask."""

    title = _("event")
    parameter_name = "event"
    field = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"{of_event(name)} ({name})") for name in EVENTS]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        value = self.value()
        return queryset.filter(**{self.field: value}) if value else queryset


def pretty(body: bytes) -> str:
    """The very event, laid out for people."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except ValueError:
        # Erased: the log keeps that there was something.
        return body.decode("utf-8", "replace")


@admin.register(Event)
class EventAdmin(ShownOnly, ModelAdmin):  # type: ignore[misc]
    change_form_template = "admin/webhooks/event/change_form.html"
    list_display = ("name", "code", "mailbox", "created_at")
    list_filter = (KindFilter, ("created_at", admin.DateFieldListFilter))
    search_fields = ("=public_id", "=thread", "=mailbox")
    search_help_text = _("The id of an event or a thread, or a mailbox.")
    ordering = ("-pk",)
    show_full_result_count = False
    fieldsets = ((None, {"fields": ()}),)

    @column(_("event"), ordering="type")
    def name(self, obj: Event) -> str:
        return of_event(obj.type)

    @column(_("code"))
    def code(self, obj: Event) -> str:
        return obj.type

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        event: Event = kwargs["obj"]
        body = event.bodies.order_by("-format").first()
        context |= {
            "event": event,
            "words": of_event(event.type),
            "body": pretty(bytes(body.body)) if body else "",
            "deliveries": event.deliveries.select_related("webhook").order_by("-pk"),
        }
        return super().render_change_form(request, context, *args, **kwargs)
