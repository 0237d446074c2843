#!/usr/bin/env python
"""Every command: `python manage.py help`."""

import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from mailbelly import env

if __name__ == "__main__":
    env.choose_settings()
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Error: {error}")
