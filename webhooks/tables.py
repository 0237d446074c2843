"""For migrations: how PostgreSQL keeps a table, which Django has no words for.

Nothing of it changes what a query finds.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import (
    AlterField,
    RunPython,
    RunSQL,
    SeparateDatabaseAndState,
)


def without_index(
    table: str, column: str, index: str, field: AlterField
) -> SeparateDatabaseAndState:
    """Drop a foreign key's index, which another one begins with: `field` is without.

    Dropped as it is: Django would copy the table on SQLite, and on PostgreSQL check
    the whole foreign key again.
    """
    make = f'CREATE INDEX "{index}" ON "{table}" ("{column}")'
    return SeparateDatabaseAndState(
        [RunSQL(f'DROP INDEX IF EXISTS "{index}"', make)], [field]
    )


def without_prefix_indexes(app: str, *models: str) -> RunPython:
    """Drop the second index of unique texts, for LIKE 'x%': they are asked for whole.

    Each row written, and each new version of it, went into all of them.
    """

    def drop(table: str, schema: Any) -> None:
        named = _column(
            schema,
            "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
            " AND tablename = %s AND right(indexname, 5) = '_like'",
            [table],
        )
        for index in named:
            schema.execute(f"DROP INDEX {schema.quote_name(index)}")

    return _on_postgresql(app, models, drop)


def quickly_stored(app: str, model: str, *columns: str) -> RunPython:
    """Long values by lz4; and as they are, where the server has not got that.

    PostgreSQL's own way took half of the time that inserting them took.
    """

    def alter(table: str, schema: Any) -> None:
        known = _column(
            schema,
            "SELECT unnest(enumvals) FROM pg_settings"
            " WHERE name = 'default_toast_compression'",
        )
        kind = "COMPRESSION lz4" if "lz4" in known else "STORAGE EXTERNAL"
        for column in columns:
            schema.execute(
                f"ALTER TABLE {schema.quote_name(table)}"
                f" ALTER COLUMN {schema.quote_name(column)} SET {kind}"
            )

    return _on_postgresql(app, [model], alter)


def _on_postgresql(
    app: str, models: Sequence[str], change: Callable[[str, Any], None]
) -> RunPython:
    def forwards(apps: Apps, schema: BaseDatabaseSchemaEditor) -> None:
        if schema.connection.vendor == "postgresql":
            for model in models:
                change(apps.get_model(app, model)._meta.db_table, schema)  # noqa: SLF001 -- the public way

    return RunPython(forwards, RunPython.noop)


def _column(schema: Any, sql: str, values: Sequence[str] = ()) -> list[str]:
    with schema.connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [value for (value,) in cursor.fetchall()]
