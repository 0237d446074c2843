"""Who tried to come in, who did, and whose second factor is to be taken away."""

from typing import ClassVar

from axes.admin import AccessAttemptAdmin as AxesAttemptAdmin
from axes.admin import AccessLogAdmin as AxesLogAdmin
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from threads.models import SecondFactor
from webhooks.admin.base import Titled
from webhooks.admin.cluster import SuperusersOnly

for model in (AccessAttempt, AccessLog, AccessFailureLog):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class ByName(Titled):
    def shown_name(self, obj: AccessAttempt | AccessLog) -> str:
        return obj.username or "–"


@admin.register(AccessAttempt)
class AttemptAdmin(SuperusersOnly, ByName, AxesAttemptAdmin, ModelAdmin):  # type: ignore[misc]
    """Deleting a row unlocks the name that is locked by it."""

    list_display = ("attempt_time", "username", "ip_address", "failures_since_start")
    list_filter: ClassVar = ["attempt_time"]
    fieldsets = (
        (None, {"fields": ("username", "ip_address", "failures_since_start")}),
        (_("Request"), {"fields": ("attempt_time", "path_info", "user_agent")}),
    )


@admin.register(AccessLog)
class LoginAdmin(SuperusersOnly, ByName, AxesLogAdmin, ModelAdmin):  # type: ignore[misc]
    list_display = ("attempt_time", "logout_time", "username", "ip_address")
    list_filter: ClassVar = ["attempt_time"]
    fieldsets = (
        (None, {"fields": ("username", "ip_address", "attempt_time", "logout_time")}),
        (_("Request"), {"fields": ("path_info", "user_agent")}),
    )


@admin.register(SecondFactor)
class SecondFactorAdmin(SuperusersOnly, ModelAdmin):  # type: ignore[misc]
    """Deleting one lets its owner in with the password alone; he can begin again."""

    list_display = ("user", "confirmed", "created_at")
    list_select_related = ("user",)
    fields = ("user", "confirmed", "created_at")
