"""What makes a mail the same mail: what its sender wrote, not how it travelled."""

import re
from collections.abc import Iterator
from hashlib import sha256

from threads.mail.mime import header, unwrapped

VERSION = "02"
# An allowlist: hops add headers, but none of these.
_WRITTEN = frozenset(
    {
        b"message-id", b"from", b"to", b"cc", b"reply-to", b"subject", b"date",
        b"in-reply-to", b"references", b"mime-version",
    }
)  # fmt: skip
# What hops and mailboxes add, for mails that have nothing else to be known by.
_TRACE = frozenset(
    {
        b"received", b"return-path", b"delivered-to", b"envelope-to", b"delivery-date",
        b"x-original-to", b"x-envelope-to", b"x-envelope-from", b"x-received",
        b"authentication-results", b"received-spf", b"dkim-signature",
        b"domainkey-signature", b"status", b"x-status", b"x-keywords", b"x-uid",
        b"x-uidl", b"lines",
    }
)  # fmt: skip
_TRACES = (
    b"arc-", b"x-spam", b"x-virus", b"x-ms-exchange-", b"x-microsoft-", b"x-google-",
    b"x-gm-", b"x-mozilla-", b"x-forefront-", b"resent-",
)  # fmt: skip
_PIECE = 256 * 1024
_ANYTHING = re.compile(rb"\S")
_BLANKS = re.compile(rb"[ \t]+")


def dedupe_key(raw: bytes) -> str:
    """Version and sha256 of the sender's headers, unfolded, and the body, with LF.

    With neither Message-ID nor body, of all headers that no hop is known to add: a
    line that only looks like one may be all that somebody wrote.

    Header and body are told apart by the same function as `parse` uses: what it reads
    differently is never the same mail.

    >>> a = dedupe_key(b"Received: x\\nSubject: s\\n\\nbody\\n")
    >>> a == dedupe_key(b"Subject:  s\\r\\nReceived: y\\r\\n\\r\\nbody\\r\\n")
    True
    """
    mail = unwrapped(raw)
    fields, at = header(mail)
    named = any(name == b"message-id" and value.strip() for name, value in fields)
    bare = not named and _ANYTHING.search(mail, at) is None
    kept = [
        (name, _BLANKS.sub(b" ", value).strip(b" \t"))
        for name, value in fields
        if name in _WRITTEN
        or name.startswith(b"content-")
        or (bare and not _is_trace(name))
    ]
    # Hops may move headers, but not one of a name past another: the first one counts.
    kept.sort(key=_name)
    digest = sha256()
    for name, value in kept:
        digest.update(name + b":" + value + b"\n")
    digest.update(b"\n")
    for piece in _body(mail, at):
        digest.update(piece)
    return VERSION + digest.hexdigest()


def _body(mail: bytes, at: int) -> Iterator[bytes]:
    """With LF, without line ends at its end; in pieces, for it may be large."""
    ends = 0  # that may be the last ones
    cut = b""  # the first half of one
    for start in range(at, len(mail), _PIECE):
        piece = cut + mail[start : start + _PIECE]
        cut = b"\r" if piece.endswith(b"\r") else b""
        piece = piece[: len(piece) - len(cut)].replace(b"\r\n", b"\n")
        if text := piece.rstrip(b"\n"):
            yield b"\n" * ends + text
            ends = 0
        ends += len(piece) - len(text)
    if cut:
        yield b"\n" * ends + cut


def _is_trace(name: bytes) -> bool:
    return name in _TRACE or name.startswith(_TRACES)


def _name(kept: tuple[bytes, bytes]) -> bytes:
    return kept[0]
