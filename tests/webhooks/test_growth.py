"""What a drain asks stays as cheap when a hundred thousand deliveries wait."""

import pytest
from django.db import connection

from tests.receivers import receiving
from webhooks import replays, retention
from webhooks.claims import oldest_due, recover, work
from webhooks.delivery import drain
from webhooks.models import Attempt, Delivery, Event, EventBody

pytestmark = pytest.mark.django_db(transaction=True)
FINISHED, WAITING = 20_000, 5_000
# Of these a statement may never read all rows.
LARGE = {Attempt, Delivery, Event, EventBody}


def many(hook, state, count, first, next_at):
    """Deliveries with an event and a body each, by three statements."""
    if connection.vendor == "postgresql":
        numbers = "SELECT n FROM generate_series(%s::int, %s::int) AS numbers (n)"
        body = "'{}'::bytea"
    else:
        numbers = (
            "WITH RECURSIVE numbers (n) AS (SELECT %s UNION ALL"
            " SELECT n + 1 FROM numbers WHERE n < %s) SELECT n FROM numbers"
        )
        body = "x'7b7d'"
    last = first + count - 1
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO webhooks_event (id, public_id, type, thread, mailbox, domain,"
            " sequence, position, cause, silent, created_at)"
            " SELECT n, 'e' || n, 'message.received', '', '', '', 0, n, n, FALSE,"
            f" CURRENT_TIMESTAMP FROM ({numbers}) AS many",
            [first, last],
        )
        cursor.execute(
            "INSERT INTO webhooks_eventbody (id, event_id, format, body)"
            f" SELECT n, n, 'full', {body} FROM ({numbers}) AS many",
            [first, last],
        )
        cursor.execute(
            "INSERT INTO webhooks_delivery (id, public_id, event_id, webhook_id,"
            " body_id, replay_no, state, lost_leases, attempts, next_at, created_at)"
            " SELECT n, 'd' || n, n, %s, n, 0, %s, 0, 0,"
            f" {next_at}, CURRENT_TIMESTAMP FROM ({numbers}) AS many",
            [hook.pk, state, first, last],
        )
        if state == "succeeded":
            cursor.execute(
                "INSERT INTO webhooks_attempt (delivery_id, number, started_at,"
                " duration_ms, peer, peer_public, status, error, error_detail,"
                " error_words, response_excerpt) SELECT n, 1, CURRENT_TIMESTAMP, 5, '',"
                f" TRUE, 200, '', '', '[]', '' FROM ({numbers}) AS many",
                [first, last],
            )


def plans(statements):
    """`(statement, its plan)` as the database would do it."""
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        for sql, parameters in statements:
            cursor.execute(f"{explain} {sql}", parameters)
            yield sql, "\n".join(str(row) for row in cursor.fetchall())


def test_no_statement_of_a_drain_reads_a_whole_table(webhook):
    asked = {}

    def keep(execute, sql, parameters, many, context):
        if sql.strip().startswith(("SELECT", "UPDATE", "INSERT", "DELETE")):
            asked[sql] = parameters
        return execute(sql, parameters, many, context)

    with receiving() as receiver, receiving((500, {}, b"")) as failing:
        hook = webhook(receiver.url)
        other, ill = webhook(f"{receiver.url}b"), webhook(failing.url)
        many(hook, "succeeded", FINISHED, 1, "CURRENT_TIMESTAMP")
        many(other, "pending", WAITING, FINISHED + 1, "'2999-01-01 00:00:00+00'")
        first = FINISHED + WAITING + 1
        for number, one in enumerate((hook, other, ill)):
            many(one, "pending", 3, first + 3 * number, "CURRENT_TIMESTAMP")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        with connection.execute_wrapper(keep):
            drain(budget_seconds=20)
            recover()
            work()
            oldest_due()
            retention.prune(1)
            retention.erase([1])
            replays.advance()
    assert len(receiver.requests) == 6
    # `rows.update` leaves the planner the choice, which is by the size of the table.
    asked = {sql: p for sql, p in asked.items() if 'UPDATE "webhooks_eventb' not in sql}
    found = list(plans(asked.items()))
    assert len(found) >= 10
    for sql, plan in found:
        for model in LARGE:
            table = model._meta.db_table
            # As PostgreSQL and as SQLite say it.
            for scan in (f"Seq Scan on {table}", f"SCAN {table}'", f"SCAN {table} "):
                assert scan not in plan.replace("USING", "'USING"), (sql, plan)
