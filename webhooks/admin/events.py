"""The event log: for reading."""

import json
from datetime import datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateFilter

from webhooks import retention
from webhooks.admin.base import Buttons, CappedPaginator, ShownOnly, column
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


class DayFilter(RangeDateFilter):  # type: ignore[misc]
    """From a day to a day, both whole, as the site's language writes them."""

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        if (first := self._day("from")) is not None:
            queryset = queryset.filter(**{f"{self.field_path}__gte": first})
        if (last := self._day("to")) is not None:
            after = last + timedelta(days=1)
            queryset = queryset.filter(**{f"{self.field_path}__lt": after})
        return queryset

    def _day(self, end: str) -> datetime | None:
        """Its midnight in the site's time zone; None for what is no day."""
        try:
            day = forms.DateField().clean(
                self.used_parameters.get(f"{self.field_path}_{end}", "")
            )
        except forms.ValidationError:
            return None
        return timezone.make_aware(datetime.combine(day, time()))


def named(term: str) -> models.Q:
    """The events that a person means by an id, or by the address of a mailbox."""
    if "@" in term:
        return models.Q(mailbox=term)
    # A sequence beside the thread, for the index on both.
    return models.Q(public_id=term) | models.Q(thread=term, sequence__gt=0)


def pretty(body: bytes) -> str:
    """The very event, laid out for people."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except ValueError:
        # Erased: the log keeps that there was something.
        return body.decode("utf-8", "replace")


@admin.register(Event)
class EventAdmin(Buttons, ShownOnly, ModelAdmin):  # type: ignore[misc]
    change_form_template = "admin/webhooks/event/change_form.html"
    list_display = ("name", "code", "mailbox", "created_at")
    list_filter = (("created_at", DayFilter), KindFilter)
    list_filter_submit = True
    search_fields = ("public_id",)
    search_help_text = _("The id of an event or a thread, or a mailbox.")
    ordering = ("-pk",)
    show_full_result_count = False
    list_per_page = 50
    paginator = CappedPaginator
    show_facets = admin.ShowFacets.NEVER
    fieldsets = ((None, {"fields": ()}),)
    buttons: ClassVar = {"erase": _("Its texts were erased.")}

    def may_press(self, request: HttpRequest, obj: Any) -> bool:
        return request.user.has_perm("webhooks.delete_event")

    def erase(self, request: HttpRequest, event: Event) -> None:
        """With every other event that tells of the same message."""
        body = event.bodies.first()
        told = json.loads(bytes(body.body)) if body else {}
        if message := (told.get("message") or {}).get("id"):
            count = retention.erase_message(event.thread, message)
        else:
            count = retention.erase([event.pk])
        text = ngettext(
            "The texts of %d event were erased.",
            "The texts of %d events were erased.",
            count,
        )
        messages.success(request, text % count)

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(named(term)) if term else queryset), False

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
