"""Mail that could not be understood: why, its bytes, and once more."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from threads import quarantine
from threads.admin.base import ReadOnlyAdmin
from threads.models import IngestRecord
from webhooks.admin.base import Buttons, CappedPaginator, column

_LONGEST_LINE = 160


@admin.register(IngestRecord)
class QuarantineAdmin(Buttons, ReadOnlyAdmin):
    change_form_template = "admin/threads/ingestrecord/change_form.html"
    list_display = ("reason", "mailbox", "source", "size", "received_at")
    list_filter = ("source__mailbox",)
    list_select_related = ("source__mailbox",)
    search_fields = ("=public_id", "ref")
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    fieldsets = ((None, {"fields": ()}),)
    actions = ("try_selected_again",)
    buttons: ClassVar = {"try_again": _("Tried again.")}

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        quarantined = IngestRecord.State.QUARANTINED
        return super().get_queryset(request).filter(state=quarantined)

    def get_urls(self) -> list[URLPattern]:
        original = path(
            "<path:object_id>/original/",
            self.admin_site.admin_view(self.original),
            name="threads_ingestrecord_original",
        )
        return [original, *super().get_urls()]

    @column(_("reason"))
    def reason(self, obj: IngestRecord) -> str:
        line = quarantine.told(obj)
        return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "…"

    @column(_("mailbox"), ordering="source__mailbox__address")
    def mailbox(self, obj: IngestRecord) -> str:
        return obj.source.mailbox.address

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        record: IngestRecord = kwargs["obj"]
        context |= {
            "record": record,
            "reason": quarantine.told(record),
            "command": f"python manage.py quarantine retry {record.public_id}",
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def original(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The untouched bytes; always a download, for they may be hostile."""
        record = self.get_object(request, object_id)
        if not self.has_view_permission(request, record):
            raise Http404
        if record is None or record.original is None:
            raise Http404
        answer = HttpResponse(
            bytes(record.original.content), content_type="message/rfc822"
        )
        name = f"{record.public_id}.eml"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        answer["X-Content-Type-Options"] = "nosniff"
        answer["Cache-Control"] = "no-store"
        return answer

    def try_again(self, request: HttpRequest, record: IngestRecord) -> HttpResponse:
        self._release(request, [record])
        return self.response_post_save_change(request, record)

    @admin.action(description=_("Try again"), permissions=["press"])
    def try_selected_again(
        self, request: HttpRequest, queryset: models.QuerySet[IngestRecord]
    ) -> None:
        self._release(request, list(queryset))

    def has_press_permission(self, request: HttpRequest) -> bool:
        return self.may_press(request, None)

    def _release(self, request: HttpRequest, records: list[IngestRecord]) -> None:
        read = [record for record in records if record.source.active]
        freed = sum(quarantine.release(record) for record in read)
        if freed:
            text = ngettext(
                "%d mail is tried again with the next pass of ingest.",
                "%d mails are tried again with the next pass of ingest.",
                freed,
            )
            messages.success(request, text % freed)
        if len(read) < len(records):
            messages.warning(
                request,
                gettext(
                    "A source that is switched off is not read any more. Try its mail"
                    " again with: python manage.py quarantine retry --all"
                ),
            )
