"""Whether a process here is at work: what a container's health check asks."""

import http.client
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
    help = "Say whether the web server, a worker or a watcher is at work here."
    example = "examples:\n  manage.py alive worker\n  manage.py alive web --port 8000"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=("web", "worker", "watch"))
        parser.add_argument("--port", type=int, default=8000, help="where web listens")

    def handle(self, *, kind: str, port: int, **_options: Any) -> None:
        trouble = _web(port) if kind == "web" else _beating(kind)
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
