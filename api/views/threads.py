"""Threads: listed, read, changed, answered."""

from typing import Any, ClassVar

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.conditions import demanded, unchanged
from api.inputs import ReplyInput, ThreadChange
from api.models import ApiKey
from api.pagination import Place, page
from api.parameters import Parameters, moment
from api.scopes import require
from api.views.base import View, described
from threads import erasing, lifecycle, outbound
from threads.actors import Actor
from threads.mail.compose import Enclosure
from threads.models import Mailbox, Message, Thread, User
from threads.models.thread import ThreadQuerySet
from threads.serializers import (
    LIST_LIMIT,
    etag,
    message_json,
    thread_json,
    thread_row_json,
    thread_rows,
)

JSON = dict[str, Any]
_FILTERS = (
    "status",
    "domain",
    "mailbox",
    "assignee",
    "tag",
    "priority",
    "from",
    "updated_since",
    "created_since",
)


def actor(key: ApiKey) -> Actor:
    return Actor(type="api_key", id=key.public_id, name=key.name)


def visible(key: ApiKey, thread_id: str) -> Thread:
    """A key's own thread, or 404; a merged one answers as its survivor."""
    threads = Thread.objects.within(key.domains)
    found = get_object_or_404(threads.with_relations(), public_id=thread_id)
    if found.merged_into_id is not None:
        return get_object_or_404(threads.with_relations(), pk=found.merged_into_id)
    return found


class ThreadList(View):
    scopes: ClassVar = {"GET": "threads:read"}

    @described("ThreadPage", query=(*_FILTERS, "limit", "cursor"))
    def get(self, request: Request) -> Response:
        """List threads, newest activity first."""
        asked = Parameters(request, (*_FILTERS, "limit", "cursor"))
        threads = self._filtered(asked)
        return Response(
            page(
                Place.of(request),
                threads,
                "last_message_id",
                asked.limit(),
                thread_row_json,
            )
        )

    def _filtered(self, asked: Parameters) -> ThreadQuerySet:
        threads = thread_rows().within(self.key.domains).standing()
        statuses = asked.choices("status", [*Thread.Status.values, "all"])
        if not statuses:
            threads = threads.exclude(status=Thread.Status.SPAM)
        elif "all" not in statuses:
            threads = threads.filter(status__in=statuses)
        if asked.text("domain") or asked.text("mailbox"):
            threads = self._of_ours(threads, asked)
        if priorities := asked.choices("priority", Thread.Priority.values):
            threads = threads.filter(priority__in=priorities)
        if assignee := asked.text("assignee"):
            threads = (
                threads.filter(assignee=None)
                if assignee == "none"
                else threads.filter(assignee__email=assignee.lower())
            )
        if tag := asked.text("tag"):
            threads = threads.filter(tags__name=tag)
        if person := asked.address("from"):
            threads = threads.of_person(person)
        for name, column in (
            ("updated_since", "updated_at__gte"),
            ("created_since", "created_at__gte"),
        ):
            if (since := asked.moment(name)) is not None:
                threads = threads.filter(**{column: since})
        return threads

    def _of_ours(self, threads: ThreadQuerySet, asked: Parameters) -> ThreadQuerySet:
        """`domain` and `mailbox` are closed lists: the key's own."""
        known = list(Mailbox.objects.within(self.key.domains))
        domains = sorted({mailbox.domain for mailbox in known})
        addresses = [mailbox.address for mailbox in known]
        picked = asked.choices("domain", domains)
        named = asked.choices("mailbox", addresses)
        chosen = [
            mailbox.pk
            for mailbox in known
            if (not picked or mailbox.domain in picked)
            and (not named or mailbox.address in named)
        ]
        return threads.filter(mailbox__in=chosen)


class ThreadDetail(View):
    scopes: ClassVar = {
        "GET": "threads:read",
        "PATCH": "threads:write",
        "DELETE": "threads:write",
    }

    @described("ThreadWithMessages")
    def get(self, request: Request, thread_id: str) -> HttpResponse:
        """Read a thread with its newest 100 messages, oldest first."""
        Parameters(request, ())
        thread = visible(self.key, thread_id)
        newest = page(
            Place(f"/api/v1/threads/{thread.public_id}/messages"),
            Message.objects.kept().with_relations().filter(thread=thread),
            "pk",
            LIST_LIMIT,
            message_json,
        )
        tag = etag(thread, newest["results"])
        if unchanged(request, tag):
            return HttpResponse(status=304, headers={"ETag": tag})
        body = {
            **thread_json(thread),
            "messages": newest["results"][::-1],
            "messages_next": newest["next"],
        }
        headers = {"ETag": tag}
        if thread.public_id != thread_id:
            headers["Content-Location"] = body["url"]
        return Response(body, headers=headers)

    @described("Thread", request=ThreadChange)
    def patch(self, request: Request, thread_id: str) -> Response:
        """Change status, assignee, tags, priority, subject or snoozed_until."""
        Parameters(request, ())
        thread = visible(self.key, thread_id)
        asked = ThreadChange(data=request.data)
        asked.is_valid(raise_exception=True)
        lifecycle.change(
            thread.pk,
            actor=actor(self.key),
            changes=_changes(asked.validated_data),
            if_match=demanded(request),
        )
        fresh = visible(self.key, thread.public_id)
        return Response(thread_json(fresh), headers={"ETag": etag(fresh)})

    @described(status=204)
    def delete(self, request: Request, thread_id: str) -> Response:
        """Erase a thread and all that was said in it, for good."""
        Parameters(request, ())
        thread = visible(self.key, thread_id)
        erasing.delete_thread(
            thread.pk, actor=actor(self.key), if_match=demanded(request)
        )
        return Response(status=204)


class ThreadMessages(View):
    scopes: ClassVar = {"GET": "threads:read"}

    @described("MessagePage", query=("limit", "cursor"))
    def get(self, request: Request, thread_id: str) -> Response:
        """List a thread's messages, newest first."""
        asked = Parameters(request, ("limit", "cursor"))
        thread = visible(self.key, thread_id)
        messages = Message.objects.kept().with_relations().filter(thread=thread)
        return Response(
            page(Place.of(request), messages, "pk", asked.limit(), message_json)
        )


class ThreadReply(View):
    scopes: ClassVar = {"POST": "messages:send"}

    @described("Message", status=202, request=ReplyInput)
    def post(self, request: Request, thread_id: str) -> HttpResponse:
        """Answer a thread; `{"body": …}` is enough."""
        Parameters(request, ())
        thread = visible(self.key, thread_id)
        asked = ReplyInput(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = _reply(asked.validated_data)
        if outbound.outsiders(thread, wanted):
            require(self.key, "messages:send_any")

        def act() -> Response:
            message = outbound.reply(thread.pk, wanted, actor=actor(self.key))
            body = message_json(Message.objects.with_relations().get(pk=message.pk))
            location = f"/api/v1/messages/{message.public_id}"
            return Response(body, status=202, headers={"Location": location})

        return self.once(act)


def _reply(asked: JSON) -> outbound.Reply:
    enclosed = [
        Enclosure(**{"content_type": "", **file})
        for file in asked.get("attachments", ())
    ]
    return outbound.Reply(**{**asked, "attachments": enclosed})


def _changes(asked: JSON) -> lifecycle.Changes:
    values = dict(asked)
    if values.get("assignee") is not None:
        email = values["assignee"].lower()
        user = User.objects.filter(email=email, is_active=True).first()
        if user is None:
            raise serializers.ValidationError(
                {
                    "assignee": serializers.ErrorDetail(
                        "There is no such team member; see GET /api/v1/users.",
                        code="unknown_user",
                    )
                }
            )
        values["assignee"] = user
    if values.get("snoozed_until") is not None:
        values["snoozed_until"] = moment("snoozed_until", values["snoozed_until"])
    return lifecycle.Changes(**values)
