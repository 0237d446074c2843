"""Where mail servers may be: `MAIL_ALLOWED_NETWORKS`.

A superuser names them, so private networks are fine; what only a cloud's own machines
use, and what would be a way to its secrets, is not.
"""

import socket
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.utils.translation import gettext as _

# Link-local (with the metadata services on it), and metadata beyond it.
_NEVER_BY_DEFAULT = tuple(
    ip_network(text)
    for text in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",
        "100.100.100.200/32",
        "168.63.129.16/32",
    )
)


class HostRefusedError(OSError):
    """A mail server where none may be; says which setting decides."""


def check_host(host: str, port: int) -> None:
    """Every address of `host` must be allowed. Raises `OSError`; asks a name server."""
    for *_record, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        text = str(address[0]).partition("%")[0]
        if not _allowed(text):
            raise HostRefusedError(
                _(
                    "%(host)s points to %(address)s, where no mail server may be"
                    " (MAIL_ALLOWED_NETWORKS)."
                )
                % {"host": host, "address": text}
            )


def _allowed(text: str) -> bool:
    address = ip_address(text)
    inner = getattr(address, "ipv4_mapped", None)
    candidates = [address] if inner is None else [inner]
    named = [ip_network(word, strict=False) for word in settings.MAIL_ALLOWED_NETWORKS]
    listed = named or _NEVER_BY_DEFAULT
    found = any(
        one.version == network.version and one in network
        for one in candidates
        for network in listed
    )
    return found if named else not found
