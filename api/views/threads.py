"""Threads: listed, read, changed, answered."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.conditions import demanded, unchanged
from api.errors import Problem
from api.inputs import ReplyInput, ThreadChange, ThreadInput, ThreadsChange
from api.models import ApiKey
from api.pagination import Place, page
from api.parameters import Parameters, moment
from api.scopes import require
from api.views.base import View, described
from threads import addressees, erasing, exports, lifecycle, listing, outbound
from threads.actors import Actor
from threads.downloads import download
from threads.mail.addresses import normalise
from threads.mail.compose import Enclosure
from threads.models import Attachment, Mailbox, Message, Team, Thread, User
from threads.models.thread import ThreadQuerySet
from threads.serializers import (
    LIST_LIMIT,
    etag,
    message_json,
    thread_json,
)

JSON = dict[str, Any]
_FILTERS = (
    "status",
    "domain",
    "mailbox",
    "assignee",
    "tag",
    "priority",
    "team",
    "has_attachment",
    "from",
    "updated_since",
    "created_since",
)


_PAGING = ("order", "count", "limit", "cursor")


def actor(key: ApiKey) -> Actor:
    return Actor(type="api_key", id=key.public_id, name=key.name)


def visible(key: ApiKey, thread_id: str) -> Thread:
    """A key's own thread, or 404; a merged one answers as its survivor."""
    threads = Thread.objects.within(key.domains)
    found = get_object_or_404(threads.with_relations(), public_id=thread_id)
    if found.merged_into_id is not None:
        return get_object_or_404(threads.with_relations(), pk=found.merged_into_id)
    return found


class Filtered(View):
    """Threads by what a query asks of them."""

    def _filtered(
        self, asked: Parameters, rows: ThreadQuerySet | None = None
    ) -> ThreadQuerySet:
        threads = Thread.objects.all() if rows is None else rows
        threads = threads.within(self.key.domains).standing()
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
        if team := asked.text("team"):
            known = Q(team=None) if team == "none" else Q(team__name=team)
            threads = threads.filter(known)
        if (wanted := asked.flag("has_attachment")) is not None:
            files = Attachment.objects.filter(
                message__thread=OuterRef("pk"), inline=False
            )
            threads = threads.filter(Exists(files) if wanted else ~Exists(files))
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


class ThreadList(Filtered):
    scopes: ClassVar = {
        "GET": "threads:read",
        "POST": "messages:send",
        "PATCH": "threads:write",
    }

    @described("ThreadPage", query=(*_FILTERS, *_PAGING))
    def get(self, request: Request) -> Response:
        """List threads, newest activity first."""
        asked = Parameters(request, (*_FILTERS, *_PAGING))
        threads = self._filtered(asked)
        found = page(
            Place.of(request),
            threads,
            "last_message_id",
            asked.limit(),
            listing.row_json,
            fetch=listing.rows,
            oldest_first=asked.choice("order", ["asc", "desc"]) == "asc",
        )
        if asked.flag("count"):
            found["count"] = threads.order_by().count()
        return Response(found)

    @described("Thread", status=201, request=ThreadInput)
    def post(self, request: Request) -> HttpResponse:
        """Start a conversation with somebody."""
        Parameters(request, ())
        asked = ThreadInput(data=request.data)
        asked.is_valid(raise_exception=True)
        values = dict(asked.validated_data)
        mailbox = self._mailbox(values.pop("mailbox"))
        subject = values.pop("subject")
        wanted = _reply(values)
        if addressees.strangers(mailbox, wanted):
            require(self.key, "messages:send_any")

        def act() -> Response:
            begun = outbound.begin(mailbox, subject, wanted, actor=actor(self.key))
            thread = visible(self.key, begun.public_id)
            location = f"/api/v1/threads/{thread.public_id}"
            headers = {"Location": location, "ETag": etag(thread)}
            return Response(thread_json(thread), status=201, headers=headers)

        return self.once(act)

    def _mailbox(self, address: str) -> Mailbox:
        known = Mailbox.objects.within(self.key.domains)
        found = known.filter(address=normalise(address)).first()
        if found is None:
            raise _unknown(
                "mailbox", "There is no such one; see GET /api/v1/mailboxes."
            )
        return found

    @described("ThreadList", request=ThreadsChange)
    def patch(self, request: Request) -> Response:
        """Change up to 100 threads alike: all of them, or none."""
        Parameters(request, ())
        asked = ThreadsChange(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = dict(asked.validated_data)
        names = list(dict.fromkeys(wanted.pop("ids")))
        changes = changes_of(wanted)
        known = Thread.objects.within(self.key.domains).filter(public_id__in=names)
        pks = dict(known.values_list("public_id", "pk"))
        if missing := [name for name in names if name not in pks]:
            raise Problem(
                "unknown_thread",
                f"ids: there is no thread {', '.join(missing)}.",
                fix="Send ids of threads that this key may see.",
                field="ids",
            )
        with transaction.atomic():
            # In id order, so that no two requests wait for each other.
            for pk in sorted(pks.values()):
                lifecycle.change(pk, actor=actor(self.key), changes=changes)
        fresh = [visible(self.key, name) for name in names]
        return Response({"results": [thread_json(thread) for thread in fresh]})


class ThreadExport(Filtered):
    scopes: ClassVar = {"GET": "threads:read"}

    @described(media="application/x-ndjson", query=(*_FILTERS, "format"))
    def get(self, request: Request) -> Any:
        """Stream threads with all their messages: `ndjson`, or the mails as `mbox`."""
        asked = Parameters(request, (*_FILTERS, "format"))
        threads = self._filtered(asked, Thread.objects.with_relations())
        if asked.choice("format", ["ndjson", "mbox"]) == "mbox":
            kind, name, lines = "application/mbox", "mbox", exports.mbox(threads)
        else:
            kind, name = "application/x-ndjson", "ndjson"
            lines = exports.ndjson(threads)
        answer = StreamingHttpResponse(lines, content_type=kind)
        answer["Content-Disposition"] = f'attachment; filename="threads.{name}"'
        answer["X-Content-Type-Options"] = "nosniff"
        return answer


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
            changes=changes_of(asked.validated_data),
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
        values = dict(asked.validated_data)
        dry_run = values.pop("dry_run", False)
        wanted = _reply(values)
        if addressees.outsiders(thread, wanted):
            require(self.key, "messages:send_any")
        if dry_run:
            mime = outbound.preview(thread.pk, wanted, actor=actor(self.key))
            return download(mime, "message/rfc822", f"{thread.public_id}.eml")

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
    values = {**asked, "attachments": enclosed}
    if values.get("assignee") is not None:
        values["assignee"] = _colleague(values["assignee"])
    return outbound.Reply(**values)


def _colleague(email: str) -> User:
    user = User.objects.filter(email=email.lower(), is_active=True).first()
    if user is None:
        raise _unknown(
            "assignee", "There is no such team member; see GET /api/v1/users.", "user"
        )
    return user


def _unknown(field: str, text: str, what: str = "") -> serializers.ValidationError:
    detail = serializers.ErrorDetail(text, code=f"unknown_{what or field}")
    return serializers.ValidationError({field: detail})


def changes_of(asked: JSON) -> lifecycle.Changes:
    values = dict(asked)
    if values.get("assignee") is not None:
        values["assignee"] = _colleague(values["assignee"])
    if values.get("team") is not None:
        team = Team.objects.filter(name=values["team"]).first()
        if team is None:
            raise _unknown("team", "There is no such team; see GET /api/v1/teams.")
        values["team"] = team
    if values.get("snoozed_until") is not None:
        values["snoozed_until"] = moment("snoozed_until", values["snoozed_until"])
    return lifecycle.Changes(**values)
