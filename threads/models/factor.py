"""Something a team member has, beside the password he knows."""

import base64
import secrets
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from threads.models.user import User
from webhooks.fields import EncryptedField


def new_key() -> str:
    """160 random bits, in the base32 that authenticator apps read (RFC 4226, 6238)."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


class SecondFactor(models.Model):
    """An authenticator app; one a person. It counts once a code has confirmed it."""

    user = models.OneToOneField(
        User,
        on_delete=models.CASCADE,
        related_name="second_factor",
        verbose_name=_("team member"),
    )
    confirmed = models.BooleanField(_("confirmed"), default=False)
    key = EncryptedField(default=new_key)
    # The time step of the newest code that was accepted: none counts twice.
    last_step = models.BigIntegerField(default=-1)
    # Digests of recovery codes that have not been used.
    recovery = models.JSONField(default=list)
    # Wrong codes in a row, and the last of them: whoever guesses waits.
    failures = models.PositiveIntegerField(default=0)
    failed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("second factor")
        verbose_name_plural = _("second factors")
        ordering: ClassVar = ["user"]

    def __str__(self) -> str:
        return str(self.user)
