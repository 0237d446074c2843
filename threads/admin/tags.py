"""Tags: made here or on a thread; taken off threads there, never behind their back."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from threads.models import Tag, Thread


@admin.register(Tag)
class TagAdmin(ModelAdmin):  # type: ignore[misc]
    add_label = _("New tag")
    list_display = ("name", "used")
    search_fields = ("name",)
    fields = ("name",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        tags: QuerySet[Any] = super().get_queryset(request)
        # As the list shows them that the number leads to.
        shown = Q(threads__last_message__isnull=False) & ~Q(
            threads__status=Thread.Status.SPAM
        )
        counted: QuerySet[Any] = tags.annotate(number=Count("threads", filter=shown))
        return counted

    @display(description=_("threads"))  # type: ignore[untyped-decorator]
    def used(self, tag: Any) -> str:
        url = reverse("admin:threads_thread_changelist")
        return format_html(
            '<a href="{}?tags__id__exact={}">{}</a>', url, tag.pk, tag.number
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A new name would change threads without an event."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only what no thread bears, for the same reason."""
        allowed: bool = super().has_delete_permission(request, obj)
        if not allowed or obj is None:
            return allowed
        return not obj.threads.filter(last_message__isnull=False).exists()
