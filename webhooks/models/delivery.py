"""One event on its way to one webhook, and each HTTP request of that way."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Least, Now
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from webhooks.fields import PublicIdField
from webhooks.models.event import Event, EventBody
from webhooks.models.webhook import Webhook
from webhooks.wording import shown


def _heard(webhook: Webhook) -> Q:
    own = Q()
    if webhook.domains:
        own &= Q(event__domain__in=webhook.domains)
    if webhook.mailboxes:
        own &= Q(event__mailbox__in=webhook.mailboxes)
    # A test goes where it was sent to.
    return own | Q(event__position=None) if own else own


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def heard_by(self, webhook: Webhook) -> "DeliveryQuerySet":
        """Those of a webhook whose events it may still hear (`Webhook.hears`)."""
        return self.filter(_heard(webhook), webhook=webhook)

    def cancel_unheard(self, webhook: Webhook) -> None:
        """Whoever may read it now need not be meant by what was kept for it."""
        waiting = self.filter(
            state__in=[Delivery.State.PENDING, Delivery.State.HELD], webhook=webhook
        )
        waiting.exclude(_heard(webhook)).cancel()

    def cancel(self) -> None:
        self.update(state=Delivery.State.CANCELLED, finished_at=Now())

    def hurry(self) -> int:
        """What waits for its next attempt is due now; says how many wait.

        What is due already keeps its place among the others.
        """
        return self.filter(state=Delivery.State.PENDING).update(
            next_at=Least("next_at", Now())
        )

    def give_up(self) -> int:
        """What waits is not tried any more, for somebody said so; says how many do."""
        return self.filter(state=Delivery.State.PENDING).update(
            state=Delivery.State.EXHAUSTED, finished_at=Now()
        )

    def settle(self) -> None:
        """Not to be tried again: the webhook is gone, not active, or was narrowed."""
        waiting = self.filter(state=Delivery.State.PENDING)
        waiting.filter(webhook__deleted_at__isnull=False).cancel()
        bound = Webhook.objects.exclude(domains=[], mailboxes=[])
        for webhook in bound.filter(pk__in=waiting.values("webhook")):
            waiting.cancel_unheard(webhook)
        waiting.exclude(webhook__state=Webhook.State.ACTIVE).update(
            state=Delivery.State.HELD
        )


class Delivery(models.Model):
    class State(models.TextChoices):
        PENDING = "pending", pgettext_lazy("delivery", "pending")
        CLAIMED = "claimed", _("claimed")
        SUCCEEDED = "succeeded", _("succeeded")
        EXHAUSTED = "exhausted", _("exhausted")
        HELD = "held", _("held")
        CANCELLED = "cancelled", _("cancelled")

    public_id = PublicIdField()
    event = models.ForeignKey(
        Event,
        on_delete=models.CASCADE,
        db_index=False,  # delivery_once begins with it
        related_name="deliveries",
        verbose_name=_("event"),
    )
    webhook = models.ForeignKey(
        Webhook,
        on_delete=models.CASCADE,
        db_index=False,  # delivery_of_webhook begins with it
        related_name="deliveries",
        verbose_name=_("webhook"),
    )
    body = models.ForeignKey(EventBody, on_delete=models.CASCADE, related_name="+")
    replay_no = models.PositiveIntegerField(default=0)
    # Of an event sent by hand: it waits neither for its turn nor for a rate limit.
    is_test = models.BooleanField(default=False, db_default=False, editable=False)
    state = models.CharField(
        _("state"), max_length=9, choices=State.choices, default=State.PENDING
    )
    # The lease: results count only with this token, and only until then. Both are
    # on the database's clock.
    token = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    lost_leases = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(_("next attempt"), db_default=Now())
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    finished_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["event", "webhook", "replay_no"], name="delivery_once"
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "pending",
                        "claimed",
                        "succeeded",
                        "exhausted",
                        "held",
                        "cancelled",
                    ]
                ),
                name="delivery_state",
            ),
            models.CheckConstraint(
                condition=~Q(state="claimed")
                | Q(token__isnull=False, claimed_until__isnull=False),
                name="delivery_claim_has_lease",
            ),
        ]
        indexes: ClassVar = [
            # claims.claim: what is due for a webhook, oldest first.
            models.Index(
                fields=["webhook", "next_at", "id"],
                name="delivery_due",
                condition=Q(state="pending"),
            ),
            # claims.claim: whose turn it is, where the order is kept.
            models.Index(
                fields=["webhook", "id"],
                name="delivery_head",
                condition=Q(state="pending") & Q(is_test=False),
            ),
            # claims.claim: tests go first there.
            models.Index(
                fields=["webhook", "id"],
                name="delivery_test",
                condition=Q(state="pending") & Q(is_test=True),
            ),
            # claims.claim: how many of a webhook are in flight.
            models.Index(
                fields=["webhook", "claimed_until"],
                name="delivery_in_flight",
                condition=Q(state="claimed"),
            ),
            # claims.recover: leases that ran out.
            models.Index(
                fields=["claimed_until"],
                name="delivery_lease",
                condition=Q(state="claimed"),
            ),
            # GET /webhooks/:id/deliveries, newest first.
            models.Index(fields=["webhook", "-id"], name="delivery_of_webhook"),
            # The dashboard: what a failing webhook has not been told. OR and not IN:
            # SQLite does not recognise a list that comes as parameters.
            models.Index(
                fields=["webhook", "state"],
                name="delivery_stuck",
                condition=Q(state="held") | Q(state="exhausted"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} ({self.get_state_display()})"


class Attempt(models.Model):
    """Append-only. Never holds a secret or a header value of ours."""

    delivery = models.ForeignKey(
        Delivery,
        on_delete=models.CASCADE,
        db_index=False,  # attempt_number begins with it
        related_name="attempt_set",
    )
    number = models.PositiveIntegerField(_("number"))
    started_at = models.DateTimeField(_("started"))
    duration_ms = models.PositiveIntegerField(_("duration (ms)"))
    dns_ms = models.PositiveIntegerField(null=True)
    connect_ms = models.PositiveIntegerField(null=True)
    first_byte_ms = models.PositiveIntegerField(null=True)
    peer = models.CharField(max_length=64, blank=True)
    peer_public = models.BooleanField(default=True)
    status = models.PositiveSmallIntegerField(_("answer"), null=True)
    error = models.CharField(_("error"), max_length=64, blank=True)
    error_detail = models.CharField(_("explanation"), max_length=500, blank=True)
    # What it was made of (webhooks/wording.py), to be shown in any language.
    error_words = models.JSONField(default=list, blank=True, editable=False)
    response_excerpt = models.TextField(_("beginning of the answer"), blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["delivery", "number"], name="attempt_number"
            )
        ]
        indexes: ClassVar = [
            # The dashboard: attempts of a day, and how long they took; all from here.
            models.Index(
                fields=["started_at", "status", "error", "duration_ms", "id"],
                name="attempt_by_day",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.number}: {self.status or self.error}"

    @property
    def trouble(self) -> str:
        """`error_detail` in the language of whoever looks."""
        return shown(self.error_words, self.error_detail, gettext)
