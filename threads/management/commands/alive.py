"""Whether a process here is at work: what a container's health check asks."""

import http.client
import socket
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError
from django.utils.translation import gettext as _

from threads import heartbeat
from webhooks.management.base import OperatorCommand

_PATIENCE_SECONDS = 10


class Command(OperatorCommand):
    help = "Say whether web server, worker, watcher or LMTP listener is at work here."
    example = (
        "examples:\n"
        "  manage.py alive worker\n"
        "  manage.py alive web --port 8000\n"
        "  manage.py alive lmtp --listen /run/mailbelly/lmtp"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=("web", "worker", "watch", "lmtp"))
        parser.add_argument("--port", type=int, default=8000, help="where web listens")
        parser.add_argument(
            "--listen",
            default="127.0.0.1:8024",
            metavar="HOST:PORT|PATH",
            help="where lmtp listens (127.0.0.1:8024)",
        )

    def handle(self, *, kind: str, port: int, listen: str, **_options: Any) -> None:
        if kind == "web":
            trouble = _web(port)
        elif kind == "lmtp":
            trouble = _lmtp(listen)
        else:
            trouble = _beating(kind)
        if trouble:
            raise CommandError(trouble)


def _web(port: int) -> str:
    """Asked as the proxy asks: by the host name that it answers to."""
    host = urlsplit(settings.PUBLIC_URL).netloc
    server = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    try:
        server.request("GET", "/healthz", headers={"Host": host})
        answer = server.getresponse()
    except (OSError, http.client.HTTPException) as error:
        return _("web: port %(port)d does not answer: %(error)s") % {
            "port": port,
            "error": error,
        }
    if answer.status == http.client.OK:
        return ""
    said = answer.read(200).decode("utf-8", "replace")
    return f"web: {answer.status} {said}"


def _lmtp(listen: str) -> str:
    """Greeted as a mail server is (RFC 2033)."""
    try:
        with _called(listen) as listener:
            greeting = listener.recv(512)
            listener.sendall(b"QUIT\r\n")
    except OSError as error:
        return _("lmtp: %(address)s does not answer: %(error)s") % {
            "address": listen,
            "error": error.strerror or error,
        }
    if greeting.startswith(b"220"):
        return ""
    return f"lmtp: {greeting.decode('utf-8', 'replace').strip()}"


def _called(listen: str) -> socket.socket:
    """Raises `OSError`."""
    if "/" in listen:
        called = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        called.settimeout(_PATIENCE_SECONDS)
        called.connect(listen)
        return called
    host, _colon, port = listen.rpartition(":")
    if not port.isdecimal():
        raise CommandError(
            _("--listen: write HOST:PORT, or the path of a socket."), returncode=2
        )
    return socket.create_connection(
        (host.strip("[]"), int(port)), timeout=_PATIENCE_SECONDS
    )


def _beating(kind: str) -> str:
    try:
        if heartbeat.beats(kind):
            return ""
    except (DatabaseError, InterfaceError) as error:
        return _("The database is out of reach: %s") % " ".join(str(error).split())
    return _("%(kind)s: no heartbeat from this machine for %(seconds)d s.") % {
        "kind": kind,
        "seconds": heartbeat.ALIVE_SECONDS,
    }
