"""Within MailBelly: webhooks, and events that wait to be told to each of them.

python -m bench.ours.backlog EVENTS URL…
"""

import sys

import django

django.setup()

from django.db import transaction  # noqa: E402 -- after django.setup

from webhooks.outbox import NewEvent, publish  # noqa: E402
from webhooks.subscriptions import create  # noqa: E402

for url in sys.argv[2:]:
    create({"url": url, "events": ["message.received"], "timeout": 5})
AT_ONCE = 100
events = int(sys.argv[1])
for begun in range(0, events, AT_ONCE):
    with transaction.atomic():
        publish(
            [
                NewEvent(
                    type="message.received",
                    cause=f"bench:{number}",
                    mailbox="support@shop.nl",
                    domain="shop.nl",
                    thread=f"c{number:024d}",
                    sequence=1,
                    sender="klant@bedrijf.nl",
                    recipient="support@shop.nl",
                    subject="Vraag over factuur",
                    # About 2 kB of JSON in all.
                    body_text="Hallo, ik heb een vraag over de factuur. " * 42,
                )
                for number in range(begun, min(begun + AT_ONCE, events))
            ]
        )
