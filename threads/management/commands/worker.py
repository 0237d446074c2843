"""The cluster that delivers webhooks and replies, under a supervisor."""

import signal
import sys
import threading
from argparse import SUPPRESS, ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django.utils.translation import gettext as _

from threads import cluster, supervisor
from webhooks.management.base import OperatorCommand


class Command(OperatorCommand):
    help = "Deliver webhooks and send replies, until Ctrl-C or SIGTERM."
    example = "example (systemd, Restart=always):\n  manage.py worker"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--cluster", nargs=2, help=SUPPRESS)

    def handle(self, **options: Any) -> None:
        if options["cluster"]:
            folder, parent = options["cluster"]
            cluster.run(Path(folder), int(parent))
            return
        self.expect_tables()
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        manage = str(settings.BASE_DIR / "manage.py")
        command = [sys.executable, manage, "worker", "--skip-checks", "--cluster"]
        self.stderr.write(_("Delivering; Ctrl-C stops."))
        gave_up = supervisor.run(command, stop)
        connection.close()
        if gave_up:
            raise CommandError(gave_up)
