"""Deliveries: what became of each, why, and once more."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from webhooks import bell, outbox, pace
from webhooks.admin.base import (
    MOST_COUNTED,
    Buttons,
    CappedPaginator,
    ShownOnly,
    column,
)
from webhooks.admin.events import DayFilter, KindFilter, named, pretty
from webhooks.admin.words import of_attempt, of_event, rests, why_not_delivered
from webhooks.models import Delivery, Event
from webhooks.models.delivery import DeliveryQuerySet

State = Delivery.State
COLOURS = {
    "pending": "info",
    "claimed": "info",
    "succeeded": "success",
    "exhausted": "danger",
    "held": "warning",
    "cancelled": "default",
}
_FINISHED = (State.SUCCEEDED, State.EXHAUSTED)


def _one(delivery: Delivery) -> DeliveryQuerySet:
    return Delivery.objects.filter(pk=delivery.pk)


def _told(request: HttpRequest, waited: int, done: str) -> bool:
    """Whether anything was done; a worker may have been faster."""
    if waited:
        bell.ring()
        messages.success(request, done)
    else:
        messages.warning(request, gettext("It does not wait any more."))
    return bool(waited)


class EventFilter(KindFilter):
    field = "event__type"


@admin.register(Delivery)
class DeliveryAdmin(Buttons, ShownOnly, ModelAdmin):  # type: ignore[misc]
    change_form_template = "admin/webhooks/delivery/change_form.html"
    list_display = ("name", "code", "webhook", "shown_state", "attempts", "created_at")
    list_filter = (
        "state",
        "webhook",
        ("created_at", DayFilter),
        EventFilter,
    )
    list_filter_submit = True
    list_select_related = ("event", "webhook")
    search_fields = ("public_id",)
    search_help_text = _("The id of a delivery, an event or a thread.")
    show_full_result_count = False
    list_per_page = 50
    paginator = CappedPaginator
    show_facets = admin.ShowFacets.NEVER
    fieldsets = ((None, {"fields": ()}),)
    actions = ("send_failed_again",)
    buttons: ClassVar = {
        "send_again": _("Sent again."),
        "try_now": _("Tried at once."),
        "give_up": _("Given up."),
    }

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """The events first: an OR over two tables would use neither one's index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        events = Event.objects.filter(named(term)).order_by("-pk").values_list("pk")
        found = [pk for (pk,) in events[:MOST_COUNTED]]
        return queryset.filter(
            models.Q(public_id=term) | models.Q(event__in=found)
        ), False

    @column(_("event"), ordering="event__type")
    def name(self, obj: Delivery) -> str:
        return of_event(obj.event.type)

    @column(_("code"))
    def code(self, obj: Delivery) -> str:
        return obj.event.type

    @column(_("state"), ordering="state", label=COLOURS)
    def shown_state(self, obj: Delivery) -> tuple[str, str]:
        return obj.state, obj.get_state_display()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        delivery: Delivery = kwargs["obj"]
        attempts = list(delivery.attempt_set.all())
        last = attempts[-1] if attempts else None
        pending = delivery.state == State.PENDING
        before = pace.before(delivery) if pending else None
        context |= {
            "delivery": delivery,
            "words": of_event(delivery.event.type),
            "colour": COLOURS[delivery.state],
            "why": why_not_delivered(delivery, last, before),
            "before": before,
            "attempts": [{"row": a, "verdict": of_attempt(a)} for a in attempts],
            "finished": delivery.state in _FINISHED,
            "pending": pending,
            # Else it would be due, and wait for something else.
            "may_try": before is None and not rests(delivery.webhook),
            "body": pretty(bytes(delivery.body.body)),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def send_again(self, request: HttpRequest, delivery: Delivery) -> HttpResponse:
        if delivery.state not in _FINISHED:
            messages.warning(request, gettext("It is not finished yet."))
            return HttpResponseRedirect(self.page_of(delivery))
        try:
            again = outbox.replay(delivery)
        except outbox.NotTellableError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(self.page_of(delivery))
        messages.success(request, gettext("It goes out again: this is the new one."))
        return HttpResponseRedirect(self.page_of(again))

    def try_now(self, request: HttpRequest, delivery: Delivery) -> bool:
        return _told(request, _one(delivery).hurry(), gettext("It is due now."))

    def give_up(self, request: HttpRequest, delivery: Delivery) -> bool:
        """What stands behind it in the order may go."""
        done = gettext("It is not tried any more.")
        return _told(request, _one(delivery).give_up(), done)

    @admin.action(
        description=_("Send again what was given up"),
        permissions=["press"],
    )
    def send_failed_again(
        self, request: HttpRequest, queryset: models.QuerySet[Delivery]
    ) -> None:
        """Since when and to whom, the filters say; "all" takes every page of them."""
        failed = queryset.filter(state=State.EXHAUSTED, webhook__deleted_at=None)
        sent = 0
        refused: dict[str, None] = {}
        for delivery in failed.select_related("webhook").order_by("pk"):
            try:
                outbox.replay(delivery)
            except outbox.NotTellableError as error:
                refused[str(error)] = None
            else:
                sent += 1
        for words in refused:
            messages.warning(request, words)
        text = ngettext(
            "%d delivery goes out again.", "%d deliveries go out again.", sent
        )
        messages.success(request, text % sent)

    def has_press_permission(self, request: HttpRequest) -> bool:
        return self.may_press(request, None)
