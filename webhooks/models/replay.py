"""A job: what a webhook missed goes out again, a few at a time."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from webhooks.fields import PublicIdField
from webhooks.models.webhook import Webhook


class Replay(models.Model):
    public_id = PublicIdField()
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    states = models.JSONField(default=list)
    # Of whoever asked; empty: all.
    domains = models.JSONField(default=list)
    # It is done with the deliveries up to `cursor`, and ends at `last`.
    cursor = models.BigIntegerField(default=0)
    last = models.BigIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    sent = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            # replays.advance: the jobs that are not done.
            models.Index(
                fields=["id"], name="replay_open", condition=Q(finished_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.public_id}: {self.sent} of {self.total}"
