"""Somebody who wrote to one of our domains."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Customer(models.Model):
    domain = models.CharField(_("domain"), max_length=255)
    address = models.CharField(_("address"), max_length=320)
    name = models.CharField(_("name"), max_length=200, blank=True)
    thread_count = models.PositiveIntegerField(_("threads"), default=0)
    created_at = models.DateTimeField(_("first seen"), db_default=Now())

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering: ClassVar = ["address"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["domain", "address"], name="customer_once")
        ]

    def __str__(self) -> str:
        return self.address
