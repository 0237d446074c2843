"""A Maildir as servers, readers and accidents leave it: nothing lost, nothing twice."""

import errno
import json
import os
import re
import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.mails import mail
from threads import watch
from threads.ingest import Options, take_in
from threads.laws import LAWS
from threads.models import IngestRecord, Message, Original, Source
from threads.sources.maildir import Maildir
from threads.tally import Tally
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


def one(number):
    return mail(message_id=f"<{number}@x>", text=f"{number}\n")


def texts():
    return sorted(Message.objects.values_list("body_text", flat=True))


def test_two_files_whose_names_differ_in_flags_only_are_two_mails(
    source, maildir, ingest
):
    maildir.deliver(one(1), "Z.1")
    maildir.deliver(one(2), "Z.1:2,S")
    maildir.deliver(one(3), "Z.3")
    assert ingest() == 0
    assert texts() == ["1", "2", "3"]
    assert ingest() == 0
    assert Message.objects.count() == 3
    assert maildir.names("new") == []


def test_the_same_name_in_new_and_cur_overwrites_nothing(source, maildir, ingest):
    maildir.deliver(one(1), "X.1")
    maildir.deliver(one(2), "X.1:2,", folder="cur")
    for _ in range(3):
        assert ingest() == 0
    assert texts() == ["1", "2"]
    kept = [(maildir.path / "new" / "X.1"), (maildir.path / "cur" / "X.1:2,")]
    assert sorted(file.read_bytes() for file in kept) == sorted([one(1), one(2)])
    assert set(IngestRecord.objects.values_list("state", flat=True)) == {"done"}


def test_a_death_between_link_and_unlink_is_tidied_up(source, maildir, ingest):
    maildir.deliver(one(1), "X.1")
    ingest()
    (maildir.path / "new" / "X.1").hardlink_to(maildir.path / "cur" / "X.1:2,")
    assert ingest() == 0
    assert maildir.names("new") == []
    assert Message.objects.count() == IngestRecord.objects.count() == 1


def test_two_big_files_of_one_name_are_left_where_they_are(
    source, maildir, ingest, settings
):
    settings.MAIL_SIZE_LIMIT = 100
    maildir.deliver(one(1) + b"x" * 100, "B.1")
    maildir.deliver(one(2) + b"x" * 200, "B.1:2,S")
    assert ingest() == 0
    assert IngestRecord.objects.get().state == "oversize"


class Busy(Maildir):
    """What others do to a Maildir between our look and our reading."""

    def copies(self):
        yield from super().copies()
        for file in (self.path / "cur").iterdir():
            file.rename(file.with_name(f"{file.name.partition(':')[0]}:2,RS"))
        for file in (self.path / "new").iterdir():
            file.rename(self.path / "cur" / f"{file.name}:2,S")


class Counting(Maildir):
    reads = 0

    def read(self, copy):
        self.reads += 1
        return super().read(copy)


def test_files_that_move_and_change_flags_while_we_look_are_met_again(
    source, maildir, ingest
):
    for number in range(20):
        maildir.deliver(one(number), folder="new" if number % 2 else "cur")
    for _ in range(3):
        take_in(source, Busy(maildir.path), Options(limit=10**6))
        source.refresh_from_db()
        for number in range(20, 25):
            maildir.deliver(one(number), f"{number}.{maildir.count}")
    assert ingest() == 0
    assert texts() == sorted(str(number) for number in range(25))
    assert Event.objects.filter(type="message.received").count() == 25
    assert [line for law in LAWS for line in law.broken()] == []
    assert ingest("--verify") == 0


@pytest.mark.parametrize(
    ("start", "report_old"), [("now", False), ("since", False), ("since", True)]
)
def test_mail_from_before_the_start_is_never_read(
    source, maildir, ingest, capsys, start, report_old
):
    day = timezone.now()
    Source.objects.update(start=start, since=day, created_at=day, report_old=report_old)
    source.refresh_from_db()
    for number in range(3):
        file = maildir.deliver(one(number))
        os.utime(file, (0, 0))
    later = (day + timedelta(minutes=1)).timestamp()
    os.utime(maildir.deliver(one(9)), (later, later))
    capsys.readouterr()
    assert ingest("--check", "--json") == 0
    foreseen = json.loads(capsys.readouterr().out)
    for reads, stored in ((1, 1), (0, 0)):
        door = Counting(maildir.path)
        tally = take_in(source, door, Options(limit=10**6, since=day))
        source.refresh_from_db()
        assert (door.reads, tally.stored, tally.skipped) == (
            reads,
            stored,
            {"older": 3},
        )
    assert (foreseen["stored"], foreseen["skipped"]) == (1, {"older": 3})
    message = Message.objects.get()
    assert message.imported == (start == "since")
    silent = start == "since" and not report_old
    assert IngestRecord.objects.get().silent == silent


class Growing(Maildir):
    """Somebody writes on in a file that we have listed."""

    def read(self, copy):
        with (self.path / copy.place).open("ab") as file:
            file.write(b"x" * 100)
        return super().read(copy)


def test_a_file_that_grows_while_we_look_is_met_by_the_next_pass(
    source, maildir, ingest
):
    maildir.deliver(one(1))
    tally = take_in(source, Growing(maildir.path), Options(limit=10**6))
    assert (tally.stored, tally.errors) == (0, [])
    assert ingest() == 0
    assert Message.objects.get().body_text.endswith("x" * 100)


def test_dates_of_files_decide_nothing(source, maildir, ingest):
    for number, moment in enumerate((0, 1, 4_000_000_000)):
        file = maildir.deliver(one(number))
        os.utime(file, (moment, moment))
    assert ingest() == 0
    other = maildir.deliver(one(9), "17000.cur:2,S", folder="cur")
    os.utime(other, (0, 0))
    assert ingest() == 0
    assert texts() == ["0", "1", "2", "9"]


def test_thousands_of_known_mails_cost_a_statement_for_500_and_no_reading(
    source, maildir, ingest
):
    maildir.deliver(one(0))
    assert ingest() == 0
    original = Original.objects.get()
    for number in range(3_000):
        os.link(
            maildir.path / "cur/1700000001.M1P1.host:2,",
            maildir.path / f"cur/{number:06}.host:2,S",
        )
    IngestRecord.objects.bulk_create(
        IngestRecord(
            source=source,
            ref=f"{number:06}.host",
            size=original.size,
            state="duplicate",
            original=original,
            message=Message.objects.get(),
        )
        for number in range(3_000)
    )
    source.refresh_from_db()
    maildir.deliver(one(1))
    door = Counting(maildir.path)
    with CaptureQueriesContext(connection) as queries:
        tally = take_in(source, door, Options(limit=10**6))
    assert (tally.stored, tally.known, door.reads) == (1, 3_001, 1)
    looked_up = [q for q in queries if re.search(r'"ref" (IN|= ANY)', q["sql"])]
    assert len(looked_up) == 7


def test_what_comes_during_the_first_pass_is_pushed(source, maildir):
    """Also if it has a name as editors give to what nobody wants to see."""
    stop = threading.Event()
    passes = Counter()

    def ingest(read, _door, _stopped):
        tally = take_in(read, Maildir(read.location), Options(limit=10**6))
        passes["made"] += 1
        if passes["made"] == 1:
            maildir.deliver(one(1), "1.a.swp")
        if tally.stored:
            stop.set()
        return Tally()

    give_up = threading.Timer(watch.SWEEP_SECONDS / 2, stop.set)
    give_up.start()
    watch.run(lambda: [source], ingest, stop)
    give_up.cancel()
    assert texts() == ["1"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
def test_without_inotify_the_sweep_finds_the_mail(source, maildir, monkeypatch, number):
    """The system's limits on watches can't be had in a test; its answer can."""

    def refuses(*_folders, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(watch, "watch", refuses)
    monkeypatch.setattr(watch, "SWEEP_SECONDS", 0.2)
    stop = threading.Event()
    passes = Counter()

    def ingest(read, _door, _stopped):
        tally = take_in(read, Maildir(read.location), Options(limit=10**6))
        passes["made"] += 1
        if passes["made"] == 1:
            maildir.deliver(one(1))
        if tally.stored or passes["made"] > 5:
            stop.set()
        return Tally()

    watch.run(lambda: [source], ingest, stop)
    assert texts() == ["1"]
