"""What is stored that the mails of a batch may link to: statements made once.

A batch asks each of them, so they are text (`webhooks.dialect`); whatever they are
asked about is one parameter. The mailbox row is locked by whoever asks.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from threads.models import Mailbox, Message, Team, Thread, ThreadLink, User
from webhooks import dialect
from webhooks.rows import read

Row = dict[str, Any]

_COLUMNS = (
    "id",
    "public_id",
    "direction",
    "via",
    "message_id",
    "dedupe_key",
    "token_key",
    "auto",
    "sender",
    "addresses",
    "subject",
    "sent_at",
    "authentication",
    "unverified_sender",
    "thread_id",
)
_LISTED = ", ".join(f"threads_message.{name}" for name in _COLUMNS)
_OF_MAILBOX = f"SELECT {_LISTED} FROM threads_message WHERE mailbox_id = %s AND"  # noqa: S608 -- our own names
_CITING = f"""
SELECT threads_reference.referenced, {_LISTED}
FROM threads_reference
JOIN threads_message ON threads_message.id = threads_reference.message_id
WHERE threads_reference.mailbox_id = %s AND {{among}}
    AND (threads_message.direction = %s OR threads_message.via = %s)
"""  # noqa: S608 -- our own names
_TAGGED = """
SELECT threads_thread_tags.thread_id, threads_tag.name
FROM threads_thread_tags
JOIN threads_tag ON threads_tag.id = threads_thread_tags.tag_id
WHERE {among}
"""
# Either end may be either thread, so one way round says all.
_CUTS = """
SELECT a.thread_id, b.thread_id
FROM threads_threadlink
JOIN threads_message AS a ON a.id = threads_threadlink.a_id
JOIN threads_message AS b ON b.id = threads_threadlink.b_id
WHERE threads_threadlink.kind = %s AND {a} AND {b}
"""


def named(
    mailbox: Mailbox,
    *,
    message_ids: Collection[str],
    dedupe_keys: Collection[str],
    tokens: Collection[str],
) -> Iterator[Row]:
    """The messages that bear one of these; some more than once."""
    asked = {"message_id": message_ids, "dedupe_key": dedupe_keys, "token_key": tokens}
    asked = {name: values for name, values in asked.items() if values}
    # No OR: for that SQLite reads all of the mailbox.
    sql = " UNION ALL ".join(
        f"{_OF_MAILBOX} {dialect.among(name, 'varchar')}" for name in asked
    )
    parameters = [
        one for values in asked.values() for one in (mailbox.pk, dialect.keys(values))
    ]
    return map(_row, dialect.fetch(sql, *parameters))


def citing(mailbox: Mailbox, message_ids: Collection[str]) -> Iterator[tuple[str, Row]]:
    """Each of these ids with an inbound message, or one sent by hand, that cites it."""
    sql = _CITING.format(among=dialect.among("referenced", "varchar"))
    found = dialect.fetch(
        sql,
        mailbox.pk,
        dialect.keys(message_ids),
        Message.Direction.INBOUND.value,
        Message.Via.MAILBOX.value,
    )
    return ((referenced, _row(values)) for referenced, *values in found)


def _row(values: Iterable[Any]) -> Row:
    row = dict(zip(_COLUMNS, values, strict=True))
    row["addresses"] = json.loads(row["addresses"])
    row["sent_at"] = row["sent_at"] and dialect.moment(row["sent_at"])
    return row


def locked_threads(mailbox: Mailbox, keys: Collection[int]) -> list[Thread]:
    """In id order, so that no two writers wait for each other. Without customers."""
    threads = read(
        Thread,
        f"WHERE {dialect.among('id')} ORDER BY id {dialect.locked('threads_thread')}",
        dialect.keys(keys),
    )
    assignees = _by_key(User, (thread.assignee_id for thread in threads))
    teams = _by_key(Team, (thread.team_id for thread in threads))
    for thread in threads:
        thread.mailbox = mailbox
        thread.assignee = assignees.get(thread.assignee_id)
        thread.team = teams.get(thread.team_id)
    return threads


def _by_key(model: Any, keys: Iterable[int | None]) -> dict[int | None, Any]:
    wanted = set(keys) - {None}
    return model.objects.in_bulk(wanted) if wanted else {}


def tags(threads: Collection[int]) -> Iterable[tuple[int, str]]:
    """The names of the tags that threads bear."""
    sql = _TAGGED.format(among=dialect.among("threads_thread_tags.thread_id"))
    return dialect.fetch(sql, dialect.keys(threads))


def cuts(threads: Collection[int]) -> Iterable[tuple[int, int]]:
    """Which of these threads staff split from each other."""
    sql = _CUTS.format(a=dialect.among("a.thread_id"), b=dialect.among("b.thread_id"))
    keys = dialect.keys(threads)
    return dialect.fetch(sql, ThreadLink.Kind.CUT.value, keys, keys)
