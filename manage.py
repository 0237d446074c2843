#!/usr/bin/env python
"""Every command: `python manage.py help`."""

import sys
import traceback

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from mailbelly import env

# sysexits.h: the MTA keeps the mail and tries again.
TEMPORARY_FAILURE = 75


def main() -> None:
    env.choose_settings()
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Error: {error}")


def piped() -> None:
    """Whatever is wrong, the settings too: a mail that is not stored is not ours."""
    try:
        main()
    except SystemExit as stop:
        if not stop.code:
            raise
        if isinstance(stop.code, str):
            sys.stderr.write(f"{stop.code}\n")
    except BaseException:  # noqa: BLE001 -- told, and then the MTA's
        traceback.print_exc()
    else:
        return
    sys.exit(TEMPORARY_FAILURE)


if __name__ == "__main__":
    if sys.argv[1:2] == ["ingest"] and "--stdin" in sys.argv:
        piped()
    else:
        main()
