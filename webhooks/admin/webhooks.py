"""Webhooks: made, changed, tried, paused; their secrets shown, renewed and retired."""

from datetime import datetime, time
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    QueryDict,
)
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.timezone import localdate
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from webhooks import delivery, outbox, record, replays, rotation, subscriptions
from webhooks.admin.base import Buttons, WithoutTransaction, column
from webhooks.admin.form import WebhookForm
from webhooks.admin.words import of_attempt, of_event
from webhooks.catalogue import TEST
from webhooks.fields import UnreadableSecretError
from webhooks.models import Delivery, Replay, Secret, Webhook

STATE_COLOURS = {"active": "success", "paused": "warning", "off": "danger"}
_RECENT = 10
_SPANS = (_("Last day"), _("Last 30 days"))


@admin.register(Webhook)
class WebhookAdmin(Buttons, ModelAdmin, WithoutTransaction):  # type: ignore[misc]
    form = WebhookForm
    add_label = _("New webhook")
    change_form_template = "admin/webhooks/webhook/change_form.html"
    list_display = ("target", "shown_state", "listens_to", "last_success_at", "failing")
    list_filter = ("state",)
    search_fields = ("url",)
    fieldsets = (
        (None, {"fields": ("url", "events")}),
        (
            _("Only for"),
            {"classes": ["collapse"], "fields": ("mailboxes", "domains")},
        ),
        (
            _("What is sent along"),
            {"fields": ("include_auto", "include_spam", "include_body")},
        ),
        (
            _("Headers and basic auth"),
            {
                "classes": ["collapse"],
                "fields": ("new_headers", "drop_headers", "username", "password"),
            },
        ),
        (
            _("Speed"),
            {
                "classes": ["collapse"],
                "fields": ("timeout", "max_in_flight", "rate_limit", "ordered"),
            },
        ),
    )
    buttons: ClassVar = {
        "reveal": _("The webhook secret was shown."),
        "rotate_secret": _("The webhook secret was renewed."),
        "retire_secret": _("The old webhook secret was retired."),
        "send_test": _("A test event was sent."),
        "replay_failed": _("What was given up was sent again."),
        "enable": _("Enabled."),
        "enable_with_backlog": _("Enabled with backlog."),
        "pause": _("Paused."),
        "switch_off": _("Switched off."),
    }

    # --- The list -----------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Webhook]:
        return Webhook.objects.present()

    @column(_("URL"), ordering="url")
    def target(self, obj: Webhook) -> str:
        return obj.url

    @column(_("state"), ordering="state", label=STATE_COLOURS)
    def shown_state(self, obj: Webhook) -> tuple[str, str]:
        return obj.state, obj.get_state_display()

    @column(_("events"))
    def listens_to(self, obj: Webhook) -> str:
        return ", ".join(obj.events[:2]) + (" …" if len(obj.events) > 2 else "")  # noqa: PLR2004 -- two fit

    @column(_("failing since"), ordering="failing_since")
    def failing(self, obj: Webhook) -> Any:
        return obj.failing_since

    # --- The page -----------------------------------------------------------------

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (webhook := kwargs.get("obj")) is not None:
            context |= self._about(request, webhook)
        return super().render_change_form(request, context, *args, **kwargs)

    def _about(self, request: HttpRequest, webhook: Webhook) -> dict[str, Any]:
        mine = Delivery.objects.filter(webhook=webhook)
        states = (Delivery.State.HELD, Delivery.State.EXHAUSTED)
        waiting = mine.filter(state__in=states).order_by().values_list("state")
        counted = dict(waiting.annotate(models.Count("pk")))
        deliveries = reverse("admin:webhooks_delivery_changelist")
        asked = request.GET.get("tested")
        tested = mine.filter(public_id=asked).first() if asked else None
        return {
            "webhook": webhook,
            "state_colour": STATE_COLOURS[webhook.state],
            "old_secrets": Secret.objects.live()
            .filter(webhook=webhook, expires_at__isnull=False)
            .count(),
            "held": counted.get(Delivery.State.HELD, 0),
            "records": list(zip(_SPANS, record.of(webhook), strict=True)),
            "jobs": Replay.objects.filter(webhook=webhook, finished_at=None),
            "exhausted": counted.get(Delivery.State.EXHAUSTED, 0),
            "since": localdate(webhook.failing_since or timezone.now()),
            "recent": [
                (sent, of_event(sent.event.type))
                for sent in mine.select_related("event").order_by("-pk")[:_RECENT]
            ],
            "deliveries_url": f"{deliveries}?webhook__id__exact={webhook.pk}",
            "tested": tested,
            "attempt": (attempt := tested and tested.attempt_set.last()),
            "verdict": of_attempt(attempt) if attempt else "",
        }

    # --- Saving -------------------------------------------------------------------

    def save_model(
        self, request: HttpRequest, obj: Webhook, form: Any, change: Any
    ) -> None:
        if change:
            subscriptions.amend(obj, form.checked)
        else:
            made, _secret = subscriptions.add(form.checked)
            obj.pk = made.pk
        obj.refresh_from_db()
        for warning in form.checked.warnings:
            messages.warning(request, warning)

    def response_add(
        self, request: HttpRequest, obj: Webhook, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Stay: its secret is what one came for."""
        self._stay(request)
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Webhook) -> HttpResponse:
        self._stay(request)
        return super().response_change(request, obj)

    def _stay(self, request: HttpRequest) -> None:
        request.POST = QueryDict(request.POST.urlencode() + "&_continue=1")

    def delete_model(self, request: HttpRequest, obj: Webhook) -> None:
        subscriptions.delete(obj)

    def delete_queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Webhook]
    ) -> None:
        for webhook in queryset:
            subscriptions.delete(webhook)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Its deliveries stay readable: nothing else goes with it."""
        return [str(obj) for obj in objs], {}, set(), []

    # --- Buttons ------------------------------------------------------------------

    def reveal(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        """The one way the secret leaves the server again."""
        try:
            secret = rotation.current(webhook).value
        except UnreadableSecretError as error:
            return JsonResponse({"error": str(error)}, status=409)
        answer = JsonResponse({"secret": secret})
        answer["Cache-Control"] = "no-store"
        return answer

    def rotate_secret(self, request: HttpRequest, webhook: Webhook) -> None:
        rotation.rotate(webhook)
        messages.success(
            request,
            gettext("There is a new secret. The old one keeps signing for 24 hours."),
        )

    def retire_secret(self, request: HttpRequest, webhook: Webhook) -> None:
        rotation.retire(webhook)
        messages.success(request, gettext("Only the newest secret signs from now on."))

    def send_test(self, request: HttpRequest, webhook: Webhook) -> HttpResponse | None:
        try:
            sent = outbox.test(webhook, TEST)
        except outbox.NotTellableError as error:
            messages.error(request, str(error))
            return None
        delivery.deliver_now(sent)
        query = urlencode({"tested": sent.public_id})
        return HttpResponseRedirect(f"{self.page_of(webhook)}?{query}")

    def replay_failed(self, request: HttpRequest, webhook: Webhook) -> None:
        """Since the day that was chosen; without one, since it began to fail."""
        try:
            day = forms.DateField().clean(request.POST.get("since", ""))
        except forms.ValidationError:
            messages.error(request, gettext("Choose the day to begin with."))
            return
        since = timezone.make_aware(datetime.combine(day, time()))
        job = replays.begin(webhook, since=since)
        text = ngettext(
            "%d delivery goes out again, little by little.",
            "%d deliveries go out again, little by little.",
            job.total,
        )
        messages.success(request, text % job.total)

    def enable(self, request: HttpRequest, webhook: Webhook) -> None:
        subscriptions.enable(webhook)

    def enable_with_backlog(self, request: HttpRequest, webhook: Webhook) -> None:
        subscriptions.enable(webhook, with_exhausted=True)

    def pause(self, request: HttpRequest, webhook: Webhook) -> None:
        subscriptions.change(webhook, {"state": Webhook.State.PAUSED})

    def switch_off(self, request: HttpRequest, webhook: Webhook) -> None:
        subscriptions.change(webhook, {"state": Webhook.State.OFF})
