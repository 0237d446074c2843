"""Webhooks made, changed, paused and removed: the verbs behind API and admin."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now

from webhooks import bell
from webhooks.models import Delivery, Secret, Webhook
from webhooks.rules import Checked, check, check_authorization


def create(values: Mapping[str, Any]) -> tuple[Webhook, Secret]:
    """A webhook and its secret. Raises `InvalidWebhookError`."""
    return add(check({"events": [], **values}))


@transaction.atomic
def add(checked: Checked) -> tuple[Webhook, Secret]:
    """What `check` has let through, saved."""
    webhook = Webhook.objects.create(**checked.values)
    secret = Secret.objects.create(webhook=webhook)
    webhook.refresh_from_db()
    return webhook, secret


def change(webhook: Webhook, values: Mapping[str, Any]) -> Webhook:
    """Raises `InvalidWebhookError`. A change of state moves its deliveries."""
    return amend(webhook, check(values))


@transaction.atomic
def amend(webhook: Webhook, checked: Checked) -> Webhook:
    """What `check` has let through, written over what was there."""
    locked = _locked(webhook)
    old = locked.state
    for name, value in checked.values.items():
        setattr(locked, name, value)
    check_authorization(locked.headers, locked.basic_auth)
    locked.save()
    if {"domains", "mailboxes"} & set(checked.values):
        Delivery.objects.all().cancel_unheard(locked)
    if locked.state != old:
        locked = _enter(locked, Webhook.State(locked.state))
    return locked


def _locked(webhook: Webhook) -> Webhook:
    return Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)


def _enter(webhook: Webhook, state: Webhook.State) -> Webhook:
    """Its deliveries follow; whoever is switched on starts with a clean sheet."""
    fresh: dict[str, Any] = {"state": state}
    if state == Webhook.State.ACTIVE:
        fresh |= {
            "state_reason": "",
            "failing_since": None,
            "consecutive_failures": 0,
            "breaker_until": None,
        }
        if webhook.told:
            # Of what comes next the staff are told anew.
            fresh["told"] = Webhook.Told.FAILING
    Webhook.objects.filter(pk=webhook.pk).update(**fresh)
    webhook.refresh_from_db()
    _move_deliveries(webhook)
    return webhook


@transaction.atomic
def delete(webhook: Webhook) -> None:
    """Told nothing any more; what it was told stays readable, its secrets go."""
    Webhook.objects.filter(pk=webhook.pk, deleted_at=None).update(deleted_at=Now())
    Secret.objects.filter(webhook=webhook).delete()
    Delivery.objects.filter(
        webhook=webhook, state__in=[Delivery.State.PENDING, Delivery.State.HELD]
    ).cancel()


@transaction.atomic
def enable(webhook: Webhook, *, with_exhausted: bool = False) -> Webhook:
    """Active again: what was held goes out, and on request what was given up.

    What was given up stays as it is; it goes out as a new delivery of the same event.
    """
    locked = _locked(webhook)
    if with_exhausted and locked.failing_since is not None:
        lost = Delivery.objects.heard_by(locked).filter(
            state=Delivery.State.EXHAUSTED,
            finished_at__gte=locked.failing_since,
        )
        newest = (
            Delivery.objects.filter(webhook=locked, event__in=lost.values("event"))
            .values("event", "body", "is_test")
            .annotate(last=Max("replay_no"))
            .order_by("event")
        )
        Delivery.objects.bulk_create(
            Delivery(
                event_id=row["event"],
                webhook=locked,
                body_id=row["body"],
                replay_no=row["last"] + 1,
                is_test=row["is_test"],
                state=Delivery.State.HELD,
            )
            for row in newest
        )
    return _enter(locked, Webhook.State.ACTIVE)


def _move_deliveries(webhook: Webhook) -> None:
    """Held while it is not active, due as soon as it is: nothing is dropped."""
    state = Delivery.State
    if webhook.state == Webhook.State.ACTIVE:
        moved = Delivery.objects.filter(webhook=webhook, state=state.HELD).update(
            state=state.PENDING, next_at=Now()
        )
        if moved:
            bell.ring()
    else:
        Delivery.objects.filter(webhook=webhook, state=state.PENDING).update(
            state=state.HELD
        )
