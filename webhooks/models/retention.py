"""How long what was told is kept."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

# A delivery is tried for 76 hours; then somebody may want to send it again.
LEAST_DAYS = 7
_MOST_DAYS = 3_650


class Retention(models.Model):
    """One row at most: what the staff have chosen over the environment."""

    days = models.PositiveSmallIntegerField(
        _("days"),
        validators=[MinValueValidator(LEAST_DAYS), MaxValueValidator(_MOST_DAYS)],
        help_text=_(
            "Then the texts of events, deliveries and their attempts are erased. Mail"
            " itself stays."
        ),
    )

    class Meta:
        verbose_name = _("retention")
        verbose_name_plural = _("retention")

    def __str__(self) -> str:
        return ngettext("%d day", "%d days", self.days) % self.days


def days_kept() -> int:
    """Of the staff's row, else RETENTION_DAYS."""
    chosen = Retention.objects.values_list("days", flat=True).first()
    return int(settings.RETENTION_DAYS) if chosen is None else chosen
