"""What runs here, and what the environment has set: for looking only."""

import platform
from datetime import timedelta
from typing import Any

import django
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from mailbelly import env
from threads import figures
from threads.dashboard.charts import seconds
from webhooks.models import Delivery, Heartbeat

# Shown as they are; of every other variable only whether it is set. A name that is
# new here is a secret until somebody says otherwise.
_SHOWN = frozenset(
    {
        "ALLOWED_HOSTS",
        "CORS_ALLOWED_ORIGINS",
        "DATA_DIR",
        "DEBUG",
        "DEFAULT_FROM_EMAIL",
        "EMAIL_HOST",
        "EMAIL_HOST_USER",
        "EMAIL_PORT",
        "EMAIL_USE_SSL",
        "EMAIL_USE_TLS",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "MAIL_ALLOWED_NETWORKS",
        "PUBLIC_URL",
        "RETENTION_DAYS",
        "TRUSTED_PROXIES",
        "WEBHOOK_ALLOWED_NETWORKS",
    }
)
_HIDDEN = frozenset({"FAULT_STEP"})
STALE_SECONDS = 120


def system(request: HttpRequest) -> HttpResponse:
    """The page Settings → System."""
    if not request.user.has_perm("webhooks.view_heartbeat"):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": _("System"),
        "versions": _versions(),
        "database": _database(),
        "heartbeats": _heartbeats(),
        "delivery": _delivery(figures.now()),
        "variables": [
            _variable(name, given=given)
            for name, given in env.asked().items()
            if name not in _HIDDEN
        ],
    }
    return TemplateResponse(request, "admin/system.html", context)


def delivery(request: HttpRequest) -> HttpResponse:
    """The card of the dashboard, which asks for it once the page is there."""
    if not request.user.has_perm("webhooks.view_heartbeat"):
        raise PermissionDenied
    context = {"delivery": _delivery(figures.now())}
    return TemplateResponse(request, "admin/figures.html", context)


def _delivery(found: figures.Figures) -> list[tuple[str, str]]:
    """The numbers of /metrics, in words."""
    attempts = (f"{kind} {count}" for kind, count in sorted(found.attempts.items()))
    half, most = found.latency[0.5], found.latency[0.95]
    return [
        (_("oldest that is due"), _ago(found.due_age)),
        *((str(Delivery.State(s).label), str(n)) for s, n in found.states.items()),
        (
            _("attempts, last %d minutes") % figures.MINUTES,
            ", ".join(attempts) or "–",
        ),
        (_("from mail to receiver, half within"), _took(half)),
        (_("from mail to receiver, 95% within"), _took(most)),
        (_("refused by the address rules"), str(found.blocked)),
        (_("lost by workers that died"), str(found.lost_leases)),
        (_("last drain"), _said_ago(_ago(found.drain_age))),
    ]


def _took(found: float | None) -> str:
    return "–" if found is None else seconds(round(found * 1000))


def _ago(found: float | None) -> str:
    if found is None:
        return "–"
    return timesince(timezone.now() - timedelta(seconds=found), depth=1)


def _said_ago(since: str) -> str:
    return since if since == "–" else _("%(since)s ago") % {"since": since}


def _versions() -> list[tuple[str, str]]:
    return [
        ("MailBelly", settings.VERSION),
        ("Django", django.get_version()),
        ("Python", platform.python_version()),
    ]


def _database() -> str:
    kind = "PostgreSQL" if connection.vendor == "postgresql" else "SQLite"
    version = ".".join(str(part) for part in connection.get_database_version())
    return f"{kind} {version}"


def _heartbeats() -> list[dict[str, Any]]:
    """Judged by the database's clock, as they are written."""
    return [
        {
            "name": beat.name,
            "kind": beat.kind,
            "at": beat.at,
            "detail": beat.detail,
            "alive": (beat.now - beat.at).total_seconds() < STALE_SECONDS,
        }
        for beat in Heartbeat.objects.annotate(now=Now()).order_by("-at")[:50]
    ]


def _variable(name: str, *, given: bool) -> dict[str, Any]:
    if name not in _SHOWN:
        return {"name": name, "value": _("set") if given else _("not set")}
    value = getattr(settings, name)
    if isinstance(value, (list, tuple)):
        value = ", ".join(str(word) for word in value)
    return {"name": name, "value": str(value), "default": not given}
