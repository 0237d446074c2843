"""A receiver to start with: it verifies and prints each event."""

import hmac
import json
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from webhooks import signing
from webhooks.management.base import OperatorCommand
from webhooks.management.verifier import PYTHON

LONGEST_BODY = 1_000_000
TOLERANCE_SECONDS = 300


def verdict(secret: str, headers: Mapping[str, str], body: bytes) -> str:
    """`""` when both signatures are right, else what is wrong with the request."""
    try:
        moment = int(headers.get("webhook-timestamp") or "")
    except ValueError:
        return _("no webhook-timestamp")
    if abs(time() - moment) > TOLERANCE_SECONDS:
        return _("webhook-timestamp is more than five minutes off")
    expected = signing.standard([secret], headers.get("webhook-id") or "", moment, body)
    given = (headers.get("webhook-signature") or "").split()
    if not any(hmac.compare_digest(expected, one) for one in given):
        return _("webhook-signature is not made with this secret")
    simple = (headers.get("X-MailBelly-Signature-256") or "").split()
    expected = signing.simple([secret], body)
    if not any(hmac.compare_digest(expected, one) for one in simple):
        return _("X-MailBelly-Signature-256 is not made with this secret")
    return ""


class Command(OperatorCommand):
    help = "Receive webhooks here: verify their signatures and print each event."
    example = (
        "example:\n  WEBHOOK_SECRET=whsec_… manage.py listen --port 8009\n"
        "then create a webhook to http://127.0.0.1:8009/"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8009)
        parser.add_argument(
            "--verifier",
            action="store_true",
            help="print code that verifies, to paste into a receiver, and end",
        )
        parser.add_argument("--json", action="store_true", help="one object a line")

    def handle(self, *, port: int, **options: Any) -> None:
        if options["verifier"]:
            self.stdout.write(PYTHON, ending="")
            return
        secret = settings.WEBHOOK_SECRET
        if not secret:
            raise CommandError(
                _("WEBHOOK_SECRET is not set. Put the secret of the webhook there."),
                returncode=2,
            )
        try:
            signing.key_bytes(secret)
        except ValueError as error:
            raise CommandError(f"WEBHOOK_SECRET: {error}", returncode=2) from error
        command = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(min(length, LONGEST_BODY))
                wrong = verdict(secret, dict(self.headers.items()), body)
                self.send_response(401 if wrong else 204)
                self.send_header("content-length", "0")
                self.end_headers()
                command.say(body, wrong, as_json=options["json"])

            def log_message(self, *_args: object) -> None:
                """The event's own line says it all."""

        try:
            server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise CommandError(
                _("Port %(port)d: %(error)s. Choose another with --port.")
                % {"port": port, "error": error.strerror}
            ) from error
        server.daemon_threads = True
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(
                number,
                lambda *_a: threading.Thread(target=server.shutdown).start(),
            )
        self.stderr.write(_("Listening on http://127.0.0.1:%d/") % port)
        self.stderr.write(
            _("Code that verifies, for your own receiver: manage.py listen --verifier")
        )
        server.serve_forever(poll_interval=0.2)
        server.server_close()

    def say(self, body: bytes, wrong: str, *, as_json: bool) -> None:
        try:
            event = json.loads(body)
        except ValueError:
            event = {}
        if as_json:
            self.stdout.write(
                json.dumps({"verified": not wrong, "event": event}, ensure_ascii=False)
            )
        elif wrong:
            self.stdout.write(self.style.ERROR(_("REFUSED: %s") % wrong))
        else:
            line = " · ".join(
                str(event.get(key, "")) for key in ("event", "from", "to", "subject")
            )
            self.stdout.write(_("verified: %s") % line)
        self.stdout.flush()
