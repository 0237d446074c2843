"""Deliveries and replies, sent without a cluster."""

import json
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from threads import smtp
from webhooks import stopping
from webhooks.delivery import drain
from webhooks.management.base import OperatorCommand
from webhooks.tasks import look_after

BUDGET_SECONDS = 600


class Command(OperatorCommand):
    help = "Send the deliveries and replies that are due."
    example = "example (cron):\n  * * * * * manage.py deliver --once"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="once, then stop")
        parser.add_argument("--json", action="store_true", help="one object a line")

    def handle(self, **options: Any) -> None:
        if not options["once"]:
            raise CommandError(
                _("Say --once; to keep sending, run: manage.py worker"), returncode=2
            )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stopping.ask)
        look_after()
        replies = smtp.send_due(BUDGET_SECONDS)
        drained = drain(budget_seconds=BUDGET_SECONDS)
        failed = drained.sent - drained.succeeded
        if options["json"]:
            line = {
                "replies": replies.tried,
                "replies_failed": len(replies.troubles),
                "sent": drained.sent,
                "failed": failed,
            }
            self.stdout.write(json.dumps(line))
        else:
            self.stdout.write(
                _("%(replies)d replies, %(sent)d deliveries, %(failed)d failed")
                % {
                    "replies": replies.tried,
                    "sent": drained.sent,
                    "failed": failed + len(replies.troubles),
                }
            )
        for trouble in replies.troubles:
            self.stderr.write(_("Reply %s") % trouble)
        if failed:
            self.stderr.write(
                _("%d deliveries failed and will be tried again.") % failed
            )
        if failed or replies.troubles:
            raise SystemExit(1)
