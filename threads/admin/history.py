"""Who did what when, and who has been told: from the events of a thread."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from threads.models import Thread
from webhooks.models import Delivery, EventBody

JSON = dict[str, Any]
SHOWN = 30
_MERGED_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Line:
    when: datetime
    what: str
    who: str
    delivered: int
    waiting: int
    lost: int


def history(thread: Thread) -> list[Line]:
    """The newest events, newest first, in one statement."""
    names = [thread.public_id, *thread.merged_ids[-_MERGED_SHOWN:]]
    state = Delivery.State
    bodies = (
        EventBody.objects.filter(
            format=EventBody.Format.FULL,
            event__thread__in=names,
            # As in the index `event_thread_sequence`, or it is not used.
            event__sequence__gt=0,
        )
        .exclude(event__thread="")
        .select_related("event")
        .annotate(
            delivered=_count(state.SUCCEEDED),
            waiting=_count(state.PENDING, state.CLAIMED, state.HELD),
            lost=_count(state.EXHAUSTED),
        )
        .order_by("-event__position")[:SHOWN]
    )
    return [_line(body) for body in bodies]


def _count(*states: str) -> Coalesce:
    found: QuerySet[Delivery, Any] = (
        Delivery.objects.filter(event=OuterRef("event"), state__in=states)
        .order_by()
        .values("event")
        .annotate(number=Count("pk"))
        .values("number")
    )
    return Coalesce(Subquery(found), 0)


# Changes that say it all by their name.
_WITHOUT_VALUES = {
    "note": gettext_lazy("Internal note"),
    "erased_messages": gettext_lazy("A message was erased"),
}


def _line(body: Any) -> Line:
    told: JSON = json.loads(bytes(body.body) or b"{}")
    actor = told.get("actor") or {}
    return Line(
        when=body.event.created_at,
        what=_what(body.event.type, told.get("changes") or {}),
        who=str(actor.get("name") or actor.get("id") or ""),
        delivered=body.delivered,
        waiting=body.waiting,
        lost=body.lost,
    )


def _what(kind: str, changes: JSON) -> str:
    if kind == "thread.assigned":
        new = (changes.get("assignee") or {}).get("new") or {}
        return _("Assigned to %(name)s") % {"name": new.get("name", "?")}
    if kind == "thread.updated" and changes:
        return " · ".join(_change(name, said) for name, said in changes.items())
    return _kinds().get(kind, kind)


def _change(name: str, said: JSON) -> str:
    old, new = said.get("old"), said.get("new")
    if name == "tags":
        return _tags(old or [], new or [])
    if name in _WITHOUT_VALUES:
        return str(_WITHOUT_VALUES[name])
    if name == "snoozed_until":
        moment = parse_datetime(new) if new else None
        if moment is None:
            return _("Awake again")
        until = date_format(localtime(moment), "SHORT_DATETIME_FORMAT")
        return _("Snoozed until %(moment)s") % {"moment": until}
    if name == "subject":
        return _("Subject: %(new)s") % {"new": new}
    values = {**dict(Thread.Status.choices), **dict(Thread.Priority.choices)}
    labels = {"status": _("Status"), "priority": _("Priority"), "team": _("Team")}
    was, now = (str(values.get(str(value), value or "–")) for value in (old, new))
    return f"{labels.get(name, name)}: {was} → {now}"


def _tags(old: list[str], new: list[str]) -> str:
    added = [f"+ {name}" for name in new if name not in old]
    gone = [f"− {name}" for name in old if name not in new]
    return _("Tags: %(changes)s") % {"changes": ", ".join([*added, *gone])}


def _kinds() -> dict[str, str]:
    return {
        "thread.created": _("Thread begun"),
        "thread.closed": _("Closed"),
        "thread.reopened": _("Reopened"),
        "thread.unassigned": _("Unassigned"),
        "thread.updated": _("Changed"),
        "thread.merged": _("Merged"),
        "thread.split": _("Split off"),
        "message.received": _("Message received"),
        "message.sent": _("Reply sent"),
        "message.failed": _("Reply failed"),
        "message.in_doubt": _("Reply in doubt"),
        "message.bounced": _("Reply bounced"),
    }
