"""`make run`: sets up what is missing, runs everything until Ctrl-C, says what to try.

Safe to repeat. Each failure is one line with its mend.
"""

import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import django
from django.core.exceptions import ImproperlyConfigured

from mailbelly import env
from mailbelly.run import dotenv, ports
from mailbelly.run.errors import StartError
from mailbelly.run.household import household

if TYPE_CHECKING:
    from mailbelly.run.preparation import Prepared


def main() -> int:
    """The exit code."""
    try:
        # Before anything is read of it.
        if dotenv.write(env.dotenv()):
            print(f"Wrote {env.dotenv()} with fresh secrets.")
        port = ports.chosen()
        env.propose("PUBLIC_URL", f"http://localhost:{port}")
        env.choose_settings()
        django.setup()
        prepared = import_module("mailbelly.run.preparation").prepare()
    except (StartError, ImproperlyConfigured) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"{error.filename}: {error.strerror}. Give this user write permission,"
            " or set DATA_DIR in .env.",
            file=sys.stderr,
        )
        return 1
    return _run(port, prepared)


def _run(port: int, prepared: "Prepared") -> int:
    programs = {
        "web": (
            f"-m gunicorn mailbelly.wsgi --bind 127.0.0.1:{port} --no-control-socket"
            " --worker-class gthread --threads 8 --log-level warning"
            " --graceful-timeout 2"
        ),
        "worker": "manage.py worker",
        "watcher": "manage.py ingest --watch",
    }
    further = {}
    if prepared.receiver:
        programs["receiver"] = f"manage.py listen --port {prepared.receiver}"
        further["WEBHOOK_SECRET"] = prepared.receiver_secret
    with household(prepared.folder, programs, further) as process:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: process.terminate())
        greeter = import_module("mailbelly.run.greeting").Greeter(
            port, prepared, process
        )
        greeter.start()
        for line in process.stdout or ():
            print(line, end="", flush=True)
            greeter.hear(line)
        code = process.wait()
    return 0 if code in {0, -signal.SIGTERM} else 1


if __name__ == "__main__":
    sys.exit(main())
