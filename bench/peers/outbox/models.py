"""What one writes by hand with Celery: events, webhooks, a row for each delivery."""

from django.db import models


class Webhook(models.Model):
    url = models.URLField()
    secret = models.CharField(max_length=64)

    def __str__(self) -> str:
        return self.url


class Event(models.Model):
    body = models.TextField()

    def __str__(self) -> str:
        return str(self.pk)


class Delivery(models.Model):
    event = models.ForeignKey(Event, on_delete=models.CASCADE)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE)
    state = models.CharField(max_length=10, default="pending")
    status = models.PositiveSmallIntegerField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.pk} ({self.state})"
