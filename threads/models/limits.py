"""How large a mail may be."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

MEGABYTE = 1024 * 1024
# A parser that holds such a mail, and reads it, keeps within its memory.
MOST_MEGABYTES = 100


class Limits(models.Model):
    """One row at most: what the staff have chosen over the settings."""

    mail_megabytes = models.PositiveSmallIntegerField(
        _("largest mail (MiB)"),
        validators=[MinValueValidator(1), MaxValueValidator(MOST_MEGABYTES)],
        help_text=_(
            "Larger mail stays on its server, or is refused; message.oversize tells of"
            " it. When the limit is raised, what a source still has is taken in."
        ),
    )

    class Meta:
        verbose_name = _("limits")
        verbose_name_plural = _("limits")

    def __str__(self) -> str:
        return f"{self.mail_megabytes} MiB"


def mail_bytes() -> int:
    """Of the staff's row, else MAIL_SIZE_LIMIT."""
    chosen = Limits.objects.values_list("mail_megabytes", flat=True).first()
    return settings.MAIL_SIZE_LIMIT if chosen is None else chosen * MEGABYTE
