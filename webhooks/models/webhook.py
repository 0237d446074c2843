"""A URL that is told, and the secrets that prove who tells it."""

import base64
import secrets
from typing import ClassVar, Protocol
from urllib.parse import urlsplit

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from webhooks.fields import EncryptedField, PublicIdField


def new_secret() -> str:
    """`whsec_` + base64 of 32 random bytes (Standard Webhooks 1.0.0)."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


class Narrowed(Protocol):
    mailboxes: list[str]
    domains: list[str]


def meant_for(one: Narrowed, *, mailbox: str, domain: str) -> bool:
    """Empty lists mean "all"."""
    return (not one.mailboxes or mailbox in one.mailboxes) and (
        not one.domains or domain in one.domains
    )


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def present(self) -> "WebhookQuerySet":
        """Not deleted. A deleted webhook keeps its row for its deliveries' sake."""
        return self.filter(deleted_at=None)

    def troubled(self) -> "WebhookQuerySet":
        """Those that fail, longest first, and those that we have switched off."""
        off = Q(state=Webhook.State.OFF) & ~Q(state_reason="")
        found = self.present().filter(~Q(failing_since=None) | off)
        return found.order_by("failing_since", "pk")


class Webhook(models.Model):
    class State(models.TextChoices):
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")
        OFF = "off", _("off")

    class Told(models.TextChoices):
        """The last that the staff were told of how it fares."""

        NOTHING = "", "-"
        FAILING = "failing", "failing"
        OFF = "off", "off"

    public_id = PublicIdField()
    url = models.CharField(_("URL"), max_length=2048)
    events = models.JSONField(_("events"), default=list)
    # Empty lists mean "all"; texts, because this room knows no mailboxes.
    mailboxes = models.JSONField(_("mailboxes"), default=list, blank=True)
    domains = models.JSONField(_("domains"), default=list, blank=True)
    state = models.CharField(
        _("state"), max_length=8, choices=State.choices, default=State.ACTIVE
    )
    state_reason = models.CharField(max_length=500, blank=True, editable=False)
    headers = EncryptedField(_("extra headers"), default=dict, blank=True)
    basic_auth = EncryptedField(_("basic auth"), null=True, blank=True)
    timeout = models.PositiveSmallIntegerField(
        _("timeout (s)"),
        default=15,
        validators=[MinValueValidator(5), MaxValueValidator(30)],
    )
    max_in_flight = models.PositiveSmallIntegerField(
        _("sends at once"),
        default=4,
        validators=[MinValueValidator(1), MaxValueValidator(64)],
    )
    # None: as fast as it answers.
    rate_limit = models.PositiveSmallIntegerField(
        _("deliveries a second at most"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text=_(
            "Empty: as fast as the receiver answers. Retries count, test events don't."
        ),
    )
    ordered = models.BooleanField(
        _("in the order of the events"),
        default=False,
        db_default=False,
        help_text=_(
            "One at a time: the next event goes out when the one before it has been"
            " delivered or given up. That is no faster than one event per answer, and"
            " an event that keeps failing holds up all later ones, for up to 76 hours."
        ),
    )
    include_auto = models.BooleanField(_("include automatic mail"), default=True)
    include_spam = models.BooleanField(_("include spam"), default=False)
    include_body = models.BooleanField(_("include body text"), default=True)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    # Health, written by claims, results, health and, at a new start, subscriptions.
    last_claim_at = models.DateTimeField(null=True, editable=False)
    # With a rate limit: when the next send may begin, on the database's clock.
    next_slot_at = models.DateTimeField(null=True, editable=False)
    last_success_at = models.DateTimeField(_("last success"), null=True, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, editable=False)
    consecutive_failures = models.PositiveIntegerField(default=0, editable=False)
    breaker_until = models.DateTimeField(null=True, editable=False)
    told = models.CharField(max_length=8, blank=True, default="", editable=False)
    told_at = models.DateTimeField(null=True, editable=False)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=["active", "paused", "off"]),
                name="webhook_state",
            ),
            models.CheckConstraint(
                condition=Q(rate_limit=None) | Q(rate_limit__gte=1),
                name="webhook_rate_limit",
            ),
        ]
        indexes: ClassVar = [
            # claims.claim: the webhooks that may be served, longest waiting first.
            models.Index(
                fields=["last_claim_at", "id"],
                name="webhook_claim",
                condition=Q(state="active", deleted_at=None),
            )
        ]

    def __str__(self) -> str:
        return urlsplit(self.url).netloc or self.url

    @property
    def is_active(self) -> bool:
        return self.state == self.State.ACTIVE and self.deleted_at is None

    def hears(self, *, mailbox: str, domain: str) -> bool:
        """Whether events of there are meant for it."""
        return meant_for(self, mailbox=mailbox, domain=domain)

    @property
    def health(self) -> str:
        """`ok`, `failing` or `new`."""
        if self.failing_since:
            return "failing"
        return "ok" if self.last_success_at else "new"


class SecretQuerySet(models.QuerySet["Secret"]):
    def live(self) -> "SecretQuerySet":
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=Now()))


class Secret(models.Model):
    """Several may be live at once: a receiver changes over in its own time."""

    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="secrets"
    )
    value = EncryptedField(default=new_secret)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)

    objects = SecretQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"whsec_… ({self.webhook})"
