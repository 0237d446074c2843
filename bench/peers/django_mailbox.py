"""django-mailbox: `python -m bench.peers.django_mailbox MAILDIR` takes it in."""

import sys

import django

django.setup()

from django_mailbox.models import Mailbox  # noqa: E402 -- after django.setup

mailbox, _ = Mailbox.objects.get_or_create(
    name="bench", defaults={"uri": f"maildir://{sys.argv[1]}"}
)
print(sum(1 for _ in mailbox.get_new_mail()))
