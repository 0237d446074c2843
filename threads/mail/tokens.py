"""What our mail carries so that its answer is known when the headers are lost.

A token is random, the same for all our mail of a thread, and stands in the answer
address (`support+TOKEN@…`) or in a line of the text (`[ref:TOKEN]`). It proves no more
than a Message-ID of ours: whoever bears it joins only if that mail went to him.
"""

import base64
import re
import secrets
from collections.abc import Iterator

from threads.mail.addresses import normalise

_LOCAL_PART = 64
_MOST = 10
# A quote far down in a long text is no answer to it.
_LONGEST_TEXT = 500_000
_TOKEN = re.compile(r"[a-z2-7]{26}")
_MARKER = re.compile(r"\[ref:([a-z2-7]{26})\]", re.IGNORECASE)


def new_token() -> str:
    """128 random bits, in letters that survive a change of case."""
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


def answer_address(address: str, token: str) -> str:
    """`address` with the token; "" where it would be too long (RFC 5321).

    >>> answer_address("support@shop.nl", "x")
    'support+x@shop.nl'
    """
    local, _, domain = address.partition("@")
    named = f"{local}+{token}"
    return f"{named}@{domain}" if len(named) <= _LOCAL_PART else ""


def marker(token: str) -> str:
    return f"[ref:{token}]"


def in_address(address: str) -> str:
    """The token of an answer address, or ""."""
    extension = normalise(address).partition("@")[0].partition("+")[2]
    return extension if _TOKEN.fullmatch(extension) else ""


def in_text(text: str) -> Iterator[str]:
    """The tokens that a text quotes.

    >>> list(in_text("> [REF:ABCDEFGHIJKLMNOPQRSTUVWXYZ]"))
    ['abcdefghijklmnopqrstuvwxyz']
    """
    found = _MARKER.finditer(text[:_LONGEST_TEXT])
    for _, match in zip(range(_MOST), found, strict=False):
        yield match[1].lower()
