"""What a pass asks stays as cheap when the ledger and the mailbox are large."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.mails import mail
from threads import ingest as ingesting
from threads.ingest import LULL, Options, batches, take_in
from threads.models import IngestRecord, Message, Original, Reference
from threads.sources.maildir import Maildir

pytestmark = pytest.mark.django_db(transaction=True)
# Of these no statement may read all that belongs to a source or a mailbox.
LARGE = "|".join(m._meta.db_table for m in (IngestRecord, Message, Original, Reference))
WHOLE = re.compile(rf"SCAN ({LARGE})\b|SEARCH ({LARGE}) .*\((source|mailbox)_id=\?\)")
# Indexes of the few that are not finished yet.
FEW = re.compile("ingest_record_(seen|cleanup)")


@pytest.mark.skipif(
    connection.vendor != "sqlite", reason="PostgreSQL plans by how many there are"
)
def test_no_statement_of_a_pass_reads_a_whole_source_or_mailbox(source, maildir):
    for number in range(20):
        maildir.deliver(
            mail(message_id=f"<{number}@x>", in_reply_to=f"<{number // 2}@x>")
        )
    with CaptureQueriesContext(connection) as asked:
        assert take_in(source, Maildir(maildir.path), Options(limit=10**6)).stored == 20
    plans = []
    with connection.cursor() as cursor:
        for query in asked.captured_queries:
            if query["sql"].startswith(("SELECT", "UPDATE", "DELETE")):
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                plans += [(row[3], query["sql"]) for row in cursor.fetchall()]
    assert len(plans) > 10
    assert [p for p in plans if WHOLE.search(p[0]) and not FEW.search(p[0])] == []


def test_a_new_mail_does_not_wait_until_all_old_ones_were_looked_up(
    source, maildir, monkeypatch
):
    old = 3 * LULL
    for number in range(old):
        maildir.deliver(mail(message_id=f"<{number}@x>"), folder="cur")
    assert take_in(source, Maildir(maildir.path), Options(limit=10**6)).stored == old
    maildir.deliver(mail(message_id="<new@x>", text="Nieuw.\n"))
    stored_after = []

    def noted(self, copy, state, known=ingesting._Pass._known):
        stored_after.append(Message.objects.filter(message_id="new@x").exists())
        known(self, copy, state)

    monkeypatch.setattr(ingesting._Pass, "_known", noted)
    tally = take_in(source, Maildir(maildir.path), Options(limit=10**6))
    assert (tally.stored, tally.known) == (1, old)
    assert stored_after.index(True) in {LULL - 1, LULL}


def test_a_lull_sends_on_what_has_come():
    assert [len(batch) for batch in batches(iter([None]))] == [0]
