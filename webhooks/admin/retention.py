"""How long what was told is kept: one number, on a page of its own."""

from typing import ClassVar

from django.contrib import admin
from unfold.admin import ModelAdmin

from webhooks.admin.base import OnlyOne
from webhooks.models import Retention
from webhooks.models.retention import days_kept


@admin.register(Retention)
class RetentionAdmin(OnlyOne, ModelAdmin):  # type: ignore[misc]
    fields = ("days",)
    in_force: ClassVar = {"days": days_kept}
