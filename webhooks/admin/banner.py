"""What no page of the staff site keeps quiet: webhooks that have been failing."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webhooks.health import TOLD_AFTER
from webhooks.models import Webhook

# More are not counted.
_MOST = 100


@dataclass(frozen=True, slots=True)
class Banner:
    text: str
    link: str


def banner(request: HttpRequest) -> dict[str, Any]:
    """A context processor: asked of the database by the pages that show it."""
    return {"webhook_banner": SimpleLazyObject(lambda: _banner(request))}


def _banner(request: HttpRequest) -> Banner | None:
    """For whoever may look into it; the dashboard says it in a line of its own."""
    user = getattr(request, "user", None)
    if user is None or not user.has_perm("webhooks.view_webhook"):
        return None
    if request.path == reverse("admin:index"):
        return None
    long_enough = Q(failing_since=None) | Q(failing_since__lt=Now() - TOLD_AFTER)
    troubled = Webhook.objects.troubled().filter(long_enough)
    found = list(troubled.only("url", "state", "failing_since")[:_MOST])
    if not found:
        return None
    if len(found) == 1:
        return _of_one(found[0])
    return Banner(
        ngettext(
            "%d webhook fails or was switched off.",
            "%d webhooks fail or were switched off.",
            len(found),
        )
        % len(found),
        reverse("admin:webhooks_webhook_changelist"),
    )


def _of_one(webhook: Webhook) -> Banner:
    link = reverse("admin:webhooks_webhook_change", args=[webhook.pk])
    if webhook.state == Webhook.State.OFF:
        return Banner(_("Webhook %s has been switched off") % webhook, link)
    since = timesince(webhook.failing_since or timezone.now(), depth=1)
    text = _("Webhook %(webhook)s has been failing for %(time)s")
    return Banner(text % {"webhook": webhook, "time": since}, link)
