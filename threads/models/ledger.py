"""The untouched bytes of every mail, and the ledger of every copy we met."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from threads.models.mailboxes import Source
from webhooks.fields import PublicIdField
from webhooks.wording import shown


class Original(models.Model):
    """One row for the same bytes, however often they came. Never changed."""

    sha256 = models.CharField(max_length=64, unique=True)
    size = models.PositiveBigIntegerField()
    content = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.sha256[:12]


class IngestRecordQuerySet(models.QuerySet["IngestRecord"]):
    def left(self) -> "IngestRecordQuerySet":
        """What stays at its source: too large, or not to be had."""
        state = IngestRecord.State
        return self.filter(Q(state=state.OVERSIZE) | Q(state=state.UNFETCHABLE))


class IngestRecord(models.Model):
    """The ledger: one row per physical copy. It is the truth, not a file's place."""

    class State(models.TextChoices):
        SEEN = "seen", _("seen")
        DONE = "done", _("done")
        DUPLICATE = "duplicate", _("duplicate")
        QUARANTINED = "quarantined", _("quarantined")
        OVERSIZE = "oversize", _("oversize")
        UNFETCHABLE = "unfetchable", _("unfetchable")

    public_id = PublicIdField()
    source = models.ForeignKey(
        Source,
        on_delete=models.PROTECT,
        related_name="records",
        # `ingest_record_once` begins with it; of two, SQLite would take the worse one.
        db_index=False,
        verbose_name=_("source"),
    )
    # Maildir: "" and the base name before ":" (other content under an old name:
    # name + "#" + hash). IMAP: UIDVALIDITY and UID. Files: "" and sha256.
    epoch = models.CharField(max_length=32, blank=True)
    ref = models.CharField(_("name in the source"), max_length=600)
    size = models.PositiveBigIntegerField(_("size"))
    state = models.CharField(
        _("state"), max_length=11, choices=State.choices, default=State.SEEN
    )
    original = models.ForeignKey(
        Original, null=True, on_delete=models.PROTECT, related_name="records"
    )
    message = models.ForeignKey(
        "threads.Message", null=True, on_delete=models.SET_NULL, related_name="records"
    )
    # The claim of the process that is taking it in; on the database's clock.
    token = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(_("reason"), blank=True)
    # What it was made of (webhooks/wording.py), to be shown in any language.
    error_words = models.JSONField(default=list, blank=True, editable=False)
    silent = models.BooleanField(default=False)
    # What the source is still to be told once it is stored (`Source.After`).
    cleanup = models.CharField(max_length=6, blank=True, default="", db_default="")
    received_at = models.DateTimeField(_("received"), db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = IngestRecordQuerySet.as_manager()

    class Meta:
        verbose_name = _("quarantined mail")
        verbose_name_plural = _("quarantine")
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["source", "epoch", "ref"], name="ingest_record_once"
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "seen",
                        "done",
                        "duplicate",
                        "quarantined",
                        "oversize",
                        "unfetchable",
                    ]
                ),
                name="ingest_record_state",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["seen", "done", "duplicate", "quarantined"])
                | Q(original__isnull=False),
                name="ingest_record_has_original",
            ),
        ]
        indexes: ClassVar = [
            # ledger.reclaim: what a death left between the two commits.
            models.Index(
                fields=["source", "id"],
                name="ingest_record_seen",
                condition=Q(state="seen"),
            ),
            # aftercare.give: what the source is still to be told.
            models.Index(
                fields=["source", "id"],
                name="ingest_record_cleanup",
                condition=~Q(cleanup=""),
            ),
            # The quarantine's list.
            models.Index(
                fields=["-id"],
                name="ingest_record_quarantine",
                condition=Q(state="quarantined"),
            ),
            # The page of a source, and the doctor: what was left where it is. OR and
            # not IN: SQLite does not recognise a list that comes as parameters.
            models.Index(
                fields=["source", "-id"],
                name="ingest_record_left",
                condition=Q(state="oversize") | Q(state="unfetchable"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ref} ({self.get_state_display()})"

    @property
    def trouble(self) -> str:
        """`last_error` in the language of whoever looks."""
        return shown(self.error_words, self.last_error, gettext)
