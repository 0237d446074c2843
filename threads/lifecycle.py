"""The life of a thread: status, assignee, tags and the like, read-only elsewhere.

One request fires at most one each, in this order: `thread.closed` or
`thread.reopened`; `thread.assigned` or `thread.unassigned`; `thread.updated` for the
rest. A value that stays as it was fires nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from threads.actors import TIMER, Actor
from threads.errors import RefusedError
from threads.events import newest_inbound, thread_event
from threads.mail.limits import clean_line
from threads.models import Message, Tag, Team, Thread, User
from threads.serializers import etag, timestamp, user_json
from webhooks.outbox import NewEvent, publish

JSON = dict[str, Any]
TAG_LENGTH = 50
TAG_LIMIT = 50


class Unset(Enum):
    """A field the request did not name."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a request wants; what is UNSET stays."""

    status: str | Unset = UNSET
    assignee: User | Unset | None = UNSET
    tags: list[str] | Unset = UNSET
    # Beside the tags it has, whatever those are by then.
    add_tags: Sequence[str] = ()
    remove_tags: Sequence[str] = ()
    priority: str | Unset = UNSET
    subject: str | Unset = UNSET
    snoozed_until: datetime | Unset | None = UNSET
    team: Team | Unset | None = UNSET


@dataclass(slots=True)
class _Fired:
    """The changes of one request, sorted by the event that tells them."""

    status: JSON = field(default_factory=dict)
    status_event: str = ""
    assignee: JSON = field(default_factory=dict)
    assignee_event: str = ""
    rest: JSON = field(default_factory=dict)


@transaction.atomic
def change(
    thread_pk: int,
    *,
    actor: Actor,
    changes: Changes,
    if_match: Collection[str] | None = None,
) -> Thread:
    """Change a thread and tell of it, if its ETag is one of `if_match`.

    Raises `RefusedError` with `version_mismatch` or `too_many_tags`.
    """
    thread = locked(thread_pk)
    if if_match is not None and etag(thread) not in if_match:
        raise version_mismatch()
    if events := apply(thread, changes, actor):
        publish(events)
    return thread


def version_mismatch() -> RefusedError:
    return RefusedError(
        "version_mismatch",
        _("The thread has changed since you read it."),
        fix=_("Read it again and repeat the change with its new ETag."),
    )


def wake(limit: int = 200) -> int:
    """End the snooze of threads whose time has come; how many there were."""
    due = Thread.objects.filter(snoozed_until__lte=Now()).order_by("snoozed_until")
    pks = list(due.values_list("pk", flat=True)[:limit])
    for pk in pks:
        change(pk, actor=TIMER, changes=Changes(snoozed_until=None))
    return len(pks)


def locked(thread_pk: int) -> Thread:
    """The thread, or the one it was merged into, locked for the transaction."""
    while True:
        thread = (
            Thread.objects.with_relations()
            .select_for_update(of=("self",), no_key=True)
            .get(pk=thread_pk)
        )
        if thread.merged_into_id is None:
            return thread
        thread_pk = thread.merged_into_id


def locked_with(message_pk: int) -> Thread:
    """The thread that a message is in by now, locked: it may have been split off."""
    where = Message.objects.filter(pk=message_pk)
    while True:
        thread = locked(where.values_list("thread", flat=True).get())
        if where.filter(thread=thread).exists():
            return thread


def apply(thread: Thread, changes: Changes, actor: Actor) -> list[NewEvent]:
    """Change a locked thread and save it; the events are the caller's to publish."""
    fired = _Fired()
    _apply_status(thread, changes, fired)
    _apply_assignee(thread, changes, fired)
    _apply_rest(thread, changes, fired)
    told = [
        (fired.status_event, fired.status),
        (fired.assignee_event, fired.assignee),
        ("thread.updated" if fired.rest else "", fired.rest),
    ]
    if not any(kind for kind, _ in told):
        return []
    thread.updated_at = timezone.now()
    newest = newest_inbound(thread)
    events = [
        thread_event(kind, thread, actor=actor, newest_inbound=newest, changes=said)
        for kind, said in told
        if kind
    ]
    thread.save()
    return events


def status_event(old: str, new: str) -> str:
    """Which event a change of status is.

    >>> status_event("spam", "closed")
    'thread.closed'
    >>> status_event("closed", "pending")
    'thread.reopened'
    >>> status_event("open", "spam")
    'thread.updated'
    """
    if new == Thread.Status.CLOSED:
        return "thread.closed"
    if new == Thread.Status.SPAM:
        return "thread.updated"
    if old == Thread.Status.CLOSED or (old, new) == ("spam", "open"):
        return "thread.reopened"
    return "thread.updated"


def set_status(thread: Thread, status: str) -> None:
    """Status and `closed_at` belong together; saving is the caller's."""
    thread.status = status
    closed = status == Thread.Status.CLOSED
    thread.closed_at = timezone.now() if closed else None


def _apply_status(thread: Thread, changes: Changes, fired: _Fired) -> None:
    old, new = thread.status, changes.status
    if isinstance(new, Unset) or new == old:
        return
    set_status(thread, new)
    said = {"status": {"old": old, "new": new}}
    kind = status_event(old, new)
    if kind == "thread.updated":
        fired.rest.update(said)
    else:
        fired.status, fired.status_event = said, kind


def _apply_assignee(thread: Thread, changes: Changes, fired: _Fired) -> None:
    old, new = thread.assignee, changes.assignee
    if isinstance(new, Unset) or new == old:
        return
    thread.assignee = new
    fired.assignee = {"assignee": {"old": user_json(old), "new": user_json(new)}}
    fired.assignee_event = "thread.assigned" if new else "thread.unassigned"


def _apply_rest(thread: Thread, changes: Changes, fired: _Fired) -> None:
    if not isinstance(changes.tags, Unset):
        _apply_tags(thread, changes.tags, fired)
    elif changes.add_tags or changes.remove_tags:
        kept = {tag.name for tag in thread.tags.all()} - set(changes.remove_tags)
        _apply_tags(thread, [*kept, *changes.add_tags], fired)
    if not isinstance(changes.priority, Unset) and changes.priority != thread.priority:
        fired.rest["priority"] = {"old": thread.priority, "new": changes.priority}
        thread.priority = changes.priority
    if not isinstance(changes.team, Unset) and changes.team != thread.team:
        fired.rest["team"] = {
            "old": thread.team.name if thread.team else None,
            "new": changes.team.name if changes.team else None,
        }
        thread.team = changes.team
    if not isinstance(changes.subject, Unset):
        subject = clean_line(changes.subject, 998)
        if subject != thread.subject:
            fired.rest["subject"] = {"old": thread.subject, "new": subject}
            thread.subject = subject
    until = changes.snoozed_until
    if not isinstance(until, Unset) and until != thread.snoozed_until:
        fired.rest["snoozed_until"] = {
            "old": timestamp(thread.snoozed_until),
            "new": timestamp(until),
        }
        thread.snoozed_until = until


def _apply_tags(thread: Thread, wanted: list[str], fired: _Fired) -> None:
    new = sorted({clean_line(name, TAG_LENGTH) for name in wanted} - {""})
    if len(new) > TAG_LIMIT:
        raise RefusedError(
            "too_many_tags",
            _("A thread has at most %d tags.") % TAG_LIMIT,
            fix=_("Send fewer tags."),
            field="tags",
        )
    old = sorted(tag.name for tag in thread.tags.all())
    if new == old:
        return
    Tag.objects.bulk_create([Tag(name=name) for name in new], ignore_conflicts=True)
    thread.tags.set(Tag.objects.filter(name__in=new))
    fired.rest["tags"] = {"old": old, "new": new}
