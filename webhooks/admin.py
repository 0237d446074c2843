"""The staff site of this room: webhooks, and what became of each delivery."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from webhooks import outbox, rules, subscriptions
from webhooks.catalogue import EVENTS, TEST
from webhooks.models import Attempt, Delivery, Secret, Webhook

if TYPE_CHECKING:
    _WebhookForm = forms.ModelForm[Webhook]
else:
    _WebhookForm = forms.ModelForm


class WebhookForm(_WebhookForm):
    events = forms.MultipleChoiceField(
        label=_("events"),
        choices=[(name, name) for name in EVENTS],
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Webhook
        fields = (
            "url",
            "events",
            "mailboxes",
            "domains",
            "timeout",
            "include_auto",
            "include_spam",
            "include_body",
        )

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            rules.check_url(url)
        except rules.InvalidWebhookError as error:
            raise ValidationError(f"{error.detail} {error.fix}".strip()) from error
        return url


@admin.register(Webhook)
class WebhookAdmin(ModelAdmin):  # type: ignore[misc]
    form = WebhookForm
    list_display = ("url", "state", "last_success_at", "failing_since")
    list_filter = ("state",)
    actions: ClassVar = ["pause", "enable", "send_test"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Webhook]:
        return Webhook.objects.present()

    def save_model(
        self,
        request: HttpRequest,
        obj: Webhook,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            secret = Secret.objects.create(webhook=obj)
            messages.success(request, gettext("Webhook secret: %s") % secret.value)

    def delete_model(self, request: HttpRequest, obj: Webhook) -> None:
        subscriptions.delete(obj)

    def delete_queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Webhook]
    ) -> None:
        for webhook in queryset:
            subscriptions.delete(webhook)

    @admin.action(description=_("Pause"))
    def pause(self, request: HttpRequest, queryset: models.QuerySet[Webhook]) -> None:
        for webhook in queryset:
            subscriptions.change(webhook, {"state": Webhook.State.PAUSED})

    @admin.action(description=_("Enable with backlog"))
    def enable(self, request: HttpRequest, queryset: models.QuerySet[Webhook]) -> None:
        for webhook in queryset:
            subscriptions.enable(webhook, with_exhausted=True)

    @admin.action(description=_("Send test event"))
    def send_test(
        self, request: HttpRequest, queryset: models.QuerySet[Webhook]
    ) -> None:
        for webhook in queryset:
            outbox.test(webhook, TEST)


class AttemptInline(TabularInline):  # type: ignore[misc]
    model = Attempt
    extra = 0
    can_delete = False
    fields = ("number", "started_at", "duration_ms", "status", "error", "error_detail")
    readonly_fields = fields

    def has_add_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return False


@admin.register(Delivery)
class DeliveryAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("event", "webhook", "state", "attempts", "next_at")
    list_filter = ("state", "webhook")
    list_select_related = ("event", "webhook")
    inlines: ClassVar = [AttemptInline]
    fields = ("event", "webhook", "state", "attempts", "next_at", "created_at")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return False
