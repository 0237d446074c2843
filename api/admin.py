"""The staff site of this room: keys, shown once."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import models
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from api.models import ApiKey


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "prefix", "last_used_at", "expires_at", "revoked_at")
    fields = ("name", "scopes", "domains", "rate_limit", "expires_at")
    actions: ClassVar = ["revoke"]

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiKey,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        if not change:
            plain = obj.make()
            messages.success(
                request,
                gettext("You see this key only once. Copy it now: %s") % plain,
            )
        super().save_model(request, obj, form, change)

    def has_delete_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return False

    @admin.action(description=_("Revoke"))
    def revoke(self, request: HttpRequest, queryset: models.QuerySet[ApiKey]) -> None:
        queryset.filter(revoked_at=None).update(revoked_at=Now())
