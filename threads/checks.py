"""Mistakes in the configuration of this room, said at start."""

import re
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.db import connection

from threads.access import proxies
from threads.sources.imapserver import is_here
from webhooks.checks import CONFIGURATION

_SHORTEST_KEY = 50
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d+)?")
_FEWEST_LETTERS = 5


@register(CONFIGURATION)
def mail_networks(
    app_configs: Sequence[AppConfig] | None, **_kwargs: Any
) -> list[CheckMessage]:
    """A network with a typing error would refuse every mail server."""
    del app_configs
    found: list[CheckMessage] = []
    for word in settings.MAIL_ALLOWED_NETWORKS:
        try:
            ip_network(word, strict=False)
        except ValueError:
            found.append(
                Error(
                    f"MAIL_ALLOWED_NETWORKS: {word!r} is no network.",
                    hint="Write networks as 10.0.0.0/8 and addresses as 10.0.0.25.",
                    id="threads.E001",
                )
            )
    return found


@register(CONFIGURATION)
def trusted_proxies(
    app_configs: Sequence[AppConfig] | None, **_kwargs: Any
) -> list[CheckMessage]:
    """A proxy with a typing error is a stranger: its clients would all be one."""
    del app_configs
    return [
        Error(
            f"TRUSTED_PROXIES: {word!r} is neither an address nor a network.",
            hint='Write 10.0.0.2, 10.0.0.0/8, or "unix" for a Unix socket.',
            id="threads.E002",
        )
        for word in proxies.unreadable(settings.TRUSTED_PROXIES)
    ]


@register(CONFIGURATION)
def cors_origins(
    app_configs: Sequence[AppConfig] | None, **_kwargs: Any
) -> list[CheckMessage]:
    """A browser sends scheme, host and port, and nothing else equals that."""
    del app_configs
    return [
        Error(
            f"CORS_ALLOWED_ORIGINS: {word!r} is no origin.",
            hint="Write each as https://app.example.com, without a path.",
            id="threads.E005",
        )
        for word in settings.CORS_ALLOWED_ORIGINS
        if not _ORIGIN.fullmatch(word)
    ]


@register(deploy=True)
def production(
    app_configs: Sequence[AppConfig] | None, **_kwargs: Any
) -> list[CheckMessage]:
    """What is right for a try-out and wrong where strangers come."""
    del app_configs
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(
            Error(
                "DEBUG is on: errors show settings, and replies are kept in files.",
                hint="Set DEBUG=false.",
                id="threads.E003",
            )
        )
    key = settings.SECRET_KEY
    if len(key) < _SHORTEST_KEY or len(set(key)) < _FEWEST_LETTERS:
        found.append(
            Error(
                "SECRET_KEY can be guessed; with it anybody can make a session.",
                hint=(
                    'Make one with: python -c "import secrets;'
                    ' print(secrets.token_urlsafe(50))"'
                ),
                id="threads.E004",
            )
        )
    if not settings.SECURE_PUBLIC:
        found.append(
            checks.Warning(
                f"PUBLIC_URL is {settings.PUBLIC_URL}: passwords and keys travel in"
                " clear.",
                hint="Put a proxy with a certificate in front, and write https://.",
                id="threads.W001",
            )
        )
    secure = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL
    if settings.EMAIL_HOST_USER and not secure and not is_here(settings.EMAIL_HOST):
        found.append(
            checks.Warning(
                f"The password for {settings.EMAIL_HOST} travels in clear.",
                hint=(
                    "Take EMAIL_USE_TLS=false away (STARTTLS, port 587), or set"
                    " EMAIL_USE_SSL=true (port 465)."
                ),
                id="threads.W003",
            )
        )
    return found


@register(checks.Tags.database, deploy=True)
def durable_commits(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **_kwargs: Any,
) -> list[CheckMessage]:
    """A source is told "done" after a commit: it must outlast a power cut."""
    del app_configs
    if not databases:
        return []
    question, weak, setting = {
        "sqlite": ("PRAGMA synchronous", {"0", "1"}, "synchronous=FULL"),
        "postgresql": ("SHOW synchronous_commit", {"off"}, "synchronous_commit=on"),
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(question)
        value = str(cursor.fetchone()[0])
    if value not in weak:
        return []
    return [
        checks.Warning(
            f"{question} says {value}: a power cut can lose mail that was committed.",
            hint=f"Set {setting}.",
            id="threads.W002",
        )
    ]
