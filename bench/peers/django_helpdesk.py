"""django-helpdesk: `python -m bench.peers.django_helpdesk FOLDER` takes it in."""

import sys

import django

django.setup()

from helpdesk.email import process_email  # noqa: E402 -- after django.setup
from helpdesk.models import FollowUp, Queue  # noqa: E402

Queue.objects.get_or_create(
    slug="bench",
    defaults={
        "title": "Bench",
        "email_address": "support@shop.nl",
        "email_box_type": "local",
        "email_box_local_dir": sys.argv[1],
        "email_box_interval": 0,
        "allow_email_submission": True,
    },
)
process_email(quiet=True)
print(FollowUp.objects.count())
