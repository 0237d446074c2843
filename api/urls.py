"""The v1 routes, without a trailing slash."""

from django.urls import include, path, re_path

from api.errors import not_found
from api.views import documents, events, house, messages, threads, webhooks

v1 = [
    path("threads", threads.ThreadList.as_view()),
    path("threads/<str:thread_id>", threads.ThreadDetail.as_view()),
    path("threads/<str:thread_id>/messages", threads.ThreadMessages.as_view()),
    path("threads/<str:thread_id>/events", events.ThreadEvents.as_view()),
    path("threads/<str:thread_id>/reply", threads.ThreadReply.as_view()),
    path("messages/<str:message_id>", messages.MessageDetail.as_view()),
    path("messages/<str:message_id>/raw", messages.MessageRaw.as_view()),
    path("attachments/<str:attachment_id>", messages.AttachmentContent.as_view()),
    path("events", events.EventList.as_view()),
    path("events/samples/<str:kind>", events.EventSample.as_view()),
    path("webhooks", webhooks.WebhookList.as_view()),
    path("webhooks/<str:webhook_id>", webhooks.WebhookDetail.as_view()),
    path("webhooks/<str:webhook_id>/test", webhooks.WebhookTest.as_view()),
    path("webhooks/<str:webhook_id>/rotate-secret", webhooks.WebhookRotation.as_view()),
    path("webhooks/<str:webhook_id>/deliveries", webhooks.WebhookDeliveries.as_view()),
    path("deliveries/<str:delivery_id>/replay", webhooks.DeliveryReplay.as_view()),
    path("mailboxes", house.MailboxList.as_view()),
    path("users", house.UserList.as_view()),
    path("teams", house.TeamList.as_view()),
    path("me", house.Me.as_view()),
    path("openapi.json", documents.Document.as_view(), name="openapi"),
]

urlpatterns = [
    path("docs", documents.Page.as_view(url_name="openapi")),
    path("v1/", include(v1)),
    re_path(r"^.*$", not_found),
]
