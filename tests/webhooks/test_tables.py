"""What a mail and its events are written to holds nothing that nobody asks for."""

import pytest
from django.db import connection
from django.db.models import Index, UniqueConstraint

from threads.models import (
    Attachment,
    IngestRecord,
    Message,
    Original,
    Recipient,
    Reference,
    Thread,
)
from webhooks.models import Attempt, Delivery, Event, EventBody

pytestmark = pytest.mark.django_db

# They grow with each mail, event or attempt.
GROWING = [
    Attachment,
    Attempt,
    Delivery,
    Event,
    EventBody,
    IngestRecord,
    Message,
    Original,
    Recipient,
    Reference,
    Thread,
]
growing = pytest.mark.parametrize("model", GROWING, ids=lambda model: model.__name__)
postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="PostgreSQL's own ways"
)


def first_fields(model):
    """Of each index and each unique constraint that holds all rows."""
    for one in (*model._meta.indexes, *model._meta.constraints):
        if isinstance(one, Index | UniqueConstraint) and one.condition is None:
            yield from one.fields[:1]


@growing
def test_no_foreign_key_is_indexed_twice(model):
    begun = set(first_fields(model))
    twice = [
        field.name
        for field in model._meta.local_fields
        if field.is_relation and field.db_index and field.name in begun
    ]
    assert twice == [], "give it db_index=False"


@postgresql
@growing
def test_no_index_is_there_for_prefixes_of_what_is_asked_for_whole(model):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE tablename = %s"
            " AND indexdef LIKE '%%pattern_ops%%'",
            [model._meta.db_table],
        )
        assert cursor.fetchall() == [], "see webhooks.tables"


@postgresql
def test_long_texts_are_not_made_small_the_slow_way():
    with connection.cursor() as cursor:
        for model, column in ((Message, "body_html"), (EventBody, "body")):
            cursor.execute(
                "SELECT attstorage, attcompression FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attname = %s",
                [model._meta.db_table, column],
            )
            # As they are, or by lz4.
            assert cursor.fetchone() in {("e", ""), ("x", "l")}
