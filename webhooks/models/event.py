"""A fact worth telling, and the very bytes in which it is told."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from webhooks.fields import PublicIdField


class Event(models.Model):
    """Immutable, but for erasure. Written by `webhooks.outbox.publish` alone."""

    public_id = PublicIdField()
    type = models.CharField(_("event"), max_length=64)
    thread = models.CharField(max_length=32, blank=True)
    mailbox = models.CharField(_("mailbox"), max_length=320, blank=True)
    domain = models.CharField(_("domain"), max_length=255, blank=True)
    # 1, 2, 3 … within the thread; 0 for what belongs to no thread, and for tests.
    sequence = models.PositiveIntegerField(default=0)
    # Gap-free, in order of commit: `/events?after=` can never skip one. Null for a
    # test event, which is not part of the log.
    position = models.BigIntegerField(null=True, unique=True)
    # What this event tells of, so that no crash can tell it twice.
    cause = models.CharField(max_length=200, unique=True)
    # Logged and delivered to nobody: imports without `report_old`, and `--silent`.
    silent = models.BooleanField(default=False)
    created_at = models.DateTimeField(_("recorded"), db_default=Now())
    erased_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["thread", "sequence"],
                condition=~Q(thread="") & Q(sequence__gt=0),
                name="event_thread_sequence",
            )
        ]
        indexes: ClassVar = [
            # GET /events?domain=: a key's own part of the log.
            models.Index(fields=["domain", "position"], name="event_domain_position"),
            # retention.prune: the oldest that still has its texts.
            models.Index(
                fields=["created_at", "id"],
                name="event_kept",
                condition=Q(erased_at=None),
            ),
            # GET /events?type=.
            models.Index(fields=["type", "position"], name="event_type_position"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.public_id}"


class EventBody(models.Model):
    class Format(models.TextChoices):
        FULL = "full", _("full")
        BARE = "bare", _("without text")

    event = models.ForeignKey(
        Event,
        on_delete=models.CASCADE,
        db_index=False,  # event_body_format begins with it
        related_name="bodies",
    )
    format = models.CharField(max_length=4, choices=Format.choices)
    body = models.BinaryField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["event", "format"], name="event_body_format"
            )
        ]

    def __str__(self) -> str:
        return f"{self.event_id} {self.format}"
