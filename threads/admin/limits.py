"""How large a mail may be: one number, on a page of its own."""

from typing import ClassVar

from django.contrib import admin
from unfold.admin import ModelAdmin

from threads.models import Limits
from threads.models.limits import MEGABYTE, mail_bytes
from webhooks.admin.base import OnlyOne


@admin.register(Limits)
class LimitsAdmin(OnlyOne, ModelAdmin):  # type: ignore[misc]
    fields = ("mail_megabytes",)
    in_force: ClassVar = {"mail_megabytes": lambda: mail_bytes() // MEGABYTE}
