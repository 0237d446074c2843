"""What the fields of a webhook may hold, each refusal with its mend."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from webhooks.addresses import AddressRefusedError, Policy
from webhooks.catalogue import EVENTS
from webhooks.guard import resolve
from webhooks.models import Webhook

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
    "proxy-",
)
# These steer the connection, not the receiver.
_HOP_BY_HOP = frozenset({"expect", "te", "trailer", "upgrade", "keep-alive"})
_MOST_HEADERS = 20
# Together; many receivers refuse more than 8 kB of headers.
_HEADER_BYTES = 8_192
_RESOLVE_SECONDS = 5.0
_SHORTEST_TIMEOUT, _LONGEST_TIMEOUT = 5, 30
# Deliveries a second.
_FASTEST = 1_000


class InvalidWebhookError(ValueError):
    """A field that can't be saved: its name, a stable code, a sentence and the mend."""

    def __init__(self, field: str, code: str, detail: str, fix: str = "") -> None:
        super().__init__(detail)
        self.field = field
        self.code = code
        self.detail = detail
        self.fix = fix


def policy() -> Policy:
    return Policy.of(settings.WEBHOOK_ALLOWED_NETWORKS, settings.PUBLIC_URL)


@dataclass(frozen=True, slots=True)
class Checked:
    """Values that may be saved, and what somebody should know of them."""

    values: dict[str, Any]
    warnings: list[str]


def check(values: Mapping[str, Any]) -> Checked:
    """Every rule, and the name server asked: not to be called in a transaction.

    Raises `InvalidWebhookError`.
    """
    for name in values:
        if name not in _CHECKS:
            allowed = ", ".join(_CHECKS)
            raise InvalidWebhookError(
                name,
                "unknown_field",
                _("There is no such field."),
                _("Allowed: %s") % allowed,
            )
    checked = {name: _CHECKS[name](value) for name, value in values.items()}
    check_authorization(checked.get("headers"), checked.get("basic_auth"))
    warnings = _judge_url(checked["url"]) if "url" in checked else []
    return Checked(checked, warnings)


def check_authorization(headers: Mapping[str, str] | None, basic_auth: object) -> None:
    """Both would be the same header."""
    names = {header.lower() for header in headers or {}}
    if basic_auth and "authorization" in names:
        raise InvalidWebhookError(
            "headers",
            "reserved_header",
            _("Basic auth and an Authorization header exclude each other."),
        )


def check_url(url: str) -> list[str]:
    """Refuse what can never be told; says what is doubtful."""
    return _judge_url(_string("url", url))


def _judge_url(url: str) -> list[str]:
    allowed = policy()
    try:
        parts = allowed.check_url(url)
        host = parts.hostname or ""
        addresses = resolved(host)
        for address in addresses:
            allowed.check_address(parts.scheme, address, host)
    except AddressRefusedError as error:
        words = ",".join([*settings.WEBHOOK_ALLOWED_NETWORKS, error.mend])
        fix = _("To allow it, set %s") % f"WEBHOOK_ALLOWED_NETWORKS={words}"
        raise InvalidWebhookError(
            "url", "url_not_allowed", error.said(_), fix if error.mend else ""
        ) from error
    if addresses:
        return []
    return [_("%s does not resolve yet; nothing arrives until it does.") % host]


def resolved(host: str) -> list[Any]:
    """The addresses of a name, none when it does not resolve (yet)."""
    try:
        records = resolve(host, None, _RESOLVE_SECONDS)
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
    size = sum(len(str(name)) + len(str(value)) for name, value in headers.items())
    if len(headers) > _MOST_HEADERS or size > _HEADER_BYTES:
        raise InvalidWebhookError(
            "headers",
            "too_many",
            _("At most %(most)d headers, together of %(bytes)d characters.")
            % {"most": _MOST_HEADERS, "bytes": _HEADER_BYTES},
        )
    for name, value in headers.items():
        lower = str(name).lower()
        if (
            not _HEADER_NAME.fullmatch(str(name))
            or lower.startswith(_RESERVED)
            or lower in _HOP_BY_HOP
        ):
            raise InvalidWebhookError(
                "headers", "reserved_header", _("%s may not be set.") % name
            )
        if (
            not isinstance(value, str)
            or not _HEADER_VALUE.fullmatch(value)
            or value != value.strip()
        ):
            raise InvalidWebhookError(
                "headers",
                "invalid",
                _(
                    "The value of %s is not one line of printable ASCII without"
                    " blanks around it."
                )
                % name,
            )
    return headers


def check_basic_auth(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != {"username", "password"}:
        raise InvalidWebhookError(
            "basic_auth", "invalid", _("Basic auth is a username and a password.")
        )
    for part in value.values():
        if not isinstance(part, str) or not _HEADER_VALUE.fullmatch(part):
            raise InvalidWebhookError(
                "basic_auth",
                "invalid",
                _("Username and password are printable ASCII, at most 1,000 long."),
            )
    return value


def _string(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidWebhookError(field, "invalid", _("This is not a text."))
    return value.strip()


def _strings(field: str) -> Callable[[object], list[str]]:
    def check(value: object) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise InvalidWebhookError(field, "invalid", _("This is a list of texts."))
        return list(dict.fromkeys(word.strip().lower() for word in value))

    return check


def _flag(field: str) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if not isinstance(value, bool):
            raise InvalidWebhookError(field, "invalid", _("This is true or false."))
        return value

    return check


def _number(field: str, least: int, most: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not least <= int(str(value)) <= most:
            raise InvalidWebhookError(
                field,
                "invalid",
                _("This is a whole number from %(least)d to %(most)d.")
                % {"least": least, "most": most},
            )
        return int(str(value))

    return check


def _rate_limit(value: object) -> int | None:
    return None if value is None else _number("rate_limit", 1, _FASTEST)(value)


def _state(value: object) -> str:
    if value not in Webhook.State.values:
        raise InvalidWebhookError(
            "state",
            "invalid",
            _("There is no such state."),
            _("Allowed: %s") % ", ".join(Webhook.State.values),
        )
    return str(value)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "url": partial(_string, "url"),
    "events": check_events,
    "mailboxes": _strings("mailboxes"),
    "domains": _strings("domains"),
    "state": _state,
    "headers": check_headers,
    "basic_auth": check_basic_auth,
    "timeout": _number("timeout", _SHORTEST_TIMEOUT, _LONGEST_TIMEOUT),
    "max_in_flight": _number("max_in_flight", 1, 64),
    "rate_limit": _rate_limit,
    "ordered": _flag("ordered"),
    "include_auto": _flag("include_auto"),
    "include_spam": _flag("include_spam"),
    "include_body": _flag("include_body"),
}
