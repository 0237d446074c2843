"""The menu of the staff site: what stands in it, and who sees it."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

# Group → (title, icon, page). Who may see a page's rows sees the page.
_MENU: tuple[tuple[Any, tuple[tuple[Any, str, str], ...]], ...] = (
    (
        _("Work"),
        (
            (_("Dashboard"), "dashboard", "index"),
            (_("Threads"), "forum", "threads.thread"),
            (_("Customers"), "contacts", "threads.customer"),
        ),
    ),
    (
        _("Settings"),
        (
            (_("Mailboxes"), "inbox", "threads.mailbox"),
            (_("Sources"), "download", "threads.source"),
            (_("Webhooks"), "webhook", "webhooks.webhook"),
            (_("API keys"), "key", "api.apikey"),
            (_("Retention"), "auto_delete", "webhooks.retention"),
            (_("Limits"), "straighten", "threads.limits"),
            (_("System"), "monitor_heart", "system"),
        ),
    ),
    (
        _("Delivery"),
        (
            (_("Deliveries"), "send", "webhooks.delivery"),
            (_("Events"), "bolt", "webhooks.event"),
            (_("Quarantine"), "report", "threads.ingestrecord"),
        ),
    ),
    (
        _("Administration"),
        (
            (_("Team members"), "person", "threads.user"),
            (_("Teams"), "groups", "threads.team"),
            (_("Tags"), "sell", "threads.tag"),
            (_("Groups"), "badge", "auth.group"),
            (_("Second factors"), "phonelink_lock", "threads.secondfactor"),
            (_("Failed logins"), "lock_clock", "axes.accessattempt"),
            (_("Logins"), "login", "axes.accesslog"),
            (_("Scheduled tasks"), "schedule", "django_q.schedule"),
            (_("Queued tasks"), "stacks", "django_q.ormq"),
            (_("Failed tasks"), "error", "django_q.failure"),
            (_("Successful tasks"), "task_alt", "django_q.success"),
        ),
    ),
)
_FOR_SUPERUSERS = ("auth.", "axes.", "django_q.", "threads.secondfactor")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """As Unfold wants it; groups without a page for this user are left out."""
    groups = [
        {
            "title": title,
            "separator": number > 0,
            "items": [
                {"title": capfirst(name), "icon": icon, "link": _link(page)}
                for name, icon, page in items
                if _may_see(request, page)
            ],
        }
        for number, (title, items) in enumerate(_MENU)
    ]
    return [group for group in groups if group["items"]]


def _link(page: str) -> str:
    if "." in page:
        return reverse(f"admin:{page.replace('.', '_')}_changelist")
    return reverse("system" if page == "system" else "admin:index")


def _may_see(request: HttpRequest, page: str) -> bool:
    if page == "index" or request.user.is_superuser:
        return True
    if page.startswith(_FOR_SUPERUSERS):
        return False
    app, _dot, model = page.rpartition(".")
    return request.user.has_perm(
        f"{app}.view_{model}" if app else "webhooks.view_heartbeat"
    )


def environment(_request: HttpRequest) -> list[Any] | None:
    """A label in the corner of a try-out, so that nobody takes it for the real one."""
    return [_("Try-out"), "warning"] if settings.DEBUG else None
