"""What Unfold puts on the first page (UNFOLD["DASHBOARD_CALLBACK"])."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from threads.dashboard import attention, charts, traffic
from threads.dashboard.attention import Pulse
from threads.models import User


@dataclass(frozen=True, slots=True)
class Step:
    """One of the three that make an empty installation a working one."""

    title: str
    detail: str
    link: str
    action: str
    done: bool


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """At most twelve statements, each served by an index."""
    user = request.user
    if not isinstance(user, User):
        return context
    context["title"] = _("Dashboard")
    pulse = Pulse.of(user)
    steps = _steps(pulse)
    if not all(step.done for step in steps) and user.has_perm("threads.add_mailbox"):
        context["steps"] = steps
        context["welcome"] = not any(step.done for step in steps)
    if pulse.mailbox:
        context["items"] = attention.items(user, pulse)
        context["fetching"] = pulse.source
        days = traffic.deliveries()
        context["charts"] = [
            charts.mail(traffic.mail()),
            charts.deliveries(days),
            charts.latency(days),
        ]
        if user.has_perm("webhooks.view_heartbeat"):
            # Numbers of their own many statements, so the page does not wait for them.
            context["figures"] = reverse("system_delivery")
    return context


def _mail_step(pulse: Pulse) -> Step:
    """A mailbox alone fetches nothing."""
    title = _("Let mail come in")
    if pulse.source or pulse.mail or not pulse.mailbox:
        return Step(
            title=title,
            detail=_("Send a mail to that address. It appears here as a thread."),
            link=reverse("admin:threads_thread_changelist"),
            action=_("To the threads"),
            done=pulse.mail,
        )
    return Step(
        title=title,
        detail=_("Say where its mail is fetched: an IMAP folder, or a Maildir."),
        link=reverse("admin:threads_source_add"),
        action=_("New source"),
        done=False,
    )


def _steps(pulse: Pulse) -> list[Step]:
    return [
        Step(
            title=_("Make a mailbox"),
            detail=_("The address customers write to, and where its mail is fetched."),
            link=reverse("admin:threads_mailbox_add"),
            action=_("New mailbox"),
            done=pulse.mailbox,
        ),
        _mail_step(pulse),
        Step(
            title=_("Tell another system"),
            detail=_("A webhook is told of each mail, signed, within seconds."),
            link=reverse("admin:webhooks_webhook_add"),
            action=_("New webhook"),
            done=pulse.webhook,
        ),
    ]
