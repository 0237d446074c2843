"""Within MailBelly: a webhook that listens to everything (and that nobody calls)."""

import django

django.setup()

from webhooks.subscriptions import create  # noqa: E402 -- after django.setup

create(
    {
        "url": "http://127.0.0.1:9999/",
        "events": ["thread.created", "message.received", "thread.reopened"],
    }
)
