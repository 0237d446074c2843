"""Messages, their untouched originals, and their attachments."""

from typing import ClassVar

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from api.parameters import Parameters
from api.views.base import View, described
from api.views.threads import actor
from threads import erasing
from threads.downloads import download
from threads.mail.parts import attachment
from threads.models import Attachment, Message, Original
from threads.serializers import message_json


class MessageDetail(View):
    scopes: ClassVar = {"GET": "threads:read", "DELETE": "threads:write"}

    @described("Message")
    def get(self, request: Request, message_id: str) -> Response:
        """Read a message."""
        Parameters(request, ())
        messages = Message.objects.within(self.key.domains).with_relations()
        return Response(message_json(get_object_or_404(messages, public_id=message_id)))

    @described(status=204)
    def delete(self, request: Request, message_id: str) -> Response:
        """Erase what a message said, for good: also its original and its events."""
        Parameters(request, ())
        messages = Message.objects.within(self.key.domains)
        message = get_object_or_404(messages, public_id=message_id)
        erasing.erase_message(message.pk, actor=actor(self.key))
        return Response(status=204)


class MessageRaw(View):
    scopes: ClassVar = {"GET": "threads:read"}

    @described(media="message/rfc822")
    def get(self, request: Request, message_id: str) -> HttpResponse:
        """Read the untouched original."""
        Parameters(request, ())
        messages = Message.objects.within(self.key.domains)
        message = get_object_or_404(messages, public_id=message_id)
        original = get_object_or_404(Original, pk=message.original_id)
        return download(
            bytes(original.content), "message/rfc822", f"{message.public_id}.eml"
        )


class AttachmentContent(View):
    scopes: ClassVar = {"GET": "threads:read"}

    @described(media="*/*")
    def get(self, request: Request, attachment_id: str) -> HttpResponse:
        """Read the bytes of an attachment."""
        Parameters(request, ())
        found = get_object_or_404(
            Attachment.objects.filter(
                message__in=Message.objects.within(self.key.domains)
            ).select_related("message__original"),
            public_id=attachment_id,
        )
        original = get_object_or_404(Original, pk=found.message.original_id)
        content = attachment(bytes(original.content), found.part)
        name = found.filename or f"{found.public_id}.bin"
        return download(content, found.content_type, name)
