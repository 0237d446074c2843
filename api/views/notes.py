"""Internal notes of a thread."""

from typing import ClassVar

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from api.inputs import NoteInput
from api.parameters import Parameters
from api.views.base import View, described
from api.views.threads import actor, visible
from threads.models import Note
from threads.notes import add_note
from threads.serializers import note_json


class ThreadNotes(View):
    scopes: ClassVar = {"GET": "threads:read", "POST": "threads:write"}

    @described("NoteLog", query=("after", "limit"))
    def get(self, request: Request, thread_id: str) -> Response:
        """List the notes of a thread, oldest first."""
        asked = Parameters(request, ("after", "limit"))
        thread = visible(self.key, thread_id)
        notes = Note.objects.filter(thread=thread).select_related("thread", "author")
        if after := asked.text("after"):
            notes = notes.filter(pk__gt=get_object_or_404(notes, public_id=after).pk)
        limit = asked.limit()
        found = list(notes.order_by("pk")[: limit + 1])
        shown = found[:limit]
        return Response(
            {
                "results": [note_json(note) for note in shown],
                "next_after": shown[-1].public_id if shown else after or None,
                "has_more": len(found) > limit,
            }
        )

    @described("Note", status=201, request=NoteInput)
    def post(self, request: Request, thread_id: str) -> HttpResponse:
        """Write an internal note; it is never mailed."""
        Parameters(request, ())
        thread = visible(self.key, thread_id)
        asked = NoteInput(data=request.data)
        asked.is_valid(raise_exception=True)

        def act() -> Response:
            body = asked.validated_data["body"]
            note = add_note(thread.pk, body, actor=actor(self.key))
            location = f"/api/v1/threads/{thread.public_id}/notes"
            return Response(note_json(note), status=201, headers={"Location": location})

        return self.once(act)
