"""The few words in which our two databases differ, for SQL written by hand.

Most of what a query of a dozen rows costs is the making of it. So what is asked at each
round of a drain is text, made once; values are always parameters.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from json import dumps
from typing import Any
from uuid import UUID

from django.db import connection


def _is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def now() -> str:
    """As `Now()` has it."""
    if _is_postgresql():
        return "STATEMENT_TIMESTAMP()"
    return "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')"


def after(seconds: str) -> str:
    """So many seconds from now, of an expression that gives them."""
    if _is_postgresql():
        return f"(STATEMENT_TIMESTAMP() + {seconds} * INTERVAL '1 second')"
    return (
        f"STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', ROUND({seconds}, 3) || ' seconds')"
    )


def next_keys() -> str:
    """Keys of a table that nobody has yet; asked with its name and how many."""
    if _is_postgresql():
        return (
            "SELECT nextval(pg_get_serial_sequence(%s, 'id'))"
            " FROM generate_series(1, %s)"
        )
    # The one writer inserts them before anybody else can.
    return (
        "WITH RECURSIVE key(id, last) AS ("
        "SELECT seq + 1, seq FROM (SELECT COALESCE(MAX(seq), 0) AS seq"
        " FROM sqlite_sequence WHERE name = %s)"
        " UNION ALL SELECT id + 1, last FROM key WHERE id < last + %s"
        ") SELECT id FROM key"
    )


def locked(alias: str, *, skip: bool = False) -> str:
    """What ends a SELECT of rows to be changed. SQLite has one writer anyway."""
    if not _is_postgresql():
        return ""
    return f"FOR NO KEY UPDATE OF {alias}{' SKIP LOCKED' if skip else ''}"


def free_locks_after(seconds: int) -> None:
    """Of this session, should its process freeze within a transaction: others wait."""
    if _is_postgresql():
        execute(f"SET idle_in_transaction_session_timeout = '{seconds}s'")


def among(column: str, kind: str = "bigint") -> str:
    """The column, of PostgreSQL's type `kind`, is one of a parameter made by `keys`."""
    if _is_postgresql():
        return f"{column} = ANY(%s::{kind}[])"
    return f"{column} IN (SELECT value FROM json_each(%s))"  # noqa: S608 -- our own names


def keys(values: Iterable[int] | Iterable[str]) -> Any:
    listed = list(values)
    return listed if _is_postgresql() else dumps(listed)


def table(columns: Mapping[str, str]) -> str:
    """The rows of a parameter as a table `new`; of `columns` PostgreSQL's types."""
    if _is_postgresql():
        typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        return f"json_to_recordset(%s::json) AS new ({typed})"
    named = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
    return f"(SELECT {named} FROM json_each(%s)) AS new"  # noqa: S608 -- our own names


def rows(columns: Iterable[str], values: Iterable[Sequence[Any]]) -> str:
    """A parameter for `table`, as JSON."""
    names = list(columns)
    return dumps(
        [dict(zip(names, row, strict=True)) for row in values],
        ensure_ascii=False,
        # Asked once: each row has some.
        default=_on_postgresql if _is_postgresql() else on_sqlite,
    )


def plain(value: object) -> str:
    """A moment or a token as its column has it."""
    return _on_postgresql(value) if _is_postgresql() else on_sqlite(value)


def _on_postgresql(value: object) -> str:
    match value:
        case datetime():
            return _text(value.astimezone(UTC))
        case UUID():
            return str(value)
    raise TypeError(f"{type(value).__name__} is no plain value")


def on_sqlite(value: object) -> str:
    """The same, for who knows which database it is."""
    match value:
        case datetime():
            return _text(value.astimezone(UTC)).removesuffix("+00:00")
        case UUID():
            return value.hex
    raise TypeError(f"{type(value).__name__} is no plain value")


@lru_cache(maxsize=1024)  # most rows of a batch are of one moment
def _text(utc: datetime) -> str:
    return utc.isoformat(" ")


def moment(value: Any) -> datetime:
    """What a statement of ours gives for a moment: SQLite text, or one without zone."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    found: datetime = value
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def fetch(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Execute a statement that gives rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def execute(sql: str, *parameters: Any) -> int:
    """Execute a statement; says how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        changed: int = cursor.rowcount
    return changed
