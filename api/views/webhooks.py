"""Webhooks: made, read, changed, tested; their deliveries, sent again."""

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import Problem
from api.inputs import ReplayInput, TestInput, WebhookChange, WebhookInput
from api.models import ApiKey
from api.pagination import Place, page
from api.parameters import Parameters, invalid, moment
from api.views.base import View, described
from threads.models import Mailbox
from webhooks import outbox, replays, rotation, rules, subscriptions
from webhooks.catalogue import EVENTS, TEST
from webhooks.models import Delivery, Webhook
from webhooks.serializers import delivery_json, replay_json, webhook_json

JSON = dict[str, Any]
_DELIVERIES = (
    *("state", "event", "thread", "created_since", "created_until"),
    *("limit", "cursor"),
)


def of_key(key: ApiKey) -> list[Webhook]:
    """A key bound to domains sees the webhooks that are bound to no others."""
    own = set(key.domains)
    return [
        webhook
        for webhook in Webhook.objects.present().order_by("pk")
        if not own or (webhook.domains and own.issuperset(webhook.domains))
    ]


def visible(key: ApiKey, webhook_id: str) -> Webhook:
    for webhook in of_key(key):
        if webhook.public_id == webhook_id:
            return webhook
    raise Http404


def bound(key: ApiKey, values: JSON, *, create: bool) -> JSON:
    """Keep a webhook within the domains of the key that makes or changes it."""
    known = list(Mailbox.objects.within(key.domains))
    for name, allowed in (
        ("domains", sorted({m.domain for m in known} | set(key.domains))),
        ("mailboxes", [m.address for m in known]),
    ):
        for value in values.get(name, []):
            if value not in allowed:
                fix = f"Allowed: {', '.join(allowed) or '(nothing)'}."
                raise invalid(name, f"{value!r} is not one of yours", fix)
    if key.domains and (create or "domains" in values) and not values.get("domains"):
        values = {**values, "domains": list(key.domains)}
    return values


class WebhookList(View):
    scopes: ClassVar = {"GET": "webhooks:manage", "POST": "webhooks:manage"}

    @described("WebhookPage")
    def get(self, request: Request) -> Response:
        """List webhooks."""
        Parameters(request, ())
        results = [webhook_json(webhook) for webhook in of_key(self.key)]
        return Response({"next": None, "previous": None, "results": results})

    @described("NewWebhook", status=201, request=WebhookInput)
    def post(self, request: Request) -> HttpResponse:
        """Create a webhook; the secret is in this one answer."""
        Parameters(request, ())
        asked = WebhookInput(data=request.data)
        asked.is_valid(raise_exception=True)
        values = bound(self.key, dict(asked.validated_data), create=True)

        # It asks a name server, so before the transaction that makes it repeatable.
        checked = rules.check(values)

        def act() -> Response:
            webhook, secret = subscriptions.add(checked)
            location = f"/api/v1/webhooks/{webhook.public_id}"
            return Response(
                {
                    **webhook_json(webhook, secret=secret),
                    "warnings": checked.warnings,
                },
                status=201,
                headers={"Location": location},
            )

        return self.once(act)


class WebhookDetail(View):
    scopes: ClassVar = dict.fromkeys(("GET", "PATCH", "DELETE"), "webhooks:manage")

    @described("Webhook")
    def get(self, request: Request, webhook_id: str) -> Response:
        """Read a webhook."""
        Parameters(request, ())
        return Response(webhook_json(visible(self.key, webhook_id)))

    @described("Webhook", request=WebhookChange)
    def patch(self, request: Request, webhook_id: str) -> Response:
        """Change a webhook; `"state": "active"` sends what was held."""
        Parameters(request, ())
        webhook = visible(self.key, webhook_id)
        asked = WebhookChange(data=request.data)
        asked.is_valid(raise_exception=True)
        values = bound(self.key, dict(asked.validated_data), create=False)
        return Response(webhook_json(subscriptions.change(webhook, values)))

    @described(status=204)
    def delete(self, request: Request, webhook_id: str) -> Response:
        """Delete a webhook; what waits for it is cancelled."""
        Parameters(request, ())
        subscriptions.delete(visible(self.key, webhook_id))
        return Response(status=204)


class WebhookTest(View):
    scopes: ClassVar = {"POST": "webhooks:manage"}

    @described("Delivery", status=202, request=TestInput)
    def post(self, request: Request, webhook_id: str) -> HttpResponse:
        """Send a test event; `{"event": …}` sends that shape."""
        Parameters(request, ())
        webhook = visible(self.key, webhook_id)
        asked = TestInput(data=request.data)
        asked.is_valid(raise_exception=True)
        kind = asked.validated_data.get("event", TEST)
        if kind not in (*EVENTS, TEST):
            fix = f"Allowed: {', '.join((*EVENTS, TEST))}."
            raise invalid("event", f"there is no event {kind}", fix)

        def act() -> Response:
            return Response(_fresh(outbox.test(webhook, kind)), status=202)

        return self.once(act)


class WebhookRotation(View):
    scopes: ClassVar = {"POST": "webhooks:manage"}

    @described("WebhookWithSecret")
    def post(self, request: Request, webhook_id: str) -> HttpResponse:
        """Renew the secret; the old one keeps signing beside it for 24 hours."""
        Parameters(request, ())
        webhook = visible(self.key, webhook_id)

        def act() -> Response:
            return Response(webhook_json(webhook, secret=rotation.rotate(webhook)))

        return self.once(act)


class WebhookDeliveries(View):
    scopes: ClassVar = {"GET": "webhooks:manage"}

    @described("DeliveryPage", query=_DELIVERIES)
    def get(self, request: Request, webhook_id: str) -> Response:
        """List a webhook's deliveries with their attempts, newest first."""
        asked = Parameters(request, _DELIVERIES)
        deliveries = within(self.key).filter(webhook=visible(self.key, webhook_id))
        if states := asked.choices("state", Delivery.State.values):
            deliveries = deliveries.filter(state__in=states)
        if types := asked.choices("event", (*EVENTS, TEST)):
            deliveries = deliveries.filter(event__type__in=types)
        if thread := asked.text("thread"):
            deliveries = deliveries.filter(event__thread=thread)
        if since := asked.moment("created_since"):
            deliveries = deliveries.filter(created_at__gte=since)
        if until := asked.moment("created_until"):
            deliveries = deliveries.filter(created_at__lt=until)
        return Response(
            page(Place.of(request), deliveries, "pk", asked.limit(), delivery_json)
        )


class WebhookReplay(View):
    scopes: ClassVar = {"POST": "webhooks:manage"}

    @described("Replay", status=202, request=ReplayInput)
    def post(self, request: Request, webhook_id: str) -> HttpResponse:
        """Send again all that was given up since a moment, a few at a time."""
        Parameters(request, ())
        webhook = visible(self.key, webhook_id)
        asked = ReplayInput(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        states = [values.get("state", str(Delivery.State.EXHAUSTED))]
        since = moment("since", values["since"])
        until = moment("until", values["until"]) if "until" in values else None

        def act() -> Response:
            job = replays.begin(
                webhook,
                since=since,
                until=until,
                states=states,
                domains=self.key.domains,
            )
            return Response(replay_json(job), status=202)

        return self.once(act)


class DeliveryReplay(View):
    scopes: ClassVar = {"POST": "webhooks:manage"}

    @described("Delivery", status=202)
    def post(self, request: Request, delivery_id: str) -> HttpResponse:
        """Send a delivery again: the same event, the same bytes."""
        Parameters(request, ())
        delivery = get_object_or_404(within(self.key), public_id=delivery_id)
        visible(self.key, delivery.webhook.public_id)
        if delivery.state not in {Delivery.State.SUCCEEDED, Delivery.State.EXHAUSTED}:
            raise Problem(
                "delivery_not_finished",
                f"The delivery is {delivery.state}; it is not finished yet.",
                http_status=409,
                fix="Wait for its next attempt, or enable the webhook.",
            )

        def act() -> Response:
            return Response(_fresh(outbox.replay(delivery)), status=202)

        return self.once(act)


def within(key: ApiKey) -> QuerySet[Delivery]:
    """A webhook may have had more domains before: of those a bound key sees nothing.

    A test tells of no mailbox, and is no part of the log.
    """
    if not key.domains:
        return _whole()
    own = Q(event__domain__in=key.domains) | Q(event__position=None)
    return _whole().filter(own)


def _whole() -> QuerySet[Delivery]:
    return Delivery.objects.select_related("event", "webhook").prefetch_related(
        "attempt_set"
    )


def _fresh(delivery: Delivery) -> JSON:
    return delivery_json(_whole().get(pk=delivery.pk))
