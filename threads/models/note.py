"""What the team tells itself about a thread; never mailed."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from threads.models.mailboxes import Mailbox
from threads.models.thread import Thread
from threads.models.user import User
from webhooks.fields import PublicIdField


class Note(models.Model):
    public_id = PublicIdField()
    mailbox = models.ForeignKey(Mailbox, on_delete=models.PROTECT, related_name="+")
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="notes")
    body = models.TextField(_("text"))
    author = models.ForeignKey(
        User, null=True, on_delete=models.SET_NULL, related_name="notes"
    )
    # Who wrote it, as events carry it: a person of ours or a key.
    actor = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("internal note")
        verbose_name_plural = _("internal notes")
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.body[:60]
