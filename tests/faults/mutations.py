"""Are the kill tests any good? Break the engine on purpose and see them fail.

    python -m tests.faults.mutations
    python tests/postgres.py python -m tests.faults.mutations
    python -m tests.faults.mutations LMTP pipe

Words choose those whose name has one of them. Each mutation is made in a copy of the
project, where the tests that should notice it run once. Those of races need PostgreSQL.
Exit 1 when one of them survives.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
EVERY_STEP = "tests/faults/test_every_step.py::test_{}_killed_at_any_step_{}"
INGEST = EVERY_STEP.format("ingest", "ends_as_if_it_had_not_been")
DELIVERIES = EVERY_STEP.format("deliveries", "arrive_and_look_the_same")
REPLY = EVERY_STEP.format("a_reply", "is_sent_once_or_says_that_it_may_not_be")
WRITERS = "tests/faults/test_writers.py"
HANDED = "tests/faults/test_handed_over.py"
IMAP = EVERY_STEP.format("ingest_from_imap", "ends_as_if_it_had_not_been")
PIPE = f"{HANDED}::test_a_pipe_killed_at_any_step_stores_the_mail_once"
LMTP = f"{HANDED}::test_lmtp_killed_at_any_step_stores_the_mail_once_in_each_mailbox"


@dataclass(frozen=True)
class Mutation:
    name: str
    file: str
    old: str
    new: str
    tests: str
    race: bool = False


MUTATIONS = [
    Mutation(
        "the source is told before the commit",
        "threads/ingest.py",
        '        faults.step("ingest.entered")\n',
        "        for mail in batch:\n"
        "            self._done(mail.copy)\n"
        '        faults.step("ingest.entered")\n',
        INGEST,
    ),
    Mutation(
        "there is no first commit",
        "threads/ledger.py",
        '    faults.step("ledger.records")\n    return records\n',
        '    faults.step("ledger.records")\n    faults.step("ingest.entered")\n'
        "    return records\n",
        INGEST,
    ),
    Mutation(
        "the message and its events are two commits",
        "threads/arrival.py",
        "        self._close_ledger(fates, token)\n",
        "        self._close_ledger(fates, token)\n"
        "        from django.db import connection\n"
        "        connection.cursor().execute('COMMIT')\n"
        "        connection.cursor().execute('BEGIN')\n",
        INGEST,
    ),
    Mutation(
        "the ledger is not asked what is known",
        "threads/ledger.py",
        "        known = _known(source, door, [copy.ref for copy in chunk])\n",
        "        known = {}\n",
        INGEST,
    ),
    Mutation(
        "what a death left is left",
        "threads/ingest.py",
        "            run.finish_what_a_death_left()\n            epochs",
        "            epochs",
        INGEST,
    ),
    Mutation(
        "a file is moved before the commit",
        "threads/sources/maildir.py",
        '        with open(descriptor, "rb") as file:  # noqa',
        '        self.done(copy)\n        with open(descriptor, "rb") as file:  # noqa',
        INGEST,
    ),
    Mutation(
        "an IMAP server is told before the commit",
        "threads/ingest.py",
        '        faults.step("ingest.entered")\n',
        "        if isinstance(self.door, Imap):\n"
        "            uids = [int(mail.copy.ref) for mail in batch]\n"
        "            self.door.move(uids, self.source.move_to)\n"
        '        faults.step("ingest.entered")\n',
        IMAP,
    ),
    Mutation(
        "what an IMAP server was told is noted before it was told",
        "threads/aftercare.py",
        "            _tell(source, door, cleanup, list(uids.values()))\n",
        "            noted = IngestRecord.objects.filter(pk__in=list(uids))\n"
        '            noted.update(cleanup="")\n'
        '            faults.step("aftercare.told")\n'
        "            _tell(source, door, cleanup, list(uids.values()))\n",
        IMAP,
    ),
    Mutation(
        "a pipe that comes again does not finish what it began",
        "threads/ingest.py",
        "        run.finish(ledger.take_over(source, door.epoch, refs, lease.token))\n",
        "",
        PIPE,
    ),
    Mutation(
        "what is entered by a pipe counts as stored",
        "threads/reception.py",
        "    return record.state != _State.SEEN\n",
        "    return True\n",
        PIPE,
    ),
    Mutation(
        "LMTP says 250 before the mail is stored",
        "threads/lmtp.py",
        '        content = bytes(envelope.original_content or b"")\n',
        '        content = bytes(envelope.original_content or b"")\n'
        "        for _recipient in envelope.rcpt_tos:\n"
        '            await server.push("250 OK")\n',
        LMTP,
    ),
    Mutation(
        "a lost lease is not recovered",
        "webhooks/delivery.py",
        "            recover()\n",
        "",
        DELIVERIES,
    ),
    Mutation(
        "the doubt is not recorded before the final dot",
        "threads/smtp.py",
        "    if not mine.update(data_started=True, claimed_until",
        "    if not mine.update(data_started=False, claimed_until",
        REPLY,
    ),
    Mutation(
        "select, then insert",
        "threads/ledger.py",
        '    insert_or_find(list(originals.values()), "sha256")\n',
        "    _selected_then_inserted(list(originals.values()))\n",
        WRITERS,
        race=True,
    ),
    Mutation(
        "the mailbox is not locked",
        "threads/arrival.py",
        "Mailbox.objects.select_for_update(no_key=True).get",
        "Mailbox.objects.get",
        WRITERS,
        race=True,
    ),
]
SELECT_THEN_INSERT = """

def _selected_then_inserted(rows):
    known = Original.objects.filter(sha256__in=[row.sha256 for row in rows])
    keys = dict(known.values_list("sha256", "pk"))
    for row in rows:
        row.pk = keys.get(row.sha256)
    insert([row for row in rows if row.pk is None])
"""


def survives(mutation):
    """Whether the tests stay green with it; they are run in a copy."""
    with tempfile.TemporaryDirectory(prefix="mailbelly-mutation-") as folder:
        copy = Path(folder) / "project"
        ignored = shutil.ignore_patterns(".venv*", ".git", "var", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=ignored)
        file = copy / mutation.file
        text = file.read_text()
        if text.count(mutation.old) != 1:
            sys.exit(f"{mutation.name}: {mutation.file} has changed; mend this list.")
        text = text.replace(mutation.old, mutation.new)
        if "_selected_then_inserted" in text:
            text += SELECT_THEN_INSERT
        file.write_text(text)
        finished = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", mutation.tests],
            cwd=copy,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        reason = [ln for ln in finished.stdout.splitlines() if ln.startswith("E  ")]
        print(
            f"    {reason[0][1:].strip()[:110] if reason else finished.stdout[-200:]}"
        )
        return finished.returncode != 1


def main():
    many_writers = "postgres" in os.environ.get("DATABASE_URL", "")
    survivors = 0
    words = sys.argv[1:] or [""]
    for mutation in MUTATIONS:
        if not any(word in mutation.name for word in words):
            continue
        if mutation.race and not many_writers:
            print(f"skipped   {mutation.name}: a race needs PostgreSQL")
            continue
        alive = survives(mutation)
        survivors += alive
        print(f"{'SURVIVED' if alive else 'noticed '}  {mutation.name}", flush=True)
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
