"""How many requests a key made this minute."""

from typing import ClassVar

from django.db import models

from api.models.key import ApiKey


class RateWindow(models.Model):
    """One row a key: its newest minute and the count within it (api.limits)."""

    api_key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, primary_key=True)
    # Unix minutes, on the database's clock.
    minute = models.BigIntegerField()
    count = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = []

    def __str__(self) -> str:
        return f"{self.api_key_id}: {self.count}"
