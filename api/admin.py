"""The staff site of this room: keys, shown once."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from api.models import ApiKey
from api.models.key import SCOPES, default_scopes
from threads.admin.mailboxes import domains
from webhooks.admin.base import Buttons, column
from webhooks.admin.form import Choices

if TYPE_CHECKING:
    _Form = forms.ModelForm[ApiKey]
else:
    _Form = forms.ModelForm

_WORDS = {
    "threads:read": _("Read threads, messages and attachments"),
    "threads:write": _("Change threads: status, assignee, tags, notes, merging"),
    "messages:send": _("Reply to people in a thread"),
    "messages:send_any": _("Send mail to anybody"),
    "events:read": _("Read the event log"),
    "webhooks:manage": _("Manage webhooks and their deliveries"),
}


def _scopes() -> list[tuple[str, str]]:
    return [(scope, str(_WORDS[scope])) for scope in SCOPES]


class ApiKeyForm(_Form):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=_scopes,
        initial=default_scopes,
        widget=Choices(codes=True),
    )
    domains = forms.MultipleChoiceField(
        label=_("Only these domains"),
        required=False,
        widget=Choices(),
        help_text=_("None ticked: all domains, also those that come later."),
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "domains", "rate_limit", "expires_at")

    def clean_expires_at(self) -> datetime | None:
        """Dead on arrival is nobody's wish; a key that has expired may stay so."""
        moment: datetime | None = self.cleaned_data["expires_at"]
        changed = "expires_at" in self.changed_data
        if moment and changed and moment <= timezone.now():
            raise forms.ValidationError(gettext("Choose a moment in the future."))
        return moment

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("domains")
        if isinstance(field, forms.MultipleChoiceField):
            bound = self.instance.domains or []
            field.choices = [(n, n) for n in dict.fromkeys([*domains(), *bound])]


@admin.register(ApiKey)
class ApiKeyAdmin(Buttons, ModelAdmin):  # type: ignore[misc]
    form = ApiKeyForm
    add_label = _("New API key")
    change_form_template = "admin/api/apikey/change_form.html"
    list_display = ("name", "begins_with", "state", "bound_to", "last_used_at")
    search_fields = ("name", "prefix")
    fieldsets = (
        (None, {"fields": ("name", "scopes", "domains")}),
        (_("Limits"), {"fields": ("rate_limit", "expires_at")}),
    )
    buttons: ClassVar = {"revoke": _("Revoked.")}

    @column(_("begins with"))
    def begins_with(self, obj: ApiKey) -> str:
        return f"{obj.prefix}…"

    @column(_("domains"))
    def bound_to(self, obj: ApiKey) -> str:
        return ", ".join(obj.domains) or gettext("all")

    @column(
        _("state"),
        label={"active": "success", "expired": "warning", "revoked": "danger"},
    )
    def state(self, obj: ApiKey) -> tuple[str, str]:
        if obj.revoked_at is not None:
            return "revoked", gettext("revoked")
        if obj.expires_at is not None and obj.expires_at <= timezone.now():
            return "expired", gettext("expired")
        return "active", gettext("active")

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: Any, change: Any
    ) -> None:
        if not change:
            # For this one answer only: in no message, cookie, session or log.
            request.made_key = obj.make()  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The key stands in the answer to the POST that made it, and nowhere else."""
        context = {
            **self.admin_site.each_context(request),
            "title": obj.name,
            "opts": self.opts,
            "key": request.made_key,  # type: ignore[attr-defined]
            "page": self.page_of(obj),
        }
        answer = TemplateResponse(request, "admin/api/apikey/made.html", context)
        answer["Cache-Control"] = "no-store"
        return answer

    def has_delete_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return False

    def revoke(self, request: HttpRequest, key: ApiKey) -> None:
        ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now())
        messages.success(request, gettext("The key works no more."))
