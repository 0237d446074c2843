"""A message's own addresses: its HTML in a frame, its original, its attachments."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils.translation import gettext as _

from threads import joining
from threads.admin import refusals
from threads.admin.base import ReadOnlyAdmin
from threads.admin.verbs import actor_of, person
from threads.downloads import download
from threads.errors import RefusedError
from threads.mail.display import html_for_frame
from threads.mail.parts import attachment
from threads.models import Attachment, Message

# No script, no form, no origin of ours; a link opens outside, as a page of its own.
_FRAME_POLICY = (
    "default-src 'none'; img-src data:{pictures}; style-src 'unsafe-inline';"
    " form-action 'none'; base-uri 'none'; frame-ancestors 'self';"
    " sandbox allow-popups allow-popups-to-escape-sandbox"
)

# Before it the browser would be in quirks mode; a mail's own colours win.
_FRAME = """<!doctype html><meta charset="utf-8"><style>
body{margin:12px;font:14px/1.5 system-ui,sans-serif;color:#222;background:#fff;
overflow-wrap:anywhere}img{max-width:100%;height:auto}table{max-width:100%}
blockquote{margin:0 0 0 8px;padding-left:10px;border-left:2px solid #ccc;color:#555}
pre{white-space:pre-wrap}</style>"""


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    """Messages are read in their thread; there is no list of them."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        routes = (
            ("<str:message_id>/html/", self.html, "html"),
            ("<str:message_id>/original/", self.original, "original"),
            ("<str:message_id>/split/", self.split, "split"),
            ("attachment/<str:attachment_id>/", self.attachment, "attachment"),
        )
        return [
            *(
                path(route, view(do), name=f"threads_message_{name}")
                for route, do, name in routes
            ),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("admin:threads_thread_changelist")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The `admin_url` of a message: its place in its thread."""
        message = self._message(request, object_id)
        return redirect(_place(message))

    def html(self, request: HttpRequest, message_id: str) -> HttpResponse:
        """Its HTML, for the frame. `?pictures=1` lets in pictures from elsewhere."""
        message = self._message(request, message_id)
        pictures = request.GET.get("pictures") == "1"
        raw = bytes(message.original.content) if message.original else b""
        return _framed(html_for_frame(raw, pictures=pictures), pictures=pictures)

    def original(self, request: HttpRequest, message_id: str) -> HttpResponse:
        message = self._message(request, message_id)
        raw = bytes(message.original.content) if message.original else b""
        return download(raw, "message/rfc822", f"{message.public_id}.eml")

    def attachment(self, request: HttpRequest, attachment_id: str) -> HttpResponse:
        self._allowed(request)
        found = get_object_or_404(
            Attachment.objects.select_related("message__original"),
            public_id=attachment_id,
        )
        original = found.message.original
        content = attachment(bytes(original.content), found.part) if original else b""
        name = found.filename or f"{found.public_id}.bin"
        return download(content, found.content_type, name)

    def split(self, request: HttpRequest, message_id: str) -> HttpResponse:
        message = self._message(request, message_id)
        if request.method != "POST":
            return redirect(_place(message))
        if not request.user.has_perm("threads.change_thread"):
            raise PermissionDenied
        try:
            joining.split(message.pk, actor=actor_of(request), author=person(request))
        except RefusedError as error:
            messages.error(request, refusals.said(error))
            return redirect(_place(message))
        messages.success(request, _("This is the new thread, split from the other."))
        message.refresh_from_db(fields=["thread"])
        return redirect(_place(message))

    def _allowed(self, request: HttpRequest) -> None:
        """Who may read threads may read what is in them."""
        if not request.user.has_perms(["threads.view_thread"]) and not (
            request.user.has_perm("threads.change_thread")
        ):
            raise PermissionDenied

    def _message(self, request: HttpRequest, public_id: str) -> Message:
        self._allowed(request)
        found = Message.objects.kept().select_related("thread", "original")
        return get_object_or_404(found, public_id=public_id)


def _framed(html: str, *, pictures: bool) -> HttpResponse:
    # No template, for nothing here may be escaped: `nh3` has sanitised it, for a frame
    # that could not run a script even if one were left.
    response = HttpResponse(f"{_FRAME}{html}")
    policy = _FRAME_POLICY.format(pictures=" https:" if pictures else "")
    response["Content-Security-Policy"] = policy
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "private, no-store"
    return response


def _place(message: Message) -> str:
    thread = reverse("admin:threads_thread_change", args=[message.thread.public_id])
    return f"{thread}#m-{message.public_id}"
