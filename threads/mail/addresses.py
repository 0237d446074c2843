"""E-mail addresses, compared the same everywhere.

Addresses compare lower-cased, with the domain in IDNA (RFC 5890); what is shown to
people keeps the spelling of the mail.
"""

import re

_LOCAL = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]{1,64}")
_DOMAIN = re.compile(
    r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*"
)
# RFC 5321 section 4.5.3.1: 64 octets before the @, 255 after it.
_LONGEST = 320


def normalise(address: str) -> str:
    """Lower-cased, domain in IDNA; `""` for what is no address.

    >>> normalise("Klant@Bücher.DE")
    'klant@xn--bcher-kva.de'
    >>> normalise("not an address")
    ''
    """
    local, at, domain = address.strip().lower().rpartition("@")
    if not at or len(address) > _LONGEST or not _LOCAL.fullmatch(local):
        return ""
    try:
        domain = domain.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""
    if not _DOMAIN.fullmatch(domain):
        return ""
    # IDNA makes a domain longer than it was.
    whole = f"{local}@{domain}"
    return whole if len(whole) <= _LONGEST else ""
