"""Mailboxes, their aliases, and the sources their mail is fetched from."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.utils.translation import gettext
from unfold.admin import ModelAdmin, TabularInline

from threads.models import Alias, Mailbox, Source
from threads.sources.base import SourceError
from threads.sources.maildir import Maildir

if TYPE_CHECKING:
    _SourceForm = ModelForm[Source]
else:
    _SourceForm = ModelForm


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
                raise ValidationError({"location": error.said(gettext)}) from error
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
