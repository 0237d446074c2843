"""Mistakes in the configuration of this room, said at start."""

from base64 import urlsafe_b64decode
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.db import connection

from webhooks.addresses import Policy
from webhooks.models.retention import LEAST_DAYS

# The tag of whatever settings can get wrong: the checks that every command makes.
CONFIGURATION = "configuration"
_KEY_BYTES = 32


@register(CONFIGURATION)
def encryption_keys(
    app_configs: Sequence[AppConfig] | None, **_kwargs: Any
) -> list[CheckMessage]:
    """Without a key no secret can be stored; with a wrong one none can be read."""
    del app_configs
    hint = (
        'Make one with: python -c "from cryptography.fernet import Fernet;'
        ' print(Fernet.generate_key().decode())"'
    )
    if not settings.ENCRYPTION_KEYS:
        return [Error("ENCRYPTION_KEYS is not set.", hint=hint, id="webhooks.E001")]
    if not all(map(_is_key, settings.ENCRYPTION_KEYS)):
        told = "ENCRYPTION_KEYS: a key must be 32 url-safe base64-encoded bytes."
        return [Error(told, hint=hint, id="webhooks.E002")]
    return []


def _is_key(key: str) -> bool:
    """As `Fernet` asks it; not by `Fernet`, which is megabytes in every process."""
    try:
        return len(urlsafe_b64decode(key)) == _KEY_BYTES
    except ValueError:
        return False


@register(CONFIGURATION)
def allowed_networks(
    app_configs: Sequence[AppConfig] | None, **_kwargs: Any
) -> list[CheckMessage]:
    """A network with a typing error would silently be taken for a host name."""
    del app_configs
    names = Policy.of(settings.WEBHOOK_ALLOWED_NETWORKS).names
    return [
        Error(
            f"WEBHOOK_ALLOWED_NETWORKS: {name!r} is neither a network nor a name.",
            hint="Write networks as 10.0.0.0/8 and names as hooks.internal.",
            id="webhooks.E003",
        )
        for name in sorted(names)
        if "/" in name or ":" in name
    ]


@register(CONFIGURATION)
def retention(
    app_configs: Sequence[AppConfig] | None, **_kwargs: Any
) -> list[CheckMessage]:
    """A delivery is tried for 76 hours; then somebody may want to send it again."""
    del app_configs
    if settings.RETENTION_DAYS >= LEAST_DAYS:
        return []
    return [
        Error(
            f"RETENTION_DAYS is {settings.RETENTION_DAYS}; that is too short.",
            hint=f"Set it to {LEAST_DAYS} or more: deliveries are tried for 76 hours.",
            id="webhooks.E004",
        )
    ]


@register(CONFIGURATION)
def queue(
    app_configs: Sequence[AppConfig] | None, **_kwargs: Any
) -> list[CheckMessage]:
    """django-q2 presents a task again `retry` seconds after it was fetched."""
    del app_configs
    q: dict[str, Any] = settings.Q_CLUSTER
    least = q["timeout"] * (1 + q["queue_limit"] / q["workers"])
    if q["retry"] <= least:
        return [
            checks.Warning(
                "Q_CLUSTER: tasks may run twice.",
                hint=f"Set retry above {least:.0f} s.",
                id="webhooks.W001",
            )
        ]
    return []


@register(CONFIGURATION)
def sqlite(
    app_configs: Sequence[AppConfig] | None, **_kwargs: Any
) -> list[CheckMessage]:
    """Rows come back from the statement that inserts them since 3.35 (RETURNING)."""
    del app_configs
    database: Any = connection
    if database.vendor != "sqlite":
        return []
    if database.Database.sqlite_version_info < (3, 35):
        return [
            Error(
                f"SQLite {database.Database.sqlite_version} is too old.",
                hint="Use PostgreSQL, or a Python with SQLite 3.35 or newer.",
                id="webhooks.E005",
            )
        ]
    return []


@register(deploy=True)
def private_targets(
    app_configs: Sequence[AppConfig] | None, **_kwargs: Any
) -> list[CheckMessage]:
    """Whoever may make a webhook may then reach into the inner network."""
    del app_configs
    policy = Policy.of(settings.WEBHOOK_ALLOWED_NETWORKS)
    inner = [str(network) for network in policy.networks if not network.is_global]
    if not inner:
        return []
    return [
        checks.Warning(
            f"Webhooks may reach private addresses: {', '.join(inner)}.",
            hint=(
                "Take these out of WEBHOOK_ALLOWED_NETWORKS, or narrow them to the"
                " hosts that are meant and silence webhooks.W002."
            ),
            id="webhooks.W002",
        )
    ]
