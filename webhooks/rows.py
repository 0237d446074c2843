"""Many rows by one statement: what an ORM does for any row, done for plain ones.

`bulk_create` and `bulk_update` ask each value of each row how it wants to be stored.
Here a model is asked once; PostgreSQL gets all rows as one JSON text, SQLite as
parameters. Values are plain: no expressions, no secrets, and every column has one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import islice
from json import dumps
from typing import Any
from uuid import UUID

from django.db import connection, models

from webhooks.fields import EncryptedField

# As many parameters as SQLite takes in a statement, at least.
_PARAMETERS = 32_766
# Stored as Python has them.
_PLAIN = (models.BooleanField, models.CharField, models.IntegerField, models.TextField)


@dataclass(frozen=True, slots=True)
class _Column:
    field: Any
    name: str
    # Its quoted name and its type, for SQL.
    quoted: str
    type: str
    # How SQLite wants a value; None when it takes it as it is.
    stored: Callable[[Any], Any] | None

    def of(self, row: models.Model) -> Any:
        value = row.__dict__[self.name]
        if value is None and self.field.is_relation and self.field.is_cached(row):
            # It had no key yet when it was put here.
            value = getattr(self.field.get_cached_value(row), "pk", None)
            setattr(row, self.name, value)
        if hasattr(value, "resolve_expression"):
            raise TypeError(f"{type(row).__name__}.{self.name} has no plain value")
        return value


def insert(rows: Sequence[models.Model]) -> None:
    """Insert rows of one model, which get their keys; no signals are sent.

    Raises what the database raises, and `TypeError` for a column without a value.
    """
    if not rows:
        return
    columns = _columns(type(rows[0]))
    listed = ", ".join(column.quoted for column in columns)
    for chunk in _chunks(rows, len(columns)):
        source, parameters = _source(columns, chunk)
        with connection.cursor() as cursor:
            # Our own names; the values are parameters.
            sql = (
                f"INSERT INTO {_table(chunk)} ({listed}) SELECT {listed} FROM {source}"  # noqa: S608
            )
            cursor.execute(f"{sql} RETURNING id", parameters)
            keys = cursor.fetchall()
        for row, (key,) in zip(chunk, keys, strict=True):
            row.pk = key
            row._state.adding = False  # noqa: SLF001 -- as `bulk_create` leaves it
            row._state.db = connection.alias  # noqa: SLF001


def update(rows: Sequence[models.Model], names: Sequence[str]) -> None:
    """Write the fields of these names, of rows that are there."""
    if not rows:
        return
    columns = (_key(type(rows[0])), *_columns(type(rows[0]), tuple(names)))
    values = ", ".join(f"{c.quoted} = new.{c.quoted}" for c in columns[1:])
    for chunk in _chunks(rows, len(columns)):
        source, parameters = _source(columns, chunk)
        table = _table(chunk)
        with connection.cursor() as cursor:
            # Our own names; the values are parameters.
            sql = f"UPDATE {table} SET {values} FROM {source} WHERE {table}.id = new.id"  # noqa: S608
            cursor.execute(sql, parameters)


def _source(
    columns: Sequence[_Column], rows: Sequence[models.Model]
) -> tuple[str, list[Any]]:
    """The rows as a table `new`, and its parameters."""
    values = ([column.of(row) for column in columns] for row in rows)
    if connection.vendor == "postgresql":
        names = [column.field.column for column in columns]
        text = dumps(
            [dict(zip(names, row, strict=True)) for row in values],
            ensure_ascii=False,
            default=_as_text,
        )
        typed = ", ".join(f"{c.quoted} {c.type}" for c in columns)
        return f"json_to_recordset(%s::json) AS new ({typed})", [text]
    stored = [column.stored for column in columns]
    named = ", ".join(
        f"column{number} AS {column.quoted}"
        for number, column in enumerate(columns, start=1)
    )
    one = f"({', '.join(['%s'] * len(columns))})"
    listed = ", ".join([one] * len(rows))
    return f"(SELECT {named} FROM (VALUES {listed})) AS new", [  # noqa: S608 -- our own names
        value if store is None else store(value)
        for row in values
        for store, value in zip(stored, row, strict=True)
    ]


def _as_text(value: object) -> str:
    """What JSON has no word for, as PostgreSQL reads it."""
    match value:
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case bytes() | memoryview():
            return f"\\x{value.hex()}"
    raise TypeError(f"{type(value).__name__} is no plain value")


@cache
def _columns(
    model: type[models.Model], names: tuple[str, ...] = ()
) -> tuple[_Column, ...]:
    """Of all fields but the key, or of those named."""
    return tuple(
        _column(field)
        for field in model._meta.local_concrete_fields  # noqa: SLF001 -- the public way
        if (field.name in names if names else not field.primary_key)
    )


@cache
def _key(model: type[models.Model]) -> _Column:
    return _column(model._meta.pk)  # noqa: SLF001 -- the public way


def _column(field: Any) -> _Column:
    if isinstance(field, EncryptedField):
        raise TypeError(f"{field} is encrypted: write it by its model")
    plain = isinstance(field, (*_PLAIN, models.ForeignKey))

    def stored(value: Any) -> Any:
        return field.get_db_prep_save(value, connection)

    return _Column(
        field=field,
        name=field.attname,
        quoted=connection.ops.quote_name(field.column),
        type=field.rel_db_type(connection)
        if field.primary_key
        else field.db_type(connection),
        stored=None if plain else stored,
    )


def _table(rows: Sequence[models.Model]) -> str:
    return connection.ops.quote_name(rows[0]._meta.db_table)  # noqa: SLF001 -- the public way


def _chunks(rows: Sequence[models.Model], columns: int) -> Iterator[list[models.Model]]:
    left = iter(rows)
    while chunk := list(islice(left, _PARAMETERS // columns)):
        yield chunk
