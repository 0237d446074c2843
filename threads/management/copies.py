"""The database as one file, and back: by its own tools, while it works."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from shutil import which
from typing import Any

from django.core.management.base import CommandError
from django.db import connection
from django.utils.translation import gettext as _
from psycopg.conninfo import make_conninfo

from mailbelly import env

_SQLITE = b"SQLite format 3\x00"
_POSTGRESQL = b"PGDMP"
# Of what the driver is told, what its tools need as well to get there.
_REACH = frozenset(
    {"host", "port", "user", "dbname", "service", "passfile"}
    | {"sslmode", "sslrootcert", "sslcert", "sslkey"}
)


def save(file: Path) -> None:
    """One consistent moment; `file` is readable to nobody else."""
    file.touch(mode=0o600)
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with closing(sqlite3.connect(file)) as copy:
            _sqlite().backup(copy)
    else:
        _tool("pg_dump", "--format=custom", f"--file={file}")


def load(file: Path) -> None:
    """Into a database without tables. Raises `CommandError`."""
    with file.open("rb") as opened:
        magic = opened.read(16)
    expected = _SQLITE if connection.vendor == "sqlite" else _POSTGRESQL
    if not magic.startswith(expected):
        raise CommandError(
            _("%(file)s is no backup of %(database)s.")
            % {"file": file, "database": connection.display_name},
            returncode=2,
        )
    if connection.introspection.table_names():
        raise CommandError(
            _("The database has tables already. Restore into an empty one."),
            returncode=2,
        )
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as copy:
            copy.backup(_sqlite())
    else:
        _tool("pg_restore", "--no-owner", "--exit-on-error", file=file)
    connection.close()


def _sqlite() -> sqlite3.Connection:
    found: Any = connection.connection
    return found  # type: ignore[no-any-return]


def _tool(name: str, *options: str, file: Path | None = None) -> None:
    """With the password in its environment: arguments stand in the process list."""
    if which(name) is None:
        raise CommandError(
            _("%s is missing. Install the client programs of PostgreSQL.") % name
        )
    asked: dict[str, Any] = connection.get_connection_params()
    reach = make_conninfo(
        **{key: value for key, value in asked.items() if key in _REACH and value}
    )
    command = [name, *options, f"--dbname={reach}"]
    password = asked.get("password")
    done = subprocess.run(  # noqa: S603 -- our own words
        [*command, str(file)] if file else command,
        env=env.for_children(**({"PGPASSWORD": str(password)} if password else {})),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(f"{name}: {done.stderr.strip()}")
