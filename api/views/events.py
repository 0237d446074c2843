"""The event log: the same bodies as the webhooks, for who would rather ask."""

from datetime import timedelta
from time import monotonic, sleep
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import Problem
from api.models import ApiKey
from api.parameters import Parameters, invalid
from api.views.base import View, described
from api.views.threads import visible
from api.waiting import place
from threads.models import Mailbox
from webhooks.catalogue import EVENTS, TEST, sample
from webhooks.models import Event, EventBody
from webhooks.models.retention import days_kept
from webhooks.serializers import event_json

JSON = dict[str, Any]
_NAMES = ("after", "type", "domain", "limit", "order", "wait")
_LONGEST_WAIT = 30
_POLL_SECONDS = 0.25


def of_key(key: ApiKey) -> QuerySet[Event]:
    """The part of the log that a key may see."""
    log = Event.objects.filter(position__isnull=False, erased_at=None)
    return log.filter(domain__in=key.domains) if key.domains else log


def bodies(events: list[Event]) -> list[JSON]:
    full = EventBody.objects.filter(
        event__in=[event.pk for event in events], format=EventBody.Format.FULL
    )
    found = {body.event_id: bytes(body.body) for body in full}
    return [event_json(found[event.pk]) for event in events if event.pk in found]


class EventList(View):
    scopes: ClassVar = {"GET": "events:read"}

    @described("EventLog", query=_NAMES)
    def get(self, request: Request) -> Response:
        """Read the log after an event, oldest first; `wait` for news up to 30 s."""
        asked = Parameters(request, _NAMES)
        limit = asked.limit()
        backwards = asked.choice("order", ["asc", "desc"]) == "desc"
        events = self._filtered(asked)
        ordered = events.order_by("-position" if backwards else "position")
        wait = asked.number("wait", 0, 0, _LONGEST_WAIT)
        found = list(ordered[: limit + 1])
        if wait and not found:
            found = self._awaited(ordered[: limit + 1], wait)
        shown = found[:limit]
        last = shown[-1].public_id if shown else asked.text("after")
        return Response(
            {
                "results": bodies(shown),
                "next_after": last or None,
                "has_more": len(found) > limit,
            }
        )

    def _awaited(self, asked: QuerySet[Event], seconds: int) -> list[Event]:
        """What comes within so many seconds; nothing at once when too many wait."""
        give_up = monotonic() + seconds
        found: list[Event] = []
        with place(self.key) as free:
            while free and not found and monotonic() < give_up:
                sleep(_POLL_SECONDS)
                found = list(asked.all())
        return found

    def _filtered(self, asked: Parameters) -> QuerySet[Event]:
        events = of_key(self.key)
        if types := asked.choices("type", EVENTS):
            events = events.filter(type__in=types)
        if asked.text("domain"):
            known = Mailbox.objects.within(self.key.domains)
            domains = sorted(set(known.values_list("domain", flat=True)))
            events = events.filter(domain__in=asked.choices("domain", domains))
        if after := asked.text("after"):
            events = events.filter(position__gt=self._position(after))
        return events

    def _position(self, after: str) -> int:
        log = Event.objects.filter(position__isnull=False)
        if self.key.domains:
            log = log.filter(domain__in=self.key.domains)
        # One that was erased alone still marks a place; one that is too old does not.
        before = Now() - timedelta(days=days_kept())
        log = log.exclude(erased_at__isnull=False, created_at__lt=before)
        event = log.filter(public_id=after).first()
        if event is not None:
            return int(event.position or 0)
        oldest = of_key(self.key).order_by("position").first()
        if oldest is not None and after < oldest.public_id:
            raise Problem(
                "cursor_expired",
                "The log no longer reaches back to that event.",
                http_status=410,
                fix="Begin again without after.",
                field="after",
            )
        raise invalid("after", "there is no such event", "Send next_after as it came.")


class EventSample(View):
    scopes: ClassVar = {"GET": "events:read"}

    @described("Event")
    def get(self, request: Request, kind: str) -> Response:
        """Read an invented event of a type; works on an empty installation."""
        Parameters(request, ())
        if kind not in (*EVENTS, TEST):
            raise Problem(
                "not_found",
                f"There is no event {kind}.",
                http_status=404,
                fix=f"There are: {', '.join(EVENTS)}.",
            )
        return Response(sample(kind))


class ThreadEvents(View):
    scopes: ClassVar = {"GET": "events:read"}

    @described("EventLog", query=("after", "limit"))
    def get(self, request: Request, thread_id: str) -> Response:
        """Read the events of a thread, oldest first."""
        asked = Parameters(request, ("after", "limit"))
        thread = visible(self.key, thread_id)
        # In the words of the partial index, which knows no event without a thread.
        events = of_key(self.key).filter(thread=thread.public_id, sequence__gt=0)
        events = events.exclude(thread="")
        if after := asked.text("after"):
            start = get_object_or_404(events, public_id=after)
            events = events.filter(sequence__gt=start.sequence)
        limit = asked.limit()
        found = list(events.order_by("sequence")[: limit + 1])
        shown = found[:limit]
        return Response(
            {
                "results": bodies(shown),
                "next_after": shown[-1].public_id if shown else after or None,
                "has_more": len(found) > limit,
            }
        )
