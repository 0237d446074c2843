"""Who tried to come in, who did, and whose second factor is to be taken away."""

from typing import ClassVar

from axes.admin import AccessAttemptAdmin as AxesAttemptAdmin
from axes.admin import AccessLogAdmin as AxesLogAdmin
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from threads.models import SecondFactor


class SuperusersLookAndDelete(ModelAdmin):  # type: ignore[misc]
    """Nothing is made or changed here; taking a row away is the whole act."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return self.has_view_permission(request)


for model in (AccessAttempt, AccessLog, AccessFailureLog):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(AccessAttempt)
class AttemptAdmin(SuperusersLookAndDelete, AxesAttemptAdmin):  # type: ignore[misc]
    """Deleting a row unlocks the name that is locked by it."""

    list_display = ("attempt_time", "username", "ip_address", "failures_since_start")
    list_filter: ClassVar = ["attempt_time"]
    fieldsets = (
        (None, {"fields": ("username", "ip_address", "failures_since_start")}),
        (_("Request"), {"fields": ("attempt_time", "path_info", "user_agent")}),
    )


@admin.register(AccessLog)
class LoginAdmin(SuperusersLookAndDelete, AxesLogAdmin):  # type: ignore[misc]
    list_display = ("attempt_time", "logout_time", "username", "ip_address")
    list_filter: ClassVar = ["attempt_time"]
    fieldsets = (
        (None, {"fields": ("username", "ip_address", "attempt_time", "logout_time")}),
        (_("Request"), {"fields": ("path_info", "user_agent")}),
    )


@admin.register(SecondFactor)
class SecondFactorAdmin(SuperusersLookAndDelete):
    """Deleting one lets its owner in with the password alone; he can begin again."""

    list_display = ("user", "confirmed", "created_at")
    list_select_related = ("user",)
    fields = ("user", "confirmed", "created_at")
