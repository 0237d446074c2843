"""Threads made one, or two."""

from typing import ClassVar

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import Problem
from api.inputs import MergeInput, Nothing
from api.models import ApiKey
from api.parameters import Parameters
from api.views.base import View, described
from api.views.threads import actor, visible
from threads import joining
from threads.models import Message, Thread
from threads.serializers import etag, thread_json


def _into(key: ApiKey, thread_id: str) -> Thread:
    found = Thread.objects.within(key.domains).filter(public_id=thread_id).first()
    if found is None:
        raise Problem(
            "unknown_thread",
            "into: there is no such thread.",
            fix="Send the id of a thread that this key may see.",
            field="into",
        )
    return found


class ThreadMerge(View):
    scopes: ClassVar = {"POST": "threads:write"}

    @described("Thread", request=MergeInput)
    def post(self, request: Request, thread_id: str) -> HttpResponse:
        """Merge a thread into another, which stays and is answered."""
        Parameters(request, ())
        # Not `visible`: merging what is merged already changes nothing.
        threads = Thread.objects.within(self.key.domains)
        thread = get_object_or_404(threads, public_id=thread_id)
        asked = MergeInput(data=request.data)
        asked.is_valid(raise_exception=True)
        into = _into(self.key, asked.validated_data["into"])

        def act() -> Response:
            stays = joining.merge(thread.pk, into.pk, actor=actor(self.key))
            fresh = visible(self.key, stays.public_id)
            return Response(thread_json(fresh), headers={"ETag": etag(fresh)})

        return self.once(act)


class MessageSplit(View):
    scopes: ClassVar = {"POST": "threads:write"}

    @described("Thread", status=201, request=Nothing)
    def post(self, request: Request, message_id: str) -> HttpResponse:
        """Give a message, and what came after it, a thread of its own."""
        Parameters(request, ())
        Nothing(data=request.data).is_valid(raise_exception=True)
        messages = Message.objects.within(self.key.domains)
        message = get_object_or_404(messages, public_id=message_id)

        def act() -> Response:
            new = joining.split(message.pk, actor=actor(self.key))
            body = thread_json(visible(self.key, new.public_id))
            location = f"/api/v1/threads/{new.public_id}"
            return Response(body, status=201, headers={"Location": location})

        return self.once(act)
