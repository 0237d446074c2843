"""The v1 routes, without a trailing slash."""

from django.urls import include, path, re_path, register_converter

from api.views import (
    documents,
    events,
    house,
    joining,
    messages,
    notes,
    threads,
    webhooks,
)


class Id:
    """As webhooks.fields makes them; anything else is no route."""

    regex = "c[a-z0-9]{24}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class Kind(Id):
    """A type of event."""

    regex = "[a-z_.]{1,64}"


register_converter(Id, "id")
register_converter(Kind, "kind")

v1 = [
    path("threads", threads.ThreadList.as_view()),
    path("threads/export", threads.ThreadExport.as_view()),
    path("threads/<id:thread_id>", threads.ThreadDetail.as_view()),
    path("threads/<id:thread_id>/messages", threads.ThreadMessages.as_view()),
    path("threads/<id:thread_id>/events", events.ThreadEvents.as_view()),
    path("threads/<id:thread_id>/reply", threads.ThreadReply.as_view()),
    path("threads/<id:thread_id>/merge", joining.ThreadMerge.as_view()),
    path("threads/<id:thread_id>/notes", notes.ThreadNotes.as_view()),
    path("messages/<id:message_id>", messages.MessageDetail.as_view()),
    path("messages/<id:message_id>/raw", messages.MessageRaw.as_view()),
    path("messages/<id:message_id>/split", joining.MessageSplit.as_view()),
    path("attachments/<id:attachment_id>", messages.AttachmentContent.as_view()),
    path("events", events.EventList.as_view()),
    path("events/samples/<kind:kind>", events.EventSample.as_view()),
    path("schemas/<kind:kind>.json", documents.EventSchema.as_view()),
    path("webhooks", webhooks.WebhookList.as_view()),
    path("webhooks/<id:webhook_id>", webhooks.WebhookDetail.as_view()),
    path("webhooks/<id:webhook_id>/test", webhooks.WebhookTest.as_view()),
    path("webhooks/<id:webhook_id>/rotate-secret", webhooks.WebhookRotation.as_view()),
    path("webhooks/<id:webhook_id>/replay", webhooks.WebhookReplay.as_view()),
    path("webhooks/<id:webhook_id>/deliveries", webhooks.WebhookDeliveries.as_view()),
    path("deliveries/<id:delivery_id>/replay", webhooks.DeliveryReplay.as_view()),
    path("mailboxes", house.MailboxList.as_view()),
    path("users", house.UserList.as_view()),
    path("teams", house.TeamList.as_view()),
    path("me", house.Me.as_view()),
    path("health", house.Health.as_view()),
    path("openapi.json", documents.Document.as_view(), name="openapi"),
]

urlpatterns = [
    path("v1", documents.Index.as_view()),
    path("docs", documents.Page.as_view(url_name="openapi")),
    path("v1/", include(v1)),
    re_path("^v1/", documents.Nowhere.as_view()),
    re_path("", documents.Nowhere.as_view(permission_classes=[])),
]
