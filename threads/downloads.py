"""Bytes of a stranger, handed over so that a browser saves and never shows them."""

from urllib.parse import quote

from django.http import HttpResponse


def download(content: bytes, content_type: str, name: str) -> HttpResponse:
    """Always saved, never shown: it may be a stranger's HTML (RFC 6266)."""
    response = HttpResponse(content, content_type=content_type)
    plain = "".join(
        c if (c.isascii() and c.isalnum()) or c in "._-" else "_" for c in name
    )
    response["Content-Disposition"] = (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
