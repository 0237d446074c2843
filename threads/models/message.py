"""One mail of a thread, in or out."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from threads.models.ledger import Original
from threads.models.mailboxes import Mailbox
from threads.models.thread import Thread
from threads.models.user import User
from webhooks.fields import PublicIdField
from webhooks.wording import shown


class MessageQuerySet(models.QuerySet["Message"]):
    def within(self, domains: list[str]) -> "MessageQuerySet":
        """What a key bound to `domains` may see; no domains means all."""
        kept = self.kept()
        return kept.filter(mailbox__domain__in=domains) if domains else kept

    def kept(self) -> "MessageQuerySet":
        """Not erased. Of an erased one only that it was there is known."""
        return self.filter(erased_at=None)

    def with_relations(self) -> "MessageQuerySet":
        return self.select_related("mailbox", "thread").prefetch_related(
            "attachment_set"
        )


class Message(models.Model):
    class Direction(models.TextChoices):
        INBOUND = "inbound", _("inbound")
        OUTBOUND = "outbound", _("outbound")

    class Status(models.TextChoices):
        RECEIVED = "received", _("received")
        DRAFT = "draft", _("draft")
        SCHEDULED = "scheduled", _("scheduled")
        QUEUED = "queued", _("queued")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        STORED = "stored", _("stored")
        FAILED = "failed", _("failed")
        IN_DOUBT = "in_doubt", _("in doubt")
        BOUNCED = "bounced", _("bounced")

    class Via(models.TextChoices):
        MAIL = "mail", _("mail")
        API = "api", _("API")
        ADMIN = "admin", _("admin")
        MAILBOX = "mailbox", _("own mail program")

    public_id = PublicIdField()
    mailbox = models.ForeignKey(
        Mailbox,
        on_delete=models.PROTECT,
        db_index=False,  # message_by_id begins with it
        related_name="messages",
        verbose_name=_("mailbox"),
    )
    thread = models.ForeignKey(
        Thread,
        on_delete=models.PROTECT,
        db_index=False,  # message_of_thread begins with it
        related_name="messages",
        verbose_name=_("thread"),
    )
    direction = models.CharField(
        _("direction"), max_length=8, choices=Direction.choices
    )
    # Version + sha256 of what the sender wrote, without hop headers (mail.identity).
    dedupe_key = models.CharField(max_length=66)
    original = models.ForeignKey(
        Original, null=True, on_delete=models.PROTECT, related_name="messages"
    )
    # Without <>, case kept. Not unique: senders reuse it.
    message_id = models.CharField(max_length=255, blank=True)
    # One address, lower-cased, domain in IDNA; empty when From is missing or plural.
    sender = models.CharField(_("from"), max_length=320, blank=True)
    # {"from": [{"address", "name"}], "to": …, "cc": …, "reply_to": …} as written.
    addresses = models.JSONField(default=dict)
    # The address of ours it came to, alias or plus-address as written.
    delivered_to = models.CharField(_("to"), max_length=320, blank=True)
    subject = models.CharField(_("subject"), max_length=998, blank=True)
    body_text = models.TextField(_("text"), blank=True)
    # {"reply": [[start, end], …], "quoted": …, "signature": …} into body_text.
    spans = models.JSONField(default=dict)
    body_html = models.TextField(blank=True)
    # The sender wrote no plain text: body_text was read from the HTML.
    html_only = models.BooleanField(default=False)
    # The sender's claim, clamped to 1970–2100; received_at is ours.
    sent_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(_("received"), db_default=Now())
    created_at = models.DateTimeField(db_default=Now())
    # Since when nothing of what it said is left (erasing.py).
    erased_at = models.DateTimeField(null=True, editable=False)

    auto = models.BooleanField(default=False)
    bulk = models.BooleanField(default=False)
    bounce = models.JSONField(null=True)
    complaint = models.JSONField(null=True)
    # [{"verdict", "evidence"}]: what speaks for auto, bulk, bounce and complaint.
    reasons = models.JSONField(default=list, db_default=[], blank=True)
    # [{"code", "evidence"}]: what is odd about the sender's name or domain.
    warnings = models.JSONField(default=list, db_default=[], blank=True)
    # The public id of the mail of ours that a bounce, complaint or automatic answer
    # is about.
    about = models.CharField(max_length=25, default="", db_default="", blank=True)
    authentication = models.CharField(max_length=7, default="unknown")
    unverified_sender = models.BooleanField(default=False)
    via = models.CharField(max_length=7, choices=Via.choices, default=Via.MAIL)
    imported = models.BooleanField(default=False)
    # S/MIME or PGP, told and not checked: "", signed, encrypted.
    protection = models.CharField(max_length=9, blank=True, default="")
    repaired = models.BooleanField(default=False)
    message_id_reused = models.BooleanField(default=False)
    is_first = models.BooleanField(default=False)
    defects = models.JSONField(default=list)
    why_rule = models.CharField(_("rule"), max_length=32)
    why_evidence = models.CharField(_("evidence"), max_length=500)
    # Which parser read it (mail.edition); reparse reads again what another one did.
    parsed_by = models.CharField(
        max_length=12, default="", db_default="", blank=True, editable=False
    )
    # Outbound: what its Reply-To address and its text carry; the same within a thread.
    token_key = models.CharField(  # noqa: DJ001 -- what is null is not in the index
        max_length=26, null=True, editable=False
    )

    status = models.CharField(
        _("status"), max_length=9, choices=Status.choices, default=Status.RECEIVED
    )
    # Outbound only: who wrote it, and its way through SMTP. The lease is on the
    # database's clock; data_started says that a death now leaves doubt.
    author = models.ForeignKey(
        User, null=True, on_delete=models.SET_NULL, related_name="messages"
    )
    actor = models.JSONField(default=dict)
    envelope_from = models.CharField(max_length=320, blank=True)
    closes = models.BooleanField(default=False)
    next_at = models.DateTimeField(null=True)
    token = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    data_started = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    error_code = models.CharField(_("error"), max_length=64, blank=True)
    error_detail = models.CharField(_("explanation"), max_length=500, blank=True)
    # What it was made of (webhooks/wording.py), to be shown in any language.
    error_words = models.JSONField(default=list, blank=True, editable=False)

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["mailbox", "dedupe_key"], name="message_once"
            ),
            models.CheckConstraint(
                condition=Q(direction="inbound", status="received")
                | Q(direction="outbound") & ~Q(status="received"),
                name="message_status",
            ),
            models.CheckConstraint(
                condition=Q(authentication__in=["pass", "fail", "unknown"]),
                name="message_authentication",
            ),
            models.CheckConstraint(
                condition=Q(status="draft") | Q(original__isnull=False),
                name="message_has_original",
            ),
        ]
        indexes: ClassVar = [
            # matching: the mails that an id names.
            models.Index(fields=["mailbox", "message_id"], name="message_by_id"),
            # matching: the mails of ours that a reply address names.
            models.Index(
                fields=["mailbox", "token_key"],
                name="message_by_token",
                condition=Q(token_key__isnull=False),
            ),
            # GET /threads/:id: its newest hundred.
            models.Index(fields=["thread", "-id"], name="message_of_thread"),
            # GET /threads?from=: who wrote.
            models.Index(fields=["sender"], name="message_by_sender"),
            # smtp.claim: what is due to go out.
            models.Index(
                fields=["next_at", "id"],
                name="message_due",
                condition=Q(status="queued"),
            ),
            # smtp.recover: leases that ran out.
            models.Index(
                fields=["claimed_until"],
                name="message_lease",
                condition=Q(status="sending"),
            ),
            # The dashboard: mail of a day, in and out.
            models.Index(
                fields=["received_at", "direction", "status"], name="message_by_day"
            ),
            # The dashboard: replies that need a person. OR and not IN: SQLite does not
            # recognise a list that comes as parameters.
            models.Index(
                fields=["-id"],
                name="message_trouble",
                condition=Q(status="failed") | Q(status="in_doubt"),
            ),
        ]

    def __str__(self) -> str:
        return self.subject or self.public_id

    @property
    def trouble(self) -> str:
        """`error_detail` in the language of whoever looks."""
        return shown(self.error_words, self.error_detail, gettext)

    def span_text(self, kind: str) -> str:
        """The pieces of body_text that are `reply`, `quoted` or `signature`."""
        return "".join(
            self.body_text[start:end] for start, end in self.spans.get(kind, [])
        )


class Reference(models.Model):
    """An id in In-Reply-To or References of a message."""

    # reference_by_id begins with it.
    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, db_index=False)
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, related_name="references"
    )
    position = models.PositiveSmallIntegerField()
    referenced = models.CharField(max_length=255)

    class Meta:
        ordering: ClassVar = ["message", "position"]
        indexes: ClassVar = [
            # matching: the mails that refer to an id.
            models.Index(fields=["mailbox", "referenced"], name="reference_by_id")
        ]

    def __str__(self) -> str:
        return self.referenced


class Recipient(models.Model):
    """An envelope recipient of an outbound message, with its own fate."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        BOUNCED = "bounced", _("bounced")

    message = models.ForeignKey(
        Message,
        on_delete=models.CASCADE,
        db_index=False,  # recipient_once begins with it
        related_name="recipients",
    )
    address = models.CharField(max_length=320)
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    detail = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["message", "address"], name="recipient_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.address} ({self.state})"


class Attachment(models.Model):
    """Metadata; the bytes are read from the original, by part number."""

    public_id = PublicIdField()
    # attachment_part begins with it.
    message = models.ForeignKey(Message, on_delete=models.CASCADE, db_index=False)
    part = models.PositiveSmallIntegerField()
    filename = models.CharField(_("file name"), max_length=255, blank=True)
    content_type = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField()
    inline = models.BooleanField(default=False)
    content_id = models.CharField(max_length=255, blank=True)
    sha256 = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        ordering: ClassVar = ["message", "part"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["message", "part"], name="attachment_part")
        ]

    def __str__(self) -> str:
        return self.filename or self.content_type
