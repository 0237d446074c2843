"""What is said of a mail server, on the pages of mailboxes and of sources."""

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext

from threads.probes import Finding

HIGHEST_PORT = 65_535


def say(request: HttpRequest, finding: Finding) -> None:
    tell = messages.success if finding.ok else messages.error
    tell(request, finding.text)


def elsewhere() -> str:
    return gettext("This is another server than before: enter the password anew.")
