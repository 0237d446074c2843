"""What makes a POST repeatable: the first answer, kept for a day."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from api.models.key import ApiKey


class IdempotencyKey(models.Model):
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE)
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    # Null while the first request is in flight.
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["api_key", "route", "key"], name="idempotency_key_once"
            )
        ]
        indexes: ClassVar = [
            # The minute sweep forgets them after a day.
            models.Index(fields=["created_at"], name="idempotency_key_age")
        ]

    def __str__(self) -> str:
        return self.key
