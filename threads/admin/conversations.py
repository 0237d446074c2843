"""Threads and their messages."""

from typing import ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from threads.admin.base import ReadOnlyAdmin
from threads.models import Message, Tag, Thread


class MessageInline(TabularInline):  # type: ignore[misc]
    model = Message
    fk_name = "thread"
    extra = 0
    can_delete = False
    fields = ("received_at", "direction", "sender", "subject", "body_text", "status")
    readonly_fields = fields

    def has_add_permission(
        self,
        request: HttpRequest,
        obj: models.Model | None = None,
    ) -> bool:
        return False


@admin.register(Thread)
class ThreadAdmin(ReadOnlyAdmin):
    list_display = ("subject", "customer", "mailbox", "status", "assignee")
    list_filter = ("status", "mailbox", "priority")
    list_select_related = ("customer", "mailbox", "assignee")
    search_fields = ("subject", "customer__address")
    inlines: ClassVar = [MessageInline]
    exclude = ("participants", "related", "merged_ids", "tags")


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ("subject", "sender", "mailbox", "direction", "status")
    list_select_related = ("mailbox",)
    fields = (
        "thread",
        "direction",
        "sender",
        "delivered_to",
        "subject",
        "body_text",
        "received_at",
        "status",
        "why_rule",
        "why_evidence",
    )


@admin.register(Tag)
class TagAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("name",)
