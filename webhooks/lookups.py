"""`among`: what `in` is, with all values in one parameter.

However many values there are, the statement is the same text: no limit of parameters,
nothing to build for each value, and PostgreSQL keeps its plan. Its values are plain.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.db.models import Field, ForeignKey, Lookup

from webhooks import dialect

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
        column, parameters = self.process_lhs(compiler, connection)
        kind = self.lhs.output_field.db_type(connection)
        return dialect.among(column, kind), [*parameters, dialect.keys(self.rhs)]
