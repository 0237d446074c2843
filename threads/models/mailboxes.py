"""An address customers write to, its other names, and where its mail is fetched."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from threads.mail.addresses import normalise
from webhooks.fields import EncryptedField, PublicIdField
from webhooks.wording import shown


def validate_address(value: str) -> None:
    if not normalise(value):
        raise ValidationError(
            _("%(value)s is not an e-mail address. Write it as support@example.com."),
            code="invalid",
            params={"value": value},
        )


class MailboxQuerySet(models.QuerySet["Mailbox"]):
    def within(self, domains: list[str]) -> "MailboxQuerySet":
        """The mailboxes a key bound to `domains` may see; no domains means all."""
        return self.filter(domain__in=domains) if domains else self.all()


class Mailbox(models.Model):
    public_id = PublicIdField()
    address = models.CharField(
        _("address"), max_length=320, unique=True, validators=[validate_address]
    )
    domain = models.CharField(_("domain"), max_length=255, editable=False)
    name = models.CharField(_("name"), max_length=100, blank=True)
    # authserv-ids (RFC 8601) of the servers in front of this mailbox: only their
    # verdict on a sender counts.
    trusted_authserv_ids = models.JSONField(
        _("trusted authserv-ids"), default=list, blank=True
    )
    strict = models.BooleanField(
        _("strict threads"),
        default=False,
        help_text=_("A stranger who answers a message of ours gets a thread apart."),
    )
    by_subject = models.BooleanField(
        _("a changed subject begins a thread"),
        default=False,
        db_default=False,
        help_text=_("Also when it answers an earlier message."),
    )
    reply_addresses = models.BooleanField(
        _("an answer address for each thread"),
        default=False,
        db_default=False,
        help_text=_(
            "Replies ask for answers at support+…@example.com. Only for a mailbox"
            " whose mail server delivers such addresses to it."
        ),
    )
    body_marker = models.BooleanField(
        _("a reference below each reply"),
        default=False,
        db_default=False,
        help_text=_(
            "A line [ref:…] that recognises an answer whose mail program keeps the"
            " quote and loses the headers."
        ),
    )
    catch_all = models.BooleanField(
        _("catch-all"),
        default=False,
        db_default=False,
        help_text=_(
            "It takes the mail for every address of its domain that no mailbox and no"
            " alias has."
        ),
    )
    # Keys host, port, username, password and tls ("starttls", "ssl" or "none"; absent
    # is never "none"); empty means the installation's own server.
    smtp = EncryptedField(_("SMTP"), default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = MailboxQuerySet.as_manager()

    class Meta:
        verbose_name = _("mailbox")
        verbose_name_plural = _("mailboxes")
        ordering: ClassVar = ["address"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(address=Lower("address")), name="mailbox_address_lower"
            ),
            # routing.Router: a domain has one at most.
            models.UniqueConstraint(
                fields=["domain"],
                condition=Q(catch_all=True),
                name="mailbox_catch_all_once",
            ),
        ]

    def __str__(self) -> str:
        return self.address

    def clean(self) -> None:
        self.address = normalise(self.address) or self.address
        if Alias.objects.filter(address=self.address).exists():
            raise ValidationError(
                {"address": _("This address is already an alias of another mailbox.")}
            )
        domain = self.address.rpartition("@")[2]
        others = Mailbox.objects.filter(catch_all=True, domain=domain)
        if self.catch_all and (other := others.exclude(pk=self.pk).first()):
            text = _("%(other)s is the catch-all of this domain already.")
            raise ValidationError({"catch_all": text % {"other": other}})

    def save(self, *args: object, **kwargs: object) -> None:
        self.address = normalise(self.address) or self.address.lower()
        self.domain = self.address.rpartition("@")[2]
        super().save(*args, **kwargs)  # type: ignore[arg-type]


class Alias(models.Model):
    mailbox = models.ForeignKey(
        Mailbox, on_delete=models.CASCADE, related_name="alias_set"
    )
    address = models.CharField(
        _("address"), max_length=320, unique=True, validators=[validate_address]
    )

    class Meta:
        verbose_name = _("alias")
        verbose_name_plural = _("aliases")
        ordering: ClassVar = ["address"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(address=Lower("address")), name="alias_address_lower"
            )
        ]

    def __str__(self) -> str:
        return self.address

    def clean(self) -> None:
        self.address = normalise(self.address) or self.address
        if Mailbox.objects.filter(address=self.address).exists():
            raise ValidationError({"address": _("This address is already a mailbox.")})

    def save(self, *args: object, **kwargs: object) -> None:
        self.address = normalise(self.address) or self.address.lower()
        super().save(*args, **kwargs)  # type: ignore[arg-type]


class Source(models.Model):
    class Kind(models.TextChoices):
        MAILDIR = "maildir", "Maildir"
        IMAP = "imap", "IMAP"
        FILES = "files", _("files")
        # What an MTA hands over, and waits for.
        STDIN = "stdin", _("pipe")
        LMTP = "lmtp", "LMTP"

    class Start(models.TextChoices):
        NOW = "now", _("from now on")
        SINCE = "since", _("since a date")
        ALL = "all", _("everything")

    class After(models.TextChoices):
        LEAVE = "leave", _("leave")
        SEEN = "seen", _("mark seen")
        MOVE = "move", _("move")
        DELETE = "delete", _("delete")

    mailbox = models.ForeignKey(
        Mailbox,
        on_delete=models.PROTECT,
        related_name="sources",
        verbose_name=_("mailbox"),
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    # A Maildir's folder; for ad-hoc imports its real path. An IMAP source: its URL
    # without password.
    location = models.CharField(_("location"), max_length=1000)
    # Of IMAP: password, or what OAuth needs (client_id, client_secret, refresh_token,
    # token_url, scope); authority, a certificate of its own.
    settings = EncryptedField(default=dict, blank=True)
    # What OAuth gave: access_token, expires_at, and a newer refresh_token.
    tokens = EncryptedField(null=True, blank=True, editable=False)
    # Ad-hoc imports (`ingest --maildir`) get an inactive one for their ledger.
    active = models.BooleanField(_("active"), default=True)
    start = models.CharField(
        _("take in"), max_length=5, choices=Start.choices, default=Start.ALL
    )
    since = models.DateTimeField(_("since"), null=True, blank=True)
    report_old = models.BooleanField(_("report old mail to webhooks"), default=True)
    # A Sent folder: what comes from here, the team has sent with a mail program.
    sent = models.BooleanField(
        _("sent mail"),
        default=False,
        db_default=False,
        help_text=_(
            "The folder in which the team's own mail programs keep what they sent."
        ),
    )
    by_recipient = models.BooleanField(
        _("for several mailboxes"),
        default=False,
        db_default=False,
        help_text=_(
            "Each mail goes to the mailbox that it was delivered to: the first of"
            " Delivered-To, X-Original-To, To and Cc that is one of ours."
        ),
    )
    first_pass_at = models.DateTimeField(null=True, editable=False)
    # What becomes of a mail on an IMAP server once it is stored.
    after = models.CharField(
        _("after that"),
        max_length=6,
        choices=After.choices,
        default=After.LEAVE,
        db_default=After.LEAVE,
    )
    move_to = models.CharField(
        _("move to"), max_length=500, blank=True, default="", db_default=""
    )
    grace_days = models.PositiveSmallIntegerField(
        _("delete after days"),
        default=7,
        db_default=7,
        validators=[MinValueValidator(1)],
    )
    # Of an IMAP folder: the ledger's epoch, the next UID when it was last looked at,
    # and from which UID on a mail is new whatever its date.
    uidvalidity = models.CharField(max_length=32, blank=True, editable=False)
    uid_next = models.BigIntegerField(default=0, db_default=0, editable=False)
    uid_floor = models.BigIntegerField(default=0, db_default=0, editable=False)
    # The lease: one process reads a source at a time.
    owner = models.CharField(max_length=200, blank=True, editable=False)
    token = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    last_pass_at = models.DateTimeField(_("last fetched"), null=True, editable=False)
    last_error = models.TextField(_("last error"), blank=True, editable=False)
    # What it was made of (webhooks/wording.py), to be shown in any language.
    error_words = models.JSONField(default=list, blank=True, editable=False)
    # Since when it is out of reach; and how long a server that refused us is spared.
    failing_since = models.DateTimeField(null=True, editable=False)
    spared_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("source")
        verbose_name_plural = _("sources")
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["mailbox", "kind", "location"], name="source_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.location}".rstrip()

    @property
    def handed_over(self) -> bool:
        """Nothing is fetched: each mail comes by itself, with somebody who waits."""
        return self.kind in {Source.Kind.STDIN, Source.Kind.LMTP}

    @property
    def trouble(self) -> str:
        """`last_error` in the language of whoever looks."""
        return shown(self.error_words, self.last_error, gettext)
