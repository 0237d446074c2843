"""How webhooks fare over days: who fails for long is told of, and switched off.

Run every minute, by many machines at once: each step is one conditional UPDATE, and
whoever's UPDATE counts sends the mail.
"""

import logging
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from webhooks.models import Delivery, Webhook
from webhooks.outbox import NewEvent, publish

log = logging.getLogger(__name__)

TOLD_AFTER = timedelta(hours=1)
OFF_AFTER = timedelta(days=5)
# One event that nobody takes in five days is no reason yet.
LEAST_FAILURES = 20
GONE = gettext_noop("It answered 410 Gone.")
FAILED_FOR_DAYS = gettext_noop("Everything failed for five days.")

Told = Webhook.Told


def look_after() -> None:
    """Switch off who failed for days, and tell the staff of each turn."""
    for pk in _pks(_hopeless()):
        _give_up(pk)
    for told, due in (
        (Told.FAILING, _failing()),
        (Told.OFF, _switched_off()),
        (Told.NOTHING, _recovered()),
    ):
        for pk in _pks(due):
            _tell(pk, due, told)


def switch_off(webhook: Webhook, *, error: str, reason: str) -> NewEvent:
    """Its row is locked; the event is the caller's to publish."""
    Webhook.objects.filter(pk=webhook.pk).update(
        state=Webhook.State.OFF, state_reason=reason
    )
    Delivery.objects.filter(webhook=webhook, state=Delivery.State.PENDING).update(
        state=Delivery.State.HELD
    )
    return NewEvent(
        type="webhook.disabled",
        cause=f"webhook:{webhook.public_id}:off:{uuid4()}",
        domain=webhook.domains[0] if len(webhook.domains) == 1 else "",
        subject=_("A webhook was switched off: %s") % webhook,
        body_text=_("%(reason)s Nothing is sent to %(webhook)s any more.")
        % {"reason": _(reason), "webhook": webhook}
        + " "
        + _("What it misses is held; switch the webhook on again to send it."),
        data={
            "actor": {"type": "system", "id": "", "name": "MailBelly"},
            "error": {"code": error, "detail": reason},
        },
    )


def _pks(webhooks: Q) -> list[int]:
    found = Webhook.objects.present().filter(webhooks).order_by("pk")
    return list(found.values_list("pk", flat=True)[:100])


def _hopeless() -> Q:
    return Q(
        state=Webhook.State.ACTIVE,
        failing_since__lt=Now() - OFF_AFTER,
        consecutive_failures__gte=LEAST_FAILURES,
    )


def _failing() -> Q:
    """Since an hour, and not told since it began."""
    untold = Q(told_at=None) | Q(told_at__lt=F("failing_since"))
    return untold & Q(state=Webhook.State.ACTIVE, failing_since__lt=Now() - TOLD_AFTER)


def _switched_off() -> Q:
    """By us: whoever switches one off by hand knows."""
    return Q(state=Webhook.State.OFF) & ~Q(state_reason="") & ~Q(told=Told.OFF)


def _recovered() -> Q:
    return Q(
        state=Webhook.State.ACTIVE,
        failing_since=None,
        last_success_at__gt=F("told_at"),
    ) & ~Q(told=Told.NOTHING)


@transaction.atomic
def _give_up(pk: int) -> None:
    webhook = (
        Webhook.objects.select_for_update(no_key=True)
        .filter(_hopeless(), pk=pk)
        .first()
    )
    if webhook is not None:
        publish([switch_off(webhook, error="failing", reason=FAILED_FOR_DAYS)])


def _tell(pk: int, due: Q, told: str) -> None:
    """Noted first, so that one machine of many sends it; taken back when it can't."""
    webhook = Webhook.objects.filter(due, pk=pk).first()
    if webhook is None:
        return
    mine = Webhook.objects.filter(due, pk=pk)
    if not mine.update(told=told, told_at=Now()):
        return
    try:
        _mail(webhook, told)
    except OSError:
        log.exception("The staff could not be told of webhook %s", webhook)
        Webhook.objects.filter(pk=pk, told=told).update(
            told=webhook.told, told_at=webhook.told_at
        )


def _mail(webhook: Webhook, told: str) -> None:
    """To whoever may mend it, in their own language. Raises `OSError`."""
    if settings.EMAIL_BACKEND.endswith("smtp.EmailBackend") and not settings.EMAIL_HOST:
        log.warning("EMAIL_HOST is not set, so nobody is told: webhook %s", webhook)
        return
    page = f"{settings.PUBLIC_URL}/admin/webhooks/webhook/{webhook.pk}/change/"
    for person in _staff():
        with translation.override(person.language):
            subject, text = _words(webhook, told)
            send_mail(subject, f"{text}\n\n{page}\n", None, [person.email])


def _staff() -> Any:
    everybody: Any = get_user_model().objects
    backend = "django.contrib.auth.backends.ModelBackend"
    able = everybody.with_perm("webhooks.change_webhook", backend=backend)
    return able.filter(is_staff=True).exclude(email="").order_by("pk")


def _words(webhook: Webhook, told: str) -> tuple[str, str]:
    if told == Told.FAILING:
        return (
            _("Webhook %s has been failing for an hour") % webhook,
            _(
                "It is tried again by itself. If everything fails for five days, it is"
                " switched off; what it misses is then held."
            ),
        )
    if told == Told.OFF:
        return (
            _("Webhook %s has been switched off") % webhook,
            _(webhook.state_reason)
            + " "
            + _("What it misses is held; switch the webhook on again to send it."),
        )
    return (
        _("Webhook %s works again") % webhook,
        _("What was given up while it failed can be sent again from its page."),
    )
