"""Many rows by one statement: what an ORM does for any row, done for plain ones.

`Model(…)`, `bulk_create` and `bulk_update` ask each value of each row what it is and
how it wants to be stored. Here a model is asked once; PostgreSQL gets all rows as one
JSON text and their bytes beside it, SQLite as parameters. Values are plain: no
expressions, no secrets, and every column has one.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, islice
from operator import attrgetter, itemgetter
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, models
from django.db.models.base import ModelState
from django.db.models.fields import NOT_PROVIDED

from webhooks import dialect
from webhooks.fields import EncryptedField

Row = TypeVar("Row", bound=models.Model)

# As many parameters as SQLite takes in a statement, at least.
_PARAMETERS = 32_766
# Stored as Python has them.
_PLAIN = (
    models.BinaryField,
    models.BooleanField,
    models.CharField,
    models.IntegerField,
    models.TextField,
)
# What SQLite has as text.
_WRITTEN = (models.DateTimeField, models.UUIDField)
# What most columns of JSON have.
_EMPTY: dict[type, str] = {list: "[]", dict: "{}"}
# What SQLite has otherwise than Python.
_LOADED: dict[type, Callable[[Any], Any]] = {
    models.BooleanField: bool,
    models.DateTimeField: dialect.moment,
    models.UUIDField: UUID,
}


def new(model: type[Row], **values: Any) -> Row:
    """`model(**values)`, without signals and a tenth of the time."""
    row = model.__new__(model)
    state = row._state = ModelState()  # noqa: SLF001 -- as `Model.__init__` does
    blank = _blank(model)
    row.__dict__.update(blank.plain)
    for name, make in blank.made:
        if name not in values:
            values[name] = make()
    for name, key in blank.relations:
        if name in values:
            other = state.fields_cache[name] = values.pop(name)
            values[key] = other.pk if other else None
    row.__dict__.update(values)
    return row


def read(model: type[Row], tail: str, *parameters: Any) -> list[Row]:
    """The rows of `SELECT … FROM` the model's table and `tail`, whole.

    What Django makes of a row, without asking each value what it is.
    """
    table = _Table.of(model, keyed=True)
    sql = f"SELECT {table.listed} FROM {table.name} {tail}"  # noqa: S608 -- our own names
    names = [column.name for column in table.columns]
    loaded = {c.name: c.loaded for c in table.columns if c.loaded is not None}
    rows = []
    for values in dialect.fetch(sql, *parameters):
        row = model.__new__(model)
        state = row._state = ModelState()  # noqa: SLF001 -- as `Model.from_db` does
        state.adding, state.db = False, connection.alias
        row.__dict__.update(zip(names, values, strict=True))
        for name, load in loaded.items():
            if row.__dict__[name] is not None:
                row.__dict__[name] = load(row.__dict__[name])
        rows.append(row)
    return rows


def take_keys(rows: Sequence[models.Model]) -> None:
    """Rows of one model get their keys before they go in.

    So two rows that name each other are written once. Only within a transaction that
    inserts them.
    """
    if not rows:
        return
    table = rows[0]._meta.db_table  # noqa: SLF001 -- the public way
    with connection.cursor() as cursor:
        cursor.execute(dialect.next_keys(), [table, len(rows)])
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            row.__dict__["id"] = key


def insert(rows: Sequence[models.Model]) -> None:
    """Insert rows of one model, which get their keys; no signals are sent.

    Raises what the database raises, and `TypeError` for a column without a value.
    """
    _insert(rows, "RETURNING id")


def insert_or_find(rows: Sequence[models.Model], unique: str) -> None:
    """The same, but a row whose unique field is there already gets the key of that."""
    name = connection.ops.quote_name(unique)
    # It changes nothing, but locks what is there and brings its key.
    found = f"ON CONFLICT ({name}) DO UPDATE SET {name} = excluded.{name}"
    _insert(rows, f"{found} RETURNING id")


def insert_missing(rows: Sequence[models.Model]) -> None:
    """The same, but what is there already stays as it is; no row gets a key."""
    _insert(rows, "ON CONFLICT DO NOTHING")


def update(rows: Sequence[models.Model], names: Sequence[str]) -> None:
    """Write the fields of these names, of rows that are there."""
    if not rows:
        return
    table = _Table.of(type(rows[0]), ("id", *names))
    values = ", ".join(f"{c.quoted} = new.{c.quoted}" for c in table.columns[1:])
    for chunk in table.chunks(rows):
        source, parameters = table.source(chunk)
        with connection.cursor() as cursor:
            # Our own names; the values are parameters.
            sql = f"UPDATE {table.name} SET {values} FROM {source}"  # noqa: S608
            cursor.execute(f"{sql} WHERE {table.name}.id = new.id", parameters)


def _insert(rows: Sequence[models.Model], ending: str) -> None:
    if not rows:
        return
    table = _Table.of(type(rows[0]), keyed=rows[0].pk is not None)
    for chunk in table.chunks(rows):
        source, parameters = table.source(chunk)
        with connection.cursor() as cursor:
            # Our own names; the values are parameters. For SQLite, WHERE tells the
            # end of the SELECT from a join's ON.
            sql = (
                f"INSERT INTO {table.name} ({table.listed})"  # noqa: S608
                f" SELECT {table.listed} FROM {source} WHERE true {ending}"
            )
            cursor.execute(sql, parameters)
            if not ending.endswith("RETURNING id"):
                continue
            keys = cursor.fetchall()
        alias = connection.alias
        for row, (key,) in zip(chunk, keys, strict=True):
            row.__dict__["id"] = key
            row._state.adding = False  # noqa: SLF001 -- as `bulk_create` leaves it
            row._state.db = alias  # noqa: SLF001


def _written(value: Any) -> str | None:
    return None if value is None else dialect.on_sqlite(value)


def _dumped(value: Any, *, encode: Callable[[Any], str]) -> str | None:
    if value is None:
        return None
    return encode(value) if value else _EMPTY.get(type(value)) or encode(value)


@dataclass(frozen=True, slots=True)
class _Column:
    field: Any
    # Of the attribute, of the column quoted, and its type, for SQL.
    name: str
    quoted: str
    type: str
    # How SQLite wants a value; None when it takes it as it is.
    stored: Callable[[Any], Any] | None
    # What a value of the database's is; None when it is as Python has it.
    loaded: Callable[[Any], Any] | None

    @classmethod
    def of(cls, field: Any) -> "_Column":
        if isinstance(field, EncryptedField):
            raise TypeError(f"{field} is encrypted: write it by its model")

        stored: Callable[[Any], Any] | None = None
        if isinstance(field, _WRITTEN):
            stored = _written
        elif isinstance(field, models.JSONField):
            encoder = field.encoder or json.JSONEncoder
            stored = partial(_dumped, encode=encoder().encode)
        elif not isinstance(field, (*_PLAIN, models.ForeignKey)):
            stored = partial(field.get_db_prep_save, connection=connection)
        loaded: Callable[[Any], Any] | None = None
        if isinstance(field, models.JSONField):
            loaded = partial(json.loads, cls=field.decoder)
        elif connection.vendor == "sqlite":
            kinds = (load for kind, load in _LOADED.items() if isinstance(field, kind))
            loaded = next(kinds, None)
        key = field.primary_key
        return cls(
            field=field,
            name=field.attname,
            quoted=connection.ops.quote_name(field.column),
            type=field.rel_db_type(connection) if key else field.db_type(connection),
            stored=stored,
            loaded=loaded,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """A model as SQL has it: its columns without the key or with, or some fields'."""

    name: str
    columns: Sequence[_Column]
    listed: str

    @classmethod
    @cache
    def of(
        cls,
        model: type[models.Model],
        fields: tuple[str, ...] = (),
        *,
        keyed: bool = False,
    ) -> "_Table":
        columns = [
            _Column.of(field)
            for field in model._meta.local_concrete_fields  # noqa: SLF001 -- the public way
            if (field.name in fields if fields else keyed or not field.primary_key)
        ]
        return cls(
            name=connection.ops.quote_name(model._meta.db_table),  # noqa: SLF001 -- too
            columns=columns,
            listed=", ".join(column.quoted for column in columns),
        )

    def chunks(self, rows: Sequence[models.Model]) -> Iterator[list[models.Model]]:
        left = iter(rows)
        while chunk := list(islice(left, _PARAMETERS // len(self.columns))):
            yield chunk

    def source(self, rows: Sequence[models.Model]) -> tuple[str, list[Any]]:
        """The rows as a table `new`, and its parameters."""
        self._name_parents(rows)
        if connection.vendor == "postgresql":
            return self._text(rows)
        return self._parameters(rows)

    def _name_parents(self, rows: Sequence[models.Model]) -> None:
        """Rows that had no key yet when others were put together have one now."""
        for column in self.columns:
            if not column.field.is_relation:
                continue
            for row in rows:
                if row.__dict__[column.name] is None and column.field.is_cached(row):
                    parent = column.field.get_cached_value(row)
                    setattr(row, column.name, getattr(parent, "pk", None))

    def _values(
        self, rows: Sequence[models.Model], columns: Sequence[_Column]
    ) -> list[tuple[Any, ...]]:
        if len(columns) == 1:  # of one name, `itemgetter` makes no tuple
            values = [(row.__dict__[columns[0].name],) for row in rows]
        else:
            values = list(
                map(
                    itemgetter(*(column.name for column in columns)),
                    map(attrgetter("__dict__"), rows),
                )
            )
        kinds = {type(value) for row in values for value in row}
        if any(hasattr(kind, "resolve_expression") for kind in kinds):
            for row in values:
                for column, value in zip(columns, row, strict=True):
                    if hasattr(value, "resolve_expression"):
                        field = f"{type(rows[0]).__name__}.{column.name}"
                        raise TypeError(f"{field} has no plain value")
        return values

    def _text(self, rows: Sequence[models.Model]) -> tuple[str, list[Any]]:
        """One JSON text, and beside it the columns of bytes."""
        plain = [column for column in self.columns if column.type != "bytea"]
        binary = [column for column in self.columns if column.type == "bytea"]
        names = [column.field.column for column in plain]
        text = dialect.rows(names, self._values(rows, plain))
        if not binary:
            return dialect.table({c.quoted: c.type for c in plain}), [text]
        typed = ", ".join(f"{column.quoted} {column.type}" for column in plain)
        named = ", ".join(column.quoted for column in (*plain, *binary))
        # One by one: put together as an array, a large mail would be copied once more.
        one = f", unnest(ARRAY[{', '.join(['%b'] * len(rows))}]::bytea[])"
        arrays = one * len(binary)
        table = f"ROWS FROM (json_to_recordset(%s::json) AS ({typed}){arrays})"
        values = zip(*self._values(rows, binary), strict=True)
        return f"{table} AS new ({named})", [text, *chain.from_iterable(values)]

    def _parameters(self, rows: Sequence[models.Model]) -> tuple[str, list[Any]]:
        stored = [column.stored for column in self.columns]
        named = ", ".join(
            f"column{number} AS {column.quoted}"
            for number, column in enumerate(self.columns, start=1)
        )
        one = f"({', '.join(['%s'] * len(self.columns))})"
        listed = ", ".join([one] * len(rows))
        return f"(SELECT {named} FROM (VALUES {listed})) AS new", [  # noqa: S608 -- our own names
            value if store is None else store(value)
            for row in self._values(rows, self.columns)
            for store, value in zip(stored, row, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Blank:
    """A model whose fields have their defaults."""

    plain: dict[str, Any]
    # Made anew for each row: attribute → its maker.
    made: list[tuple[str, Callable[[], Any]]]
    # Fields that hold another row, and where its key is.
    relations: list[tuple[str, str]]


@cache
def _blank(model: type[models.Model]) -> _Blank:
    fields = model._meta.local_concrete_fields  # noqa: SLF001 -- the public way
    made = {
        field.attname: field.default
        for field in fields
        if callable(field.default) and field.default is not NOT_PROVIDED
    }
    return _Blank(
        plain={
            field.attname: field.get_default()
            for field in fields
            if field.attname not in made
        },
        made=list(made.items()),
        relations=[(f.name, f.attname) for f in fields if f.is_relation],
    )
