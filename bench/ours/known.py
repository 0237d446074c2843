"""Within MailBelly: a source whose Maildir the ledger knows by heart.

    python -m bench.ours.known FOLDER

A row for each file in its `cur/`, as if each had been taken in.
"""

import os
import sys

import django

django.setup()

from django.db.models.functions import Now  # noqa: E402 -- after django.setup

from threads.models import IngestRecord, Mailbox, Original, Source  # noqa: E402
from threads.sources.maildir import reference  # noqa: E402

AT_ONCE = 5_000

folder = sys.argv[1]
mailbox = Mailbox.objects.create(address="support@shop.nl")
source = Source.objects.create(
    mailbox=mailbox, kind="maildir", location=folder, first_pass_at=Now()
)
original = Original.objects.create(sha256="0" * 64, size=0, content=b"")
rows = [
    IngestRecord(
        source=source,
        ref=reference(entry.name),
        size=entry.stat().st_size,
        state="done",
        original=original,
    )
    for entry in os.scandir(f"{folder}/cur")
]
IngestRecord.objects.bulk_create(rows, batch_size=AT_ONCE)
