"""Within MailBelly: a webhook that listens to these events.

python -m bench.ours.listener URL EVENT…
"""

import sys

import django

django.setup()

from webhooks.subscriptions import create  # noqa: E402 -- after django.setup

create({"url": sys.argv[1], "events": sys.argv[2:]})
