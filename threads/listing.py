"""Threads as lists have them: plain rows, tags and all, by one statement.

To name 25 columns of five tables costs an ORM more than to read fifty rows. So that
part of the statement is made once; what a list asks of its threads is a subquery in it.
"""

from datetime import datetime
from functools import cache
from json import loads
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db.models import JSONField, OuterRef, Subquery
from django.db.models.expressions import RawSQL

from threads.models import Tag, Thread
from threads.models.thread import ThreadQuerySet
from threads.serializers import JSON, thread_like
from webhooks import dialect

_ASKED = "(threads)"


class Row(NamedTuple):
    public_id: str
    subject: str
    status: str
    priority: str
    assignee__email: str | None
    assignee__first_name: str | None
    assignee__last_name: str | None
    team__name: str | None
    mailbox__address: str
    mailbox__domain: str
    customer__address: str | None
    customer__name: str | None
    customer__thread_count: int | None
    message_count: int
    sequence: int
    last_message_id: int | None
    # From here on not as SQLite has them.
    customer_is_new: bool
    last_message_at: datetime | None
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    snoozed_until: datetime | None
    participants: list[JSON]
    merged_ids: list[str]
    related: list[str]
    tag_names: list[str]


_IS_NEW = Row._fields.index("customer_is_new")
_MOMENTS = slice(_IS_NEW + 1, Row._fields.index("participants"))


def rows(threads: ThreadQuerySet) -> list[Row]:
    """Their rows, in no order; `threads` may be sliced."""
    try:
        asked, parameters = threads.values("pk").query.sql_with_params()
    except EmptyResultSet:  # of no mailbox: Django asks the database nothing
        return []
    found = dialect.fetch(_statement().replace(_ASKED, asked), *parameters)
    return [
        Row._make(
            [
                *row[:_IS_NEW],
                bool(row[_IS_NEW]),
                *(value and dialect.moment(value) for value in row[_MOMENTS]),
                *map(loads, row[_MOMENTS.stop :]),
            ]
        )
        for row in found
    ]


def row_json(row: Row) -> JSON:
    """What `thread_json` makes of a thread."""
    name = f"{row.assignee__first_name} {row.assignee__last_name}".strip()
    email = row.assignee__email
    return thread_like(
        row,
        assignee={"email": email, "name": name or email} if email else None,
        team=row.team__name,
        tags=row.tag_names,
        mailbox=(row.mailbox__address, row.mailbox__domain),
        customer=(
            row.customer__address or "",
            row.customer__name or "",
            row.customer__thread_count or 0,
        ),
    )


@cache
def _statement() -> str:
    tags = Tag.objects.filter(threads=OuterRef("pk")).order_by().values("name")
    threads = Thread.objects.annotate(tag_names=_Names(tags)).order_by()
    listed = threads.filter(pk__in=RawSQL(_ASKED, []))  # noqa: S611 -- our own words
    sql, _none = listed.values_list(*Row._fields).query.sql_with_params()
    return sql


class _Names(Subquery):
    """The column `name` of a subquery, as one list."""

    output_field = JSONField()
    template = "(SELECT json_group_array(name) FROM (%(subquery)s) AS names)"

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        return self.as_sql(  # type: ignore[call-arg]
            compiler,
            connection,
            template="(SELECT COALESCE(jsonb_agg(name), '[]')"
            " FROM (%(subquery)s) AS names)",
        )
