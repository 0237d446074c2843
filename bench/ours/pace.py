"""Within MailBelly: one event after another, so many a second.

    python -m bench.ours.pace EVENTS A_SECOND

Prints `{id: when it was committed}` on the monotonic clock, which all processes share.
"""

import json
import os
import sys
from time import monotonic, sleep

import django

django.setup()

from django.db import transaction  # noqa: E402 -- after django.setup

from webhooks.outbox import NewEvent, publish  # noqa: E402

told: dict[str, float] = {}
begun = monotonic()
for number in range(int(sys.argv[1])):
    sleep(max(begun + number / float(sys.argv[2]) - monotonic(), 0))
    with transaction.atomic():
        (event,) = publish(
            [
                NewEvent(
                    type="message.received",
                    cause=f"pace:{os.getpid()}:{number}",
                    body_text="Hallo, ik heb een vraag over de factuur. " * 42,
                )
            ]
        )
    told[event.public_id] = monotonic()
print(json.dumps(told))
