"""Which server takes the mail of a mailbox."""

from typing import Any

from django.conf import settings

from threads.models import Mailbox

# The task that brings it what was accepted.
SEND_DUE = "threads.tasks.send_due"
# TLS from the first byte (RFC 8314).
_TLS_PORT = 465


def server_of(mailbox: Mailbox) -> dict[str, Any]:
    """Its own server, else the installation's; empty when there is none.

    In clear only where `tls` says "none": without a word it is STARTTLS, or no mail.
    """
    own: dict[str, Any] = mailbox.smtp or {}
    if own.get("host"):
        implicit = "ssl" if own.get("port") == _TLS_PORT else "starttls"
        return {**own, "tls": own.get("tls") or implicit}
    if not settings.EMAIL_HOST:
        return {}
    return {
        "host": settings.EMAIL_HOST,
        "port": settings.EMAIL_PORT,
        "username": settings.EMAIL_HOST_USER,
        "password": settings.EMAIL_HOST_PASSWORD,
        "tls": "ssl"
        if settings.EMAIL_USE_SSL
        else "starttls"
        if settings.EMAIL_USE_TLS
        else "none",
    }
