"""What makes a mail the same mail: what its sender wrote, not how it travelled."""

import re
from hashlib import sha256

from threads.mail.parts import without_envelope

VERSION = "02"
# An allowlist: hops add headers, but none of these.
_WRITTEN = (
    b"message-id", b"from", b"to", b"cc", b"reply-to", b"subject", b"date",
    b"in-reply-to", b"references", b"mime-version",
)  # fmt: skip
# The start of the first line that is no header and continues none: the parser of the
# library begins the body there, with a blank line before it or without.
_BODY = re.compile(rb"(?:\A|(?<=[\r\n]))(?!From |[!-9;-~]*:|[ \t])")
# An envelope line that ends the headers is, to that parser, the body's first line.
_LAST_ENVELOPE = re.compile(rb"(?<=[\r\n])From [^\r\n]*[\r\n]?\Z")
_LINE_END = re.compile(rb"[\r\n]")
_FOLD = re.compile(rb"\n[ \t]+")
_BLANKS = re.compile(rb"[ \t]+")


def dedupe_key(raw: bytes) -> str:
    """Version and sha256 of the sender's headers, unfolded, and the body, with LF.

    Headers of one name keep their order: the first counts.

    >>> a = dedupe_key(b"Received: x\\nSubject: s\\n\\nbody\\n")
    >>> a == dedupe_key(b"Subject:  s\\r\\nReceived: y\\r\\n\\r\\nbody\\r\\n")
    True
    """
    head, body = _split(without_envelope(raw).replace(b"\r\n", b"\n"))
    kept = []
    for line in _FOLD.sub(b" ", head.replace(b"\r", b"\n")).split(b"\n"):
        name, colon, value = line.partition(b":")
        plain = name.lower()
        if colon and (plain in _WRITTEN or plain.startswith(b"content-")):
            kept.append((plain, _BLANKS.sub(b" ", value).strip(b" ")))
    digest = sha256()
    for plain, value in sorted(kept, key=lambda header: header[0]):
        digest.update(plain + b":" + value + b"\n")
    digest.update(b"\n" + body.rstrip(b"\n"))
    return VERSION + digest.hexdigest()


def _split(text: bytes) -> tuple[bytes, bytes]:
    """Headers and body where the library's parser has them; a lone CR ends a line."""
    begin = _BODY.search(text)
    if begin is None:
        head, body = text, b""
    else:
        head, body = text[: begin.start()], text[begin.start() :]
    if _LINE_END.match(body):
        body = body[1:]
    if last := _LAST_ENVELOPE.search(head):
        head, body = head[: last.start()], head[last.start() :] + body
    return head, body
