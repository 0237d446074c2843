"""Mistakes in the configuration of this room, said at start."""

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
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
