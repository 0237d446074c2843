"""Small rows that keep drains single and workers visible."""

from django.db import models


class DrainLease(models.Model):
    """Whoever holds `name` may linger; the others leave when nothing is due."""

    name = models.CharField(max_length=64, primary_key=True)
    token = models.UUIDField(null=True)
    until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class Heartbeat(models.Model):
    """When a process of a kind was last seen alive, on the database's clock."""

    name = models.CharField(max_length=200, primary_key=True)
    kind = models.CharField(max_length=32)
    at = models.DateTimeField()
    detail = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return self.name
