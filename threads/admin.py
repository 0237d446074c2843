"""The staff site of this room: mailboxes, sources, people, threads to read."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import ValidationError
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from threads.models import (
    Alias,
    IngestRecord,
    Mailbox,
    Message,
    Source,
    Tag,
    Team,
    Thread,
    User,
)
from threads.sources.base import SourceError
from threads.sources.maildir import Maildir

if TYPE_CHECKING:
    _SourceForm = ModelForm[Source]
else:
    _SourceForm = ModelForm


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """What verbs write, the staff site only shows: an edit would skip its event."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self,
        request: HttpRequest,
        obj: models.Model | None = None,
    ) -> bool:
        return False

    def has_delete_permission(
        self,
        request: HttpRequest,
        obj: models.Model | None = None,
    ) -> bool:
        return False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """`admin_url` names rows by their public id."""
        return super().get_object(request, object_id, from_field or "public_id")

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        return to_field == "public_id" or super().to_field_allowed(request, to_field)


class AliasInline(TabularInline):  # type: ignore[misc]
    model = Alias
    extra = 0


class SourceForm(_SourceForm):
    def clean(self) -> dict[str, Any]:
        """A source that can't be opened is refused now, not at night."""
        cleaned = super().clean() or {}
        if cleaned.get("kind") == Source.Kind.MAILDIR and cleaned.get("location"):
            try:
                Maildir(cleaned["location"])
            except SourceError as error:
                raise ValidationError({"location": str(error)}) from error
        return cleaned


class SourceInline(TabularInline):  # type: ignore[misc]
    model = Source
    form = SourceForm
    extra = 0
    fields = ("kind", "location", "active", "start", "since", "report_old")


@admin.register(Mailbox)
class MailboxAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("address", "name", "domain")
    search_fields = ("address", "name")
    inlines: ClassVar = [AliasInline, SourceInline]
    fields = ("address", "name", "trusted_authserv_ids", "strict")


@admin.register(Source)
class SourceAdmin(ModelAdmin):  # type: ignore[misc]
    form = SourceForm
    list_display = ("location", "mailbox", "kind", "active", "last_pass_at")
    list_filter = ("active", "kind")
    fields = (
        "mailbox",
        "kind",
        "location",
        "active",
        "start",
        "since",
        "report_old",
        "last_pass_at",
        "last_error",
    )
    readonly_fields = ("last_pass_at", "last_error")


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


@admin.register(IngestRecord)
class QuarantineAdmin(ReadOnlyAdmin):
    list_display = ("ref", "source", "size", "received_at")
    list_select_related = ("source",)
    fields = ("source", "ref", "size", "state", "last_error", "received_at")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        quarantined = IngestRecord.State.QUARANTINED
        return super().get_queryset(request).filter(state=quarantined)  # type: ignore[no-any-return]


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "first_name", "last_name", "is_active")
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    "username",
                    "email",
                    "usable_password",
                    "password1",
                    "password2",
                )
            },
        ),
    )
    fieldsets = (
        (None, {"fields": ("username", "email", "language", "password")}),
        (_("name"), {"fields": ("first_name", "last_name")}),
        (
            _("permissions"),
            {"fields": ("is_active", "is_staff", "is_superuser", "groups")},
        ),
    )


@admin.register(Team)
class TeamAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("name",)
    filter_horizontal = ("members",)


@admin.register(Tag)
class TagAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("name",)
