"""What makes a mail the same mail: what its sender wrote, not how it travelled."""

import re
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
_BLANKS = re.compile(rb"[ \t]+")


def dedupe_key(raw: bytes) -> str:
    """Version and sha256 of the sender's headers, unfolded, and the body, with LF.

    Header and body are told apart by the same function as `parse` uses: what it reads
    differently is never the same mail.

    >>> a = dedupe_key(b"Received: x\\nSubject: s\\n\\nbody\\n")
    >>> a == dedupe_key(b"Subject:  s\\r\\nReceived: y\\r\\n\\r\\nbody\\r\\n")
    True
    """
    mail = unwrapped(raw)
    fields, at = header(mail)
    kept = [
        (name, _BLANKS.sub(b" ", value).strip(b" \t"))
        for name, value in fields
        if name in _WRITTEN or name.startswith(b"content-")
    ]
    # Hops may move headers, but not one of a name past another: the first one counts.
    kept.sort(key=_name)
    digest = sha256()
    for name, value in kept:
        digest.update(name + b":" + value + b"\n")
    body = mail[at:].replace(b"\r\n", b"\n").rstrip(b"\n")
    digest.update(b"\n" + body)
    return VERSION + digest.hexdigest()


def _name(kept: tuple[bytes, bytes]) -> bytes:
    return kept[0]
