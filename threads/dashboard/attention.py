"""What needs a person, most pressing first; each with the page where it is mended.

Everybody who works here sees that something is wrong; the words of a failure and the
way to its settings are for those who may open them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, Q, QuerySet, Subquery
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from threads.models import IngestRecord, Mailbox, Message, Source, Thread, User
from webhooks.models import Delivery, Heartbeat, Webhook

# A watcher sweeps every minute, a worker says so every few seconds.
_SOURCE_SILENT = timedelta(minutes=10)
WORKER_SILENT = timedelta(minutes=2)
OVERDUE = timedelta(minutes=2)
_LISTED = 5
# Of the newest failed replies so many; what is older and still open waits its turn.
_LOOKED_AT = 100
_WORKED_ON = (Thread.Status.OPEN, Thread.Status.PENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """`tone` is error, warning or work."""

    tone: str
    icon: str
    title: str
    detail: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What is set up, and the signs of life; read in one statement."""

    mailbox: bool
    source: bool
    mail: bool
    webhook: bool
    worker_at: datetime | None
    delivery_due: datetime | None
    reply_due: datetime | None

    @classmethod
    def of(cls, user: User) -> "Pulse":
        found: Any = User.objects.filter(pk=user.pk).values(**_pulse()).get()
        return cls(**found)


def items(user: User, pulse: Pulse) -> list[Item]:
    return [
        *worker(user, pulse),
        *sources(user),
        *webhooks(user),
        *replies(user),
        *quarantine(user),
        *_threads(user),
    ]


def worker(user: User, pulse: Pulse) -> Iterator[Item]:
    now = timezone.now()
    link = reverse("system") if user.has_perm("webhooks.view_heartbeat") else ""
    if pulse.worker_at is None or now - pulse.worker_at > WORKER_SILENT:
        seen = pulse.worker_at
        yield Item(
            tone="error",
            icon="engineering",
            title=_("No worker is running: webhooks and replies wait")
            if seen is None
            else _("No worker has been seen for %s: webhooks and replies wait")
            % _since(seen),
            detail=_("On the server, start: manage.py worker"),
            link=link,
        )
    due = min((at for at in (pulse.delivery_due, pulse.reply_due) if at), default=None)
    if due and now - due > OVERDUE:
        yield Item(
            tone="warning",
            icon="hourglass_top",
            title=_("What is due has waited for %s") % _since(due),
            detail=_("The oldest delivery or reply that should have left by now."),
            link=link,
        )


def troubled_sources() -> QuerySet[Source]:
    """Not read for a while, or not without an error."""
    limit = Now() - _SOURCE_SILENT
    silent = Q(last_pass_at__lt=limit) | Q(last_pass_at=None, created_at__lt=limit)
    return Source.objects.filter(silent | ~Q(last_error=""), active=True)


def sources(user: User) -> Iterator[Item]:
    for source in (
        troubled_sources()
        .select_related("mailbox")
        .only(
            "last_pass_at",
            "created_at",
            "last_error",
            "error_words",
            "mailbox__address",
        )[:_LISTED]
    ):
        link = _link(user, "threads.source", source.pk)
        yield Item(
            tone="error",
            icon="cloud_off",
            title=_("Mail of %(mailbox)s has not been fetched for %(time)s")
            % {
                "mailbox": source.mailbox.address,
                "time": _since(source.last_pass_at or source.created_at),
            },
            detail=source.trouble
            if link and source.last_error
            else _("Is “ingest --watch” running?"),
            link=link,
        )


def webhooks(user: User) -> Iterator[Item]:
    troubled = list(
        Webhook.objects.troubled().only(
            "url", "failing_since", "state", "state_reason"
        )[:_LISTED]
    )
    stuck = _stuck(troubled) if troubled else {}
    for webhook in troubled:
        if webhook.state == Webhook.State.OFF:
            title = _("Webhook %s has been switched off") % webhook
        else:
            title = _("Webhook %(webhook)s has been failing for %(time)s") % {
                "webhook": webhook,
                "time": _since(webhook.failing_since or timezone.now()),
            }
        yield Item(
            tone="error",
            icon="link_off",
            title=title,
            detail=", ".join(stuck.get(webhook.pk, ())),
            link=_link(user, "webhooks.webhook", webhook.pk),
        )


def _stuck(webhooks: list[Webhook]) -> dict[int, list[str]]:
    """By webhook: how many deliveries wait, are held and were given up, in words."""
    pending, held = Delivery.State.PENDING, Delivery.State.HELD
    exhausted = Delivery.State.EXHAUSTED
    said = {webhook.pk: list[str]() for webhook in webhooks}
    # Apart, for each has an index of its own.
    waiting = Delivery.objects.filter(state=pending, webhook__in=webhooks)
    for row in waiting.order_by().values("webhook_id").annotate(count=Count("pk")):
        count = row["count"]
        words = ngettext("%d waits", "%d wait", count) % count
        said[row["webhook_id"]].append(words)
    stuck = Delivery.objects.filter(
        Q(state=held) | Q(state=exhausted), webhook__in=webhooks
    )
    for row in (
        stuck.order_by()
        .values("webhook_id")
        .annotate(
            held=Count("pk", filter=Q(state=held)),
            exhausted=Count("pk", filter=Q(state=exhausted)),
        )
    ):
        if row["held"]:
            said[row["webhook_id"]].append(_("%d held") % row["held"])
        if row["exhausted"]:
            said[row["webhook_id"]].append(_("%d given up") % row["exhausted"])
    return said


def replies(user: User) -> Iterator[Item]:
    """Of threads that somebody still works on: closing one says it is dealt with."""
    troubled = (
        Message.objects.filter(
            Q(status=Message.Status.FAILED) | Q(status=Message.Status.IN_DOUBT)
        )
        .select_related("thread")
        .only(
            "status",
            "error_detail",
            "error_words",
            "thread__public_id",
            "thread__subject",
            "thread__status",
        )
        .order_by("-id")[:_LOOKED_AT]
    )
    open_ones = [one for one in troubled if one.thread.status in _WORKED_ON]
    for message in open_ones[:_LISTED]:
        failed = message.status == Message.Status.FAILED
        yield Item(
            tone="error" if failed else "warning",
            icon="unsubscribe" if failed else "contact_support",
            title=(
                _("A reply could not be sent: %s")
                if failed
                else _("Whether a reply was sent is in doubt: %s")
            )
            % message.thread,
            detail=message.trouble,
            link=_link(user, "threads.thread", message.thread.public_id),
        )


def quarantine(user: User) -> Iterator[Item]:
    count = IngestRecord.objects.filter(state=IngestRecord.State.QUARANTINED).count()
    if count:
        yield Item(
            tone="warning",
            icon="report",
            title=ngettext(
                "%d mail could not be understood",
                "%d mails could not be understood",
                count,
            )
            % count,
            detail=_("They are kept in quarantine, with the original and the reason."),
            link=_link(user, "threads.ingestrecord"),
        )


def _threads(user: User) -> Iterator[Item]:
    standing = Thread.objects.standing().filter(status=Thread.Status.OPEN)
    unassigned = standing.filter(assignee=None).count()
    if unassigned:
        yield Item(
            tone="work",
            icon="inbox",
            title=ngettext(
                "%d open thread is nobody's",
                "%d open threads are nobody's",
                unassigned,
            )
            % unassigned,
            link=_link(
                user, "threads.thread", "?status__exact=open&assignee__isnull=True"
            ),
        )
    mine = standing.filter(assignee=user).count()
    if mine:
        yield Item(
            tone="work",
            icon="person",
            title=ngettext("%d open thread is yours", "%d open threads are yours", mine)
            % mine,
            link=_link(
                user,
                "threads.thread",
                f"?status__exact=open&assignee__id__exact={user.pk}",
            ),
        )


def _pulse() -> dict[str, Exists | Subquery]:
    due = Delivery.objects.filter(
        state=Delivery.State.PENDING,
        next_at__lte=Now(),
        webhook__state=Webhook.State.ACTIVE,
        webhook__deleted_at=None,
    )
    replies = Message.objects.filter(
        status=Message.Status.QUEUED, next_at__lte=Now()
    ).order_by("next_at", "id")
    workers = Heartbeat.objects.filter(kind="worker").order_by("-at")
    return {
        "mailbox": Exists(Mailbox.objects.all()),
        "source": Exists(Source.objects.filter(active=True)),
        "mail": Exists(Message.objects.all()),
        "webhook": Exists(Webhook.objects.present()),
        "worker_at": Subquery(workers.values("at")[:1]),
        "delivery_due": Subquery(due.order_by("next_at").values("next_at")[:1]),
        "reply_due": Subquery(replies.values("next_at")[:1]),
    }


def _link(user: User, page: str, where: str | int = "") -> str:
    """`page` is app.model, `where` a row or a filter; empty for who may not open it."""
    app, model = page.split(".")
    if not user.has_perm(f"{app}.view_{model}"):
        return ""
    text = str(where)
    if text and not text.startswith("?"):
        return reverse(f"admin:{app}_{model}_change", args=[text])
    return reverse(f"admin:{app}_{model}_changelist") + text


def _since(moment: datetime) -> str:
    return timesince(moment, depth=1)
