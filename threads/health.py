"""Whether the work is being done, for who watches from outside."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from shutil import disk_usage

from django.conf import settings
from django.db.models import Min
from django.utils import timezone

from threads.dashboard import attention
from threads.models import Message
from threads.serializers import timestamp
from webhooks.delivery import waiting_since
from webhooks.models import Heartbeat

LEAST_FREE = 1 << 30
LEAST_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Reason:
    code: str
    detail: str


def reasons(domains: list[str]) -> Iterator[Reason]:
    """Why not all is well; of sources only those of `domains`, none means all."""
    yield from _sources(domains)
    seen = Heartbeat.objects.filter(kind="worker").order_by("-at").first()
    if seen is None or _since(seen.at) > attention.WORKER_SILENT:
        yield Reason("heartbeat", "No worker has been seen for two minutes.")
    due = waiting_since()
    if due is not None and _since(due) > attention.OVERDUE:
        yield Reason("delivery_overdue", f"A delivery has been due since {_told(due)}.")
    queued = Message.objects.filter(status=Message.Status.QUEUED)
    reply = queued.aggregate(first=Min("next_at"))["first"]
    if reply is not None and _since(reply) > attention.OVERDUE:
        yield Reason("reply_overdue", f"A reply has been due since {_told(reply)}.")
    if is_low(Path(settings.DATA_DIR)):
        yield Reason("disk", "The disk of DATA_DIR is nearly full.")


def is_low(folder: Path) -> bool:
    """Little room left, where `folder` is or would be."""
    while not folder.exists():
        folder = folder.parent
    usage = disk_usage(folder)
    return usage.free < max(LEAST_FREE, usage.total * LEAST_SHARE)


def _sources(domains: list[str]) -> Iterator[Reason]:
    troubled = attention.troubled_sources()
    if domains:
        troubled = troubled.filter(mailbox__domain__in=domains)
    for source in troubled.select_related("mailbox")[:20]:
        since = source.last_pass_at or source.created_at
        yield Reason(
            "source_lag",
            f"Mail of {source.mailbox.address} was last fetched {_told(since)}.",
        )


def _since(moment: datetime) -> timedelta:
    return timezone.now() - moment


def _told(moment: datetime) -> str:
    return timestamp(moment) or ""
