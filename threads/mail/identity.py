"""What makes a mail the same mail: what its sender wrote, not how it travelled."""

import re
from hashlib import sha256

VERSION = "01"
# An allowlist: hops add headers, but none of these.
_WRITTEN = (
    b"message-id", b"from", b"to", b"cc", b"reply-to", b"subject", b"date",
    b"in-reply-to", b"references", b"mime-version",
)  # fmt: skip
_FOLD = re.compile(rb"\n[ \t]+")
_BLANKS = re.compile(rb"[ \t]+")


def dedupe_key(raw: bytes) -> str:
    """Version and sha256 of the sender's headers, unfolded, and the body, with LF.

    >>> a = dedupe_key(b"Received: x\\nSubject: s\\n\\nbody\\n")
    >>> a == dedupe_key(b"Subject:  s\\r\\nReceived: y\\r\\n\\r\\nbody\\r\\n")
    True
    """
    text = raw.replace(b"\r\n", b"\n")
    head, _, body = text.partition(b"\n\n")
    digest = sha256()
    kept = []
    for line in _FOLD.sub(b" ", head).split(b"\n"):
        name, colon, value = line.partition(b":")
        plain = name.strip().lower()
        if colon and (plain in _WRITTEN or plain.startswith(b"content-")):
            kept.append(plain + b":" + _BLANKS.sub(b" ", value).strip())
    for header in sorted(kept):
        digest.update(header + b"\n")
    digest.update(b"\n" + body.rstrip(b"\n"))
    return VERSION + digest.hexdigest()
