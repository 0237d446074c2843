"""`among`: what `in` is, with all values in one parameter.

However many values there are, the statement is the same text: no limit of parameters,
nothing to build for each value, and PostgreSQL keeps its plan. Its values are plain.
"""

from collections.abc import Collection
from json import dumps
from typing import TYPE_CHECKING, Any

from django.db.models import Field, ForeignKey, Lookup

if TYPE_CHECKING:
    _Lookup = Lookup[Collection[Any]]
else:
    _Lookup = Lookup


@ForeignKey.register_lookup
@Field.register_lookup
class Among(_Lookup):
    """`Message.objects.filter(message_id__among=ids)`; of no values, none."""

    lookup_name = "among"
    prepare_rhs = False
    rhs: Collection[str] | Collection[int]

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """SQLite's: the values as a JSON array."""
        column, parameters = self.process_lhs(compiler, connection)
        among = f"{column} IN (SELECT value FROM json_each(%s))"  # noqa: S608 -- our own names
        return among, [*parameters, dumps(list(self.rhs))]

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        kind = self.lhs.output_field.db_type(connection)
        return f"{column} = ANY(%s::{kind}[])", [*parameters, list(self.rhs)]
