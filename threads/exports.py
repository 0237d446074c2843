"""Many threads in one stream, a few in memory at a time: as JSON lines, or as mbox."""

import json
import re
from collections.abc import Iterator

from django.db.models import QuerySet

from threads.models import Message, Original, Thread
from threads.serializers import message_json, thread_json

_CHUNK = 50
# A line that would begin the next mail, however often it was quoted (mboxrd).
_BEGINS = re.compile(rb"^(>*From )", re.MULTILINE)


def ndjson(threads: QuerySet[Thread]) -> Iterator[bytes]:
    """A thread a line, as the API shows it, with all its messages, oldest first."""
    for thread in _newest_first(threads):
        messages = Message.objects.kept().filter(thread=thread).with_relations()
        rows = messages.order_by("pk").iterator(chunk_size=_CHUNK)
        whole = {**thread_json(thread), "messages": [message_json(row) for row in rows]}
        yield json.dumps(whole, ensure_ascii=False).encode() + b"\n"


def mbox(threads: QuerySet[Thread]) -> Iterator[bytes]:
    """The untouched originals (RFC 4155), thread by thread, each oldest first."""
    for thread in _newest_first(threads):
        messages = Message.objects.kept().filter(thread=thread, original__isnull=False)
        columns = messages.order_by("pk").values_list("original", "received_at")
        for original, received_at in columns.iterator(chunk_size=_CHUNK):
            content = Original.objects.values_list("content", flat=True).get(
                pk=original
            )
            mail = bytes(content).replace(b"\r\n", b"\n").rstrip(b"\n")
            yield f"From MAILER-DAEMON {received_at:%a %b %d %H:%M:%S %Y}\n".encode()
            yield _BEGINS.sub(rb">\1", mail) + b"\n\n"


def _newest_first(threads: QuerySet[Thread]) -> Iterator[Thread]:
    """In steps, so that no statement lasts as long as the reader."""
    whole = threads.order_by("-last_message_id")
    step = list(whole[:_CHUNK])
    while step:
        yield from step
        step = list(whole.filter(last_message_id__lt=step[-1].last_message_id)[:_CHUNK])
