"""Failures of delivery in the words of single products, as flufl.bounce knows them."""

import email
from contextlib import suppress

from threads.mail import limits
from threads.mail.addresses import normalise

# A server says it at the beginning, in lines of its own; below stands what came back.
_BYTES = 32_000
_LONGEST_LINE = 998  # RFC 5322 section 2.1.1


def recipients(raw: bytes) -> list[str]:
    """Whom a mail from a server says that it did not reach, for good.

    Only to be asked of what comes from a server: a person may quote such words.
    """
    # Few mails need it, and every parser would carry it.
    from flufl.bounce import all_failures  # noqa: PLC0415

    head = b"\n".join(line[:_LONGEST_LINE] for line in raw[:_BYTES].splitlines())
    found: frozenset[bytes] | set[bytes] = frozenset()
    # Its detectors raise whatever a header makes them meet; then they know nothing.
    with suppress(Exception):
        _temporary, found = all_failures(email.message_from_bytes(head))
    addresses = (address.decode("ascii", "replace") for address in found)
    return sorted(
        limits.clean_line(one, limits.ADDRESS) for one in addresses if normalise(one)
    )
