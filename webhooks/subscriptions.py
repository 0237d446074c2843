"""Webhooks made, changed, paused and removed: the verbs behind API and admin."""

import re
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from webhooks import bell
from webhooks.addresses import AddressRefusedError, Policy
from webhooks.catalogue import EVENTS
from webhooks.models import Delivery, Secret, Webhook

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]{0,1000}")
_RESERVED = (
    "host",
    "content-",
    "connection",
    "user-agent",
    "webhook-",
    "x-mailbelly-",
    "transfer-encoding",
    "authorization",
)
_SHORTEST_TIMEOUT, _LONGEST_TIMEOUT = 5, 30


class InvalidWebhookError(ValueError):
    """A field that can't be saved: its name, a stable code, a sentence and the mend."""

    def __init__(self, field: str, code: str, detail: str, fix: str = "") -> None:
        super().__init__(detail)
        self.field = field
        self.code = code
        self.detail = detail
        self.fix = fix


def policy() -> Policy:
    return Policy.of(settings.WEBHOOK_ALLOWED_NETWORKS)


def check_url(url: str) -> None:
    """Refuse what can never be told. A name that does not resolve yet is no error."""
    allowed = policy()
    try:
        host = allowed.check_url(url).hostname or ""
    except AddressRefusedError as error:
        fix = _("To allow it, set %s") % error.mend if error.mend else ""
        raise InvalidWebhookError("url", "url_not_allowed", str(error), fix) from error
    for address in resolved(host):
        if not allowed.allows(address, host):
            raise InvalidWebhookError(
                "url",
                "url_not_allowed",
                _("%(host)s points to %(address)s, which is not a public address.")
                % {"host": host, "address": address},
                _("To allow it, set %s") % f"WEBHOOK_ALLOWED_NETWORKS={address}",
            )


def resolved(host: str) -> list[Any]:
    """The addresses of a name, none when it does not resolve (yet)."""
    try:
        records = socket.getaddrinfo(host.rstrip("."), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [ip_address(str(record[4][0]).partition("%")[0]) for record in records]


def check_events(events: object) -> list[str]:
    if not isinstance(events, list) or not events:
        raise InvalidWebhookError(
            "events",
            "required",
            _("Choose at least one event."),
            _("Allowed: %s") % ", ".join(EVENTS),
        )
    for event in events:
        if event not in EVENTS:
            raise InvalidWebhookError(
                "events",
                "unknown_event",
                _("There is no event %s.") % event,
                _("Allowed: %s") % ", ".join(EVENTS),
            )
    return list(dict.fromkeys(events))


def check_headers(headers: object) -> dict[str, str]:
    if not isinstance(headers, dict):
        raise InvalidWebhookError(
            "headers", "invalid", _("Headers are an object of names and values.")
        )
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(str(name)) or str(name).lower().startswith(
            _RESERVED
        ):
            raise InvalidWebhookError(
                "headers", "reserved_header", _("%s may not be set.") % name
            )
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise InvalidWebhookError(
                "headers",
                "invalid",
                _("The value of %s is not one line of printable ASCII.") % name,
            )
    return headers


def check_timeout(timeout: object) -> int:
    whole = isinstance(timeout, int) and not isinstance(timeout, bool)
    if not whole or not _SHORTEST_TIMEOUT <= int(str(timeout)) <= _LONGEST_TIMEOUT:
        raise InvalidWebhookError(
            "timeout", "invalid", _("The timeout is 5 to 30 whole seconds.")
        )
    return int(str(timeout))


_CHECKS = {"events": check_events, "headers": check_headers, "timeout": check_timeout}


def create(values: Mapping[str, Any]) -> tuple[Webhook, Secret]:
    """A webhook and its secret. Raises `InvalidWebhookError`."""
    checked = _checked({"events": [], **values})
    with transaction.atomic():
        webhook = Webhook.objects.create(**checked)
        secret = Secret.objects.create(webhook=webhook)
    webhook.refresh_from_db()
    return webhook, secret


def change(webhook: Webhook, values: Mapping[str, Any]) -> Webhook:
    """Raises `InvalidWebhookError`. A change of state moves its deliveries."""
    checked = _checked(values)
    with transaction.atomic():
        locked = Webhook.objects.select_for_update().get(pk=webhook.pk)
        old = locked.state
        for name, value in checked.items():
            setattr(locked, name, value)
        locked.save()
        if locked.state != old:
            _move_deliveries(locked)
    return locked


@transaction.atomic
def delete(webhook: Webhook) -> None:
    """Told nothing any more; what it was told stays readable."""
    Webhook.objects.filter(pk=webhook.pk).update(deleted_at=Now())
    Delivery.objects.filter(
        webhook=webhook, state__in=[Delivery.State.PENDING, Delivery.State.HELD]
    ).update(state=Delivery.State.CANCELLED, finished_at=Now())


@transaction.atomic
def enable(webhook: Webhook, *, with_exhausted: bool = False) -> Webhook:
    """Active again: what was held goes out, and on request what was given up."""
    if with_exhausted and webhook.failing_since is not None:
        Delivery.objects.filter(
            webhook=webhook,
            state=Delivery.State.EXHAUSTED,
            finished_at__gte=webhook.failing_since,
        ).update(state=Delivery.State.HELD, finished_at=None)
    Webhook.objects.filter(pk=webhook.pk).update(
        state=Webhook.State.ACTIVE,
        state_reason="",
        failing_since=None,
        consecutive_failures=0,
        breaker_until=None,
    )
    webhook.refresh_from_db()
    _move_deliveries(webhook)
    return webhook


def _move_deliveries(webhook: Webhook) -> None:
    """Held while it is not active, due as soon as it is: nothing is dropped."""
    state = Delivery.State
    if webhook.state == Webhook.State.ACTIVE:
        moved = Delivery.objects.filter(webhook=webhook, state=state.HELD).update(
            state=state.PENDING, next_at=Now()
        )
        if moved:
            bell.ring()
    else:
        Delivery.objects.filter(webhook=webhook, state=state.PENDING).update(
            state=state.HELD
        )


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    if "url" in values:
        check_url(values["url"])
    return {
        name: _CHECKS[name](value) if name in _CHECKS else value
        for name, value in values.items()
    }
