"""Within MailBelly: events of long ago, each told to ten webhooks (PostgreSQL).

    python -m bench.ours.old EVENTS

Finished deliveries and attempts, ten of each an event, as a month leaves them behind.
"""

import sys

import django

django.setup()

from django.db import connection  # noqa: E402 -- after django.setup

from webhooks.models import Webhook  # noqa: E402

BODY = """
convert_to('{"event":"message.received","thread_id":"","timestamp":"","id":"","mailbox":
"","domain":"","sequence":1,"body_text":"' || repeat('Hallo, ', 285) || '"}', 'UTF8')
"""
STATEMENTS = (
    f"""
    WITH events AS (
        INSERT INTO webhooks_event (public_id, type, thread, mailbox, domain, sequence,
            position, cause, silent, created_at)
        SELECT 'o' || n, 'message.received', '', '', '', 0, 10000000 + n, 'old:' || n,
            FALSE, now() - interval '60 days'
        FROM generate_series(1, %s::int) AS many (n) RETURNING id
    )
    INSERT INTO webhooks_eventbody (event_id, format, body)
    SELECT id, 'full', {BODY} FROM events
    """,
    """
    WITH deliveries AS (
        INSERT INTO webhooks_delivery (public_id, event_id, webhook_id, body_id,
            replay_no, state, lost_leases, attempts, next_at, created_at, finished_at)
        SELECT 'o' || b.id || '-' || w.id, b.event_id, w.id, b.id, 0, 'succeeded', 0, 1,
            e.created_at, e.created_at, e.created_at
        FROM webhooks_eventbody b JOIN webhooks_event e ON e.id = b.event_id,
            unnest(%s::bigint[]) AS w (id)
        WHERE e.cause LIKE 'old:%%' RETURNING id, created_at
    )
    INSERT INTO webhooks_attempt (delivery_id, number, started_at, duration_ms, peer,
        peer_public, status, error, error_detail, error_words, response_excerpt)
    SELECT id, 1, created_at, 50, '192.0.2.1', TRUE, 200, '', '', '[]', ''
    FROM deliveries
    """,
    "ANALYZE",
)
webhooks = list(Webhook.objects.values_list("pk", flat=True)[:10])
with connection.cursor() as cursor:
    for statement, value in zip(
        STATEMENTS, ([int(sys.argv[1])], [webhooks], None), strict=True
    ):
        cursor.execute(statement, value)
