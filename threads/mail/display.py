"""A mail's HTML made fit for a frame: from the original, at the moment it is shown."""

from base64 import b64encode

from threads.mail import body
from threads.mail.kinds import told_apart
from threads.mail.markup import framed
from threads.mail.mime import Part
from threads.mail.parts import content, content_id, tree, walk

# Drawn pictures only: an SVG is a document that may hold scripts.
_RASTER = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_MISNAMED = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
}
_INLINE_BYTES = 5_000_000


def html_for_frame(raw: bytes, *, pictures: bool) -> str:
    """Sanitised HTML of a mail as it came; `""` when it has none. Never raises.

    `pictures` lets in pictures from elsewhere; the mail's own are always there.
    """
    message, _ = tree(raw)
    html = body.html(message)
    return framed(html, inline=_inline(message), pictures=pictures) if html else ""


def _inline(message: Part) -> dict[str, str]:
    """Content-ID to data: URL, up to a bound for all together."""
    found: dict[str, str] = {}
    left = _INLINE_BYTES
    for _number, part in walk(message):
        name = content_id(part)
        if not name:
            continue
        data = content(part)
        kind = told_apart(part.content_type, "", data)
        kind = _MISNAMED.get(kind, kind)
        if kind not in _RASTER:
            continue
        left -= len(data)
        if left < 0:
            break
        found.setdefault(name, f"data:{kind};base64,{b64encode(data).decode()}")
    return found
