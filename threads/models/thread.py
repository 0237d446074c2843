"""One conversation."""

from collections.abc import Iterable
from typing import ClassVar

from django.db import connections, models
from django.db.models import F, Q, Value
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from threads.models.customer import Customer
from threads.models.mailboxes import Mailbox
from threads.models.user import Team, User
from webhooks.fields import PublicIdField


class Tag(models.Model):
    name = models.CharField(_("name"), max_length=50, unique=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class _Holds(models.Func):
    """Is somebody with this address in a list of people? SQLite's way."""

    template = "EXISTS (SELECT 1 FROM json_each(%(expressions)s)"
    arg_joiner = ") WHERE json_extract(value, '$.address') = "
    output_field = models.BooleanField()


class ThreadQuerySet(models.QuerySet["Thread"]):
    def within(self, domains: list[str]) -> "ThreadQuerySet":
        """What a key bound to `domains` may see; no domains means all."""
        kept = self.filter(deleted_at=None)
        return kept.filter(mailbox__domain__in=domains) if domains else kept

    def standing(self) -> "ThreadQuerySet":
        """Those with messages of their own: not merged away."""
        return self.filter(last_message__isnull=False)

    def of_person(self, address: str) -> "ThreadQuerySet":
        """Those somebody takes part in, or wrote to; `address` normalised.

        A union, because an OR over two tables would use neither one's index.
        """
        threads = Thread.objects.order_by()
        if connections[self.db].vendor == "sqlite":
            takes_part = threads.filter(_Holds(F("participants"), Value(address)))
        else:
            takes_part = threads.filter(participants__contains=[{"address": address}])
        wrote = threads.filter(messages__sender=address)
        return self.filter(pk__in=takes_part.values("pk").union(wrote.values("pk")))

    def with_relations(self) -> "ThreadQuerySet":
        """All that one thread's JSON needs, in two statements."""
        return self.select_related(
            "mailbox", "assignee", "team", "customer"
        ).prefetch_related("tags")


class Thread(models.Model):
    class Status(models.TextChoices):
        OPEN = "open", _("open")
        PENDING = "pending", _("pending")
        CLOSED = "closed", _("closed")
        SPAM = "spam", _("spam")

    class Priority(models.TextChoices):
        LOW = "low", _("low")
        NORMAL = "normal", _("normal")
        HIGH = "high", _("high")
        URGENT = "urgent", _("urgent")

    public_id = PublicIdField()
    mailbox = models.ForeignKey(
        Mailbox,
        on_delete=models.PROTECT,
        db_index=False,  # thread_by_mailbox begins with it
        related_name="threads",
        verbose_name=_("mailbox"),
    )
    subject = models.CharField(_("subject"), max_length=998, blank=True)
    status = models.CharField(
        _("status"), max_length=7, choices=Status.choices, default=Status.OPEN
    )
    priority = models.CharField(
        _("priority"), max_length=6, choices=Priority.choices, default=Priority.NORMAL
    )
    assignee = models.ForeignKey(
        User,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        db_index=False,  # thread_by_assignee begins with it
        related_name="threads",
        verbose_name=_("assignee"),
    )
    team = models.ForeignKey(
        Team,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="threads",
        verbose_name=_("team"),
    )
    tags = models.ManyToManyField(
        Tag, blank=True, related_name="threads", verbose_name=_("tags")
    )
    customer = models.ForeignKey(
        Customer,
        null=True,
        on_delete=models.PROTECT,
        related_name="threads",
        verbose_name=_("customer"),
    )
    # The customer's first inbound mail in this domain began this thread.
    customer_is_new = models.BooleanField(_("new customer"), default=False)
    # [{"address", "name"}]: the customer, people lent by mails that are no leaves,
    # To and Cc of our own mail. Kept by ingest and outbound.
    participants = models.JSONField(default=list)
    # Public ids of the threads that mails of this one refer to without a link.
    related = models.JSONField(default=list)
    merged_ids = models.JSONField(default=list)
    merged_into = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.PROTECT,
        related_name="merged_set",
        verbose_name=_("merged into"),
    )
    message_count = models.PositiveIntegerField(_("messages"), default=0)
    # The number of the newest event; the next one gets sequence + 1.
    sequence = models.PositiveIntegerField(_("number of events"), default=0)
    # Newest activity, and the list's cursor: unique, so that equal times can't make
    # a page repeat for ever. Null once merged.
    last_message = models.OneToOneField(
        "threads.Message",
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("newest message"),
    )
    last_message_at = models.DateTimeField(_("last message"), null=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), db_default=Now())
    closed_at = models.DateTimeField(_("closed"), null=True)
    snoozed_until = models.DateTimeField(_("snoozed until"), null=True)
    # Its messages are erased, nobody sees it; the row stays for what refers to it.
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = ThreadQuerySet.as_manager()

    class Meta:
        verbose_name = _("thread")
        verbose_name_plural = _("threads")
        ordering: ClassVar = ["-last_message"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=["open", "pending", "closed", "spam"]),
                name="thread_status",
            ),
            models.CheckConstraint(
                condition=Q(priority__in=["low", "normal", "high", "urgent"]),
                name="thread_priority",
            ),
            models.CheckConstraint(
                condition=Q(merged_into=None) | Q(last_message=None),
                name="thread_merged_is_empty",
            ),
        ]
        indexes: ClassVar = [
            # GET /threads?status=, and the same of one mailbox.
            models.Index(fields=["status", "-last_message"], name="thread_by_status"),
            models.Index(
                fields=["mailbox", "status", "-last_message"], name="thread_by_mailbox"
            ),
            # "My threads".
            models.Index(
                fields=["assignee", "status", "-last_message"],
                name="thread_by_assignee",
            ),
            # lifecycle.wake: what has slept long enough.
            models.Index(
                fields=["snoozed_until"],
                name="thread_snoozed",
                condition=Q(snoozed_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.subject or str(_("(no subject)"))


class ThreadLinkQuerySet(models.QuerySet["ThreadLink"]):
    def cuts_between(
        self, some: Iterable[int], others: Iterable[int]
    ) -> "ThreadLinkQuerySet":
        """The cuts between two sets of threads, by what those hold today."""
        one, two = list(some), list(others)
        return self.filter(
            Q(a__thread__among=one, b__thread__among=two)
            | Q(a__thread__among=two, b__thread__among=one),
            kind=ThreadLink.Kind.CUT,
        )


class ThreadLink(models.Model):
    """What staff joined or split, remembered: new mail follows it.

    Between two messages, so that it stays true when their threads are merged.
    """

    class Kind(models.TextChoices):
        LINK = "link", _("link")
        CUT = "cut", _("cut")

    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE)
    a = models.ForeignKey("threads.Message", on_delete=models.CASCADE, related_name="+")
    b = models.ForeignKey("threads.Message", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=4, choices=Kind.choices)
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(db_default=Now())

    objects = ThreadLinkQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["a", "b", "kind"], name="thread_link_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.a_id}–{self.b_id}"
