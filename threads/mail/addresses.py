"""E-mail addresses, compared the same everywhere.

Addresses compare lower-cased, with the domain in IDNA (RFC 5890); what is shown to
people keeps the spelling of the mail.
"""

import re
from functools import lru_cache

_LOCAL = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]{1,64}")
_DOMAIN = re.compile(
    r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*"
)
_NO_REPLY = (
    *("no-reply", "noreply", "no_reply", "donotreply", "do-not-reply", "do_not_reply"),
    *("niet-beantwoorden", "nietbeantwoorden", "geen-antwoord"),
)
_LONGEST = 320
_LONGEST_DOMAIN = 253  # RFC 1035 section 2.3.4, without the trailing dot


def normalise(address: str) -> str:
    """Lower-cased, domain in IDNA; `""` for what is no address.

    >>> normalise("Klant@Bücher.DE")
    'klant@xn--bcher-kva.de'
    >>> normalise("not an address")
    ''
    """
    return _normalised(address) if len(address) <= _LONGEST else ""


@lru_cache(maxsize=1024)  # a mail names the same few again and again
def _normalised(address: str) -> str:
    local, at, domain = address.strip().lower().rpartition("@")
    if not at or not _LOCAL.fullmatch(local):
        return ""
    try:
        domain = domain.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""
    # IDNA is longer than what was written, and a column must hold the whole.
    if len(domain) > _LONGEST_DOMAIN or not _DOMAIN.fullmatch(domain):
        return ""
    return f"{local}@{domain}"


def is_no_reply(address: str) -> bool:
    return address.partition("@")[0].startswith(_NO_REPLY)
