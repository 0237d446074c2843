"""How large a mail may be: one number, on a page of its own."""

from collections.abc import Mapping

from django.contrib import admin
from unfold.admin import ModelAdmin

from threads.models import Limits
from threads.models.limits import MEGABYTE, mail_bytes
from webhooks.admin.base import OnlyOne


@admin.register(Limits)
class LimitsAdmin(OnlyOne, ModelAdmin):  # type: ignore[misc]
    fields = ("mail_megabytes",)

    def in_force(self) -> Mapping[str, int]:
        return {"mail_megabytes": mail_bytes() // MEGABYTE}
