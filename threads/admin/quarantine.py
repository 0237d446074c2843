"""Mail that could not be understood."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from threads.admin.base import ReadOnlyAdmin
from threads.models import IngestRecord


@admin.register(IngestRecord)
class QuarantineAdmin(ReadOnlyAdmin):
    list_display = ("ref", "source", "size", "received_at")
    list_select_related = ("source",)
    fields = ("source", "ref", "size", "state", "last_error", "received_at")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        quarantined = IngestRecord.State.QUARANTINED
        return super().get_queryset(request).filter(state=quarantined)  # type: ignore[no-any-return]
