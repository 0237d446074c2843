"""The yardstick of G13: no key, no limits, no filters, no serializer.

The same 50 threads as `GET /api/v1/threads`, by one SQL statement and orjson.
"""

from typing import Any

import orjson
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

from mailbelly.urls import urlpatterns as ours

LIST = """
SELECT t.public_id, t.subject, t.status, t.priority, u.email, u.first_name, u.last_name,
       team.name,
       ARRAY(SELECT tag.name FROM threads_thread_tags tt
             JOIN threads_tag tag ON tag.id = tt.tag_id
             WHERE tt.thread_id = t.id ORDER BY tag.name),
       m.address, m.domain, c.address, c.name, t.customer_is_new, c.thread_count,
       t.participants, t.message_count, t.sequence, t.last_message_at, t.created_at,
       t.updated_at, t.closed_at, t.snoozed_until, t.merged_ids, t.related
FROM threads_thread t
JOIN threads_mailbox m ON m.id = t.mailbox_id
LEFT JOIN threads_user u ON u.id = t.assignee_id
LEFT JOIN threads_team team ON team.id = t.team_id
LEFT JOIN threads_customer c ON c.id = t.customer_id
WHERE t.status <> 'spam' AND t.last_message_id IS NOT NULL
ORDER BY t.last_message_id DESC LIMIT 50
"""


def bare(_request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute(LIST)
        results = [_thread(row) for row in cursor.fetchall()]
    return HttpResponse(
        orjson.dumps({"results": results}), content_type="application/json"
    )


def _thread(row: tuple[Any, ...]) -> dict[str, Any]:
    public_id, subject, status, priority, email, first, last, team, tags, *rest = row
    mailbox, domain, address, name, is_new, thread_count, participants, *rest = rest
    message_count, sequence, *times, merged_ids, related = rest
    last_message_at, created_at, updated_at, closed_at, snoozed_until = map(
        _time, times
    )
    return {
        "id": public_id,
        "subject": subject,
        "status": status,
        "priority": priority,
        "assignee": email
        and {"email": email, "name": f"{first} {last}".strip() or email},
        "team": team,
        "tags": tags,
        "mailbox": mailbox,
        "domain": domain,
        "customer": {
            "address": address or "",
            "name": name or "",
            "is_new": is_new,
            "thread_count": thread_count or 0,
        },
        "participants": orjson.loads(participants),
        "message_count": message_count,
        "sequence": sequence,
        "last_message_at": last_message_at,
        "created_at": created_at,
        "updated_at": updated_at,
        "closed_at": closed_at,
        "snoozed_until": snoozed_until,
        "merged_ids": orjson.loads(merged_ids),
        "related": orjson.loads(related),
        "url": f"{settings.PUBLIC_URL}/api/v1/threads/{public_id}",
        "admin_url": f"{settings.PUBLIC_URL}/admin/threads/thread/{public_id}/change/",
    }


def _time(moment: Any) -> str | None:
    return moment and moment.isoformat(timespec="milliseconds")[:23] + "Z"


urlpatterns = [path("bare", bare), *ours]
