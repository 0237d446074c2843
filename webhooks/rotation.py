"""A webhook's secret changes over: the old one signs a day longer, or no more."""

from django.db import transaction
from django.db.models.functions import Now

from webhooks.leases import in_seconds
from webhooks.models import Secret, Webhook

OVERLAP_SECONDS = 24 * 60 * 60


@transaction.atomic
def rotate(webhook: Webhook) -> Secret:
    """A new secret; those before it keep signing for 24 hours."""
    _lock(webhook)
    Secret.objects.filter(webhook=webhook, expires_at=None).update(
        expires_at=in_seconds(OVERLAP_SECONDS)
    )
    return Secret.objects.create(webhook=webhook)


@transaction.atomic
def retire(webhook: Webhook) -> int:
    """The old secrets sign nothing any more; says how many did."""
    _lock(webhook)
    old = Secret.objects.live().filter(webhook=webhook, expires_at__isnull=False)
    return old.update(expires_at=Now())


def current(webhook: Webhook) -> Secret:
    """The one to show: it does not expire."""
    return Secret.objects.filter(webhook=webhook, expires_at=None).latest("pk")


def _lock(webhook: Webhook) -> None:
    Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
