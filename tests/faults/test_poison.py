"""Mail that kills its parser is set aside, and its neighbours never notice."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

import threads.management.commands.ingest as command
from tests.mails import mail
from tests.processes import ROOT, alive, descendants, eventually, running
from threads.ingest import Options, take_in
from threads.laws import LAWS
from threads.mail import wire
from threads.mail.parse import parse
from threads.models import IngestRecord, Message, Original
from threads.parser import (
    Limits,
    NoParserError,
    ParserDiedError,
    ParserRaisedError,
)
from threads.parsers import WAITING_EACH, Parsers
from threads.sources.maildir import Maildir
from webhooks.models import Event

MIB = 1024 * 1024
FRAIL = (sys.executable, "-P", "-m", "tests.faults.frail")
QUICK = Limits(
    first_cpu_seconds=1,
    first_seconds=30,
    cpu_seconds=1,
    seconds=30,
    memory_bytes=96 * MIB,
)
MANY_LINES = b"Subject: x\n" + b" y\n" * 1_500_000 + b"\nHallo\n"
# Real shapes that are dear to parse, and what stops each.
DEAR = {
    "a million headers": (
        b"".join(b"X-%d: a\n" % number for number in range(1_000_000)) + b"\nHallo\n",
        ("CPU time", "of memory"),
    ),
    "a header of 1,500,000 lines": (MANY_LINES, ("of memory", "CPU time")),
}


@pytest.fixture
def frail():
    with Parsers(QUICK, command=FRAIL) as parsers:
        yield parsers


def poison(order, number=0):
    return mail(order, message_id=f"<{order}{number}@x>", text=f"{order}{number}\n")


def neighbours(maildir, count):
    for number in range(count):
        maildir.deliver(mail(message_id=f"<{number}@x>", text=f"{number}\n"))


# --- The children themselves ---------------------------------------------------------


def test_a_child_knows_no_django_and_no_secret():
    told = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            "import sys, threads.mail.child; print('django' in sys.modules)",
        ],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "False\n"
    with Parsers(most=1) as parsers:
        parsers.first(mail(), []).done.result(30)
        (pid,) = children()
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        names = [line.partition(b"=")[0] for line in environment.split(b"\0")]
    assert sorted(filter(None, names)) == [b"PYTHONPATH"]


def test_what_comes_back_is_what_the_parser_made():
    raw = mail(attachment=("factuur.pdf", b"%PDF"), cc="a@x.nl", references="<a@b>")
    with Parsers() as parsers:
        assert parsers.first(raw, ["mx.x.nl"]).done.result(30) == parse(raw)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("segfault", "signal 11"),
        ("loop", "more than 1 s of CPU time"),
        ("sleep", "busy for 2 s"),
        ("exit", "exit code 3"),
    ],
)
def test_a_death_is_told_and_the_next_mail_has_a_new_parser(frail, order, said):
    if order == "sleep":
        frail.limits = replace(QUICK, first_seconds=2)
    job = frail.first(poison(order), [])
    with pytest.raises(ParserDiedError, match=said) as died:
        job.done.result(30)
    if order != "exit":
        # Where it was: the traceback that the dying process wrote.
        assert "frail.py" in str(died.value)
    assert frail.first(mail(), []).done.result(30).subject == "Vraag over factuur"


def test_an_answer_that_is_no_mail_is_refused(frail):
    with pytest.raises(ParserRaisedError, match="is no mail"):
        frail.first(poison("nonsense"), []).done.result(30)


@pytest.mark.parametrize(
    "change",
    [
        b"{}",
        b"[" * 100_000,
        b'"subject": 5',
        b'"hops": true',
        b'"authentication": "yes"',
        b'"date": 1e300',
        b'"to": [["a"]]',
        b'"spans": {"reply": [[1]], "quoted": [], "signature": []}',
        b'"bounce": {"recipient": "a@b"}',
        (
            b'"bounce": {"message_id": "", "recipients": [{"address": "a@b"}], '
            b'"recipient": "", "action": "", "status": ""}'
        ),
    ],
)
def test_only_what_a_parser_writes_is_read(change):
    good = wire.packed(parse(mail()))
    name = change.partition(b":")[0]
    if b":" in change:
        at = good.index(name)
        change = good[:at] + change + b', "rest' + good[at:]
    with pytest.raises(ValueError):
        wire.unpacked(change)


def test_without_a_parser_nobody_is_to_blame():
    with Parsers(command=("/nowhere",)) as parsers, pytest.raises(NoParserError):
        parsers.first(mail(), []).done.result(30)
    broken = (sys.executable, "-c", "raise SystemExit('no such module')")
    with (
        Parsers(command=broken) as parsers,
        pytest.raises(NoParserError, match="no such module"),
    ):
        parsers.first(mail(), []).done.result(30)


def test_a_start_that_failed_is_tried_again(monkeypatch):
    """A disk that is full has no room for a parser's last words."""
    with Parsers() as parsers:
        monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
        with pytest.raises(NoParserError, match="/nowhere"):
            parsers.first(mail(), []).done.result(30)
        monkeypatch.setattr(tempfile, "tempdir", None)
        parsers.first(mail(), []).done.result(30)


def test_children_come_with_work_and_go_without():
    with Parsers(most=2, idle_seconds=0.5) as parsers:
        jobs = [parsers.first(mail(), []) for _ in range(WAITING_EACH)]
        (first,) = eventually(children)
        os.kill(first, signal.SIGSTOP)
        jobs += [parsers.first(mail(), []) for _ in range(2 * WAITING_EACH)]
        eventually(lambda: len(children()) == 2)
        os.kill(first, signal.SIGCONT)
        for job in jobs:
            job.done.result(30)
        parsers.rest()
        eventually(lambda: not children(), 10)
        parsers.first(mail(), []).done.result(30)
        assert len(children()) == 1
    assert children() == []


def test_a_mail_that_holds_up_the_others_gets_them_another_child(frail):
    slow = frail.first(poison("loop"), [])
    quick = frail.first(mail(), [])
    eventually(lambda: slow.late(0.6))
    assert not quick.done.done()
    frail.relieve()
    quick.done.result(30)
    assert not slow.done.done()


def test_what_nobody_else_can_take_stays_where_it_is():
    with Parsers(QUICK, most=1, command=FRAIL) as parsers:
        slow = parsers.first(poison("nap"), [])
        quick = parsers.first(mail(), [])
        eventually(lambda: slow.late(0.6))
        before = children(b"tests.faults.frail")
        parsers.relieve()
        quick.done.result(30)
        parsers.first(mail(), []).done.result(30)
        assert children(b"tests.faults.frail") == before
        assert len(before) == 1


@pytest.mark.parametrize("order", ["segfault", "grow"])
def test_what_a_parser_had_ahead_when_it_ended_is_nobody_s_fault(frail, order):
    """By a mail's doing, or by itself after one that took much memory."""
    frail.limits = replace(QUICK, memory_bytes=512 * MIB)
    frail.first(mail(), []).done.result(30)
    before = children(b"tests.faults.frail")
    last = poison(order)
    raws = [mail(message_id="<a@x>"), last, mail(), last, mail(message_id="<b@x>")]
    jobs = [frail.first(raw, []) for raw in raws]
    for job, raw in zip(jobs, raws, strict=True):
        if raw is last and order == "segfault":
            with pytest.raises(ParserDiedError, match="signal 11"):
                job.done.result(30)
        else:
            assert job.done.result(30) == parse(raw)
    assert children(b"tests.faults.frail") != before


def test_a_mail_larger_than_a_socket_takes_is_no_standstill():
    """Both sides have more to say than fits at once."""
    raw = mail(text="é regel\n" * 200_000)
    with Parsers(most=1) as parsers:
        jobs = [parsers.first(raw, []) for _ in range(20)]
        whole = jobs[0].done.result(30)
        assert all(job.done.result(30) == whole for job in jobs)
    assert whole == parse(raw)


def children(command=b"threads.mail.child"):
    """Parsers only: this process may have other children, or dead ones."""
    return [
        pid
        for pid in descendants(os.getpid())
        if alive(pid) and command in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


# --- In an ingest ------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_poison_ends_in_quarantine_and_its_neighbours_do_not_wait(
    source, maildir, frail
):
    neighbours(maildir, 5)
    for order in ("segfault", "loop", "exit"):
        maildir.deliver(poison(order))
    maildir.deliver(mail(message_id="<last@x>", text="Na het gif.\n"))
    seen = []
    options = Options(
        limit=10**7,
        parsers=frail,
        progress=lambda tally: seen.append((tally.stored, tally.quarantined)),
    )
    tally = take_in(source, Maildir(maildir.path), options)
    assert (tally.stored, tally.quarantined) == (6, 3)
    assert (6, 0) in seen
    assert tally.failed
    states = dict(IngestRecord.objects.values_list("ref", "state"))
    assert sorted(states.values()) == ["done"] * 6 + ["quarantined"] * 3
    charged = IngestRecord.objects.values_list("state", "attempts")
    assert set(charged) == {("done", 0), ("quarantined", 3)}
    reasons = "\n".join(tally.errors)
    for said in ("signal 11", "1 s of CPU time", "exit code 3"):
        assert said in reasons
    assert Event.objects.filter(type="mail.quarantined").count() == 3
    assert maildir.names("new") == []
    assert [line for law in LAWS for line in law.broken()] == []


@pytest.mark.django_db(transaction=True)
def test_neighbours_are_stored_while_poison_still_runs(source, maildir):
    limits = Limits(first_cpu_seconds=60, first_seconds=8, cpu_seconds=1, seconds=2)
    maildir.deliver(poison("sleep"))
    neighbours(maildir, 20)
    begun = monotonic()
    told = []

    def progress(tally):
        told.append((tally.stored, monotonic() - begun))

    with Parsers(limits, most=2, command=FRAIL) as parsers:
        options = Options(limit=10**7, parsers=parsers, progress=progress)
        take_in(source, Maildir(maildir.path), options)
    assert min(took for stored, took in told if stored == 20) < 8
    assert IngestRecord.objects.filter(state="quarantined").count() == 1


@pytest.mark.django_db(transaction=True)
def test_real_mail_that_is_too_dear_is_set_aside_and_nothing_grows(
    source, maildir, ingest, capsys, monkeypatch
):
    monkeypatch.setattr(command, "Parsers", partial(Parsers, QUICK))
    neighbours(maildir, 3)
    ingest()
    for content, _ in DEAR.values():
        maildir.deliver(content)
    maildir.deliver(mail(message_id="<after@x>", text="Erna.\n"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert ingest() == 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert Message.objects.count() == 4
    reasons = list(
        IngestRecord.objects.filter(state="quarantined")
        .order_by("pk")
        .values_list("last_error", flat=True)
    )
    assert len(reasons) == len(DEAR)
    for reason, (_, causes) in zip(reasons, DEAR.values(), strict=True):
        assert any(cause in reason.rpartition("\n")[2] for cause in causes), reason
    assert Original.objects.count() == 4 + len(DEAR)
    largest = max(len(content) for content, _ in DEAR.values())
    assert grown * 1024 < 6 * largest
    assert ingest() == 0
    capsys.readouterr()


@pytest.mark.django_db(transaction=True)
def test_a_lone_try_is_charged_before_and_a_killed_process_does_not_begin_anew(
    source, maildir, frail
):
    """Two of three tries are spent; the third is the last, whoever makes it."""
    maildir.deliver(poison("segfault"))
    neighbours(maildir, 2)
    seen = []

    def stopped():
        attempts = list(
            IngestRecord.objects.filter(state="seen").values_list("attempts", flat=True)
        )
        seen.extend(attempts)
        return 2 in attempts

    options = Options(limit=10**7, parsers=frail, stopped=stopped)
    take_in(source, Maildir(maildir.path), options)
    record = IngestRecord.objects.get(state="seen")
    assert (record.attempts, set(seen)) == (2, {0, 1, 2})
    source.refresh_from_db()
    take_in(source, Maildir(maildir.path), Options(limit=10**7, parsers=frail))
    record.refresh_from_db()
    assert (record.state, record.attempts) == ("quarantined", 3)
    assert Message.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_watcher_begins_no_more_lone_tries_than_others_can_wait_for(
    source, maildir, frail
):
    for number in range(2):
        maildir.deliver(poison("loop", number))
    for _ in range(12):
        take_in(
            source,
            Maildir(maildir.path),
            Options(limit=10**7, parsers=frail, lone_seconds=0.5),
        )
        source.refresh_from_db()
        if not IngestRecord.objects.filter(state="seen").exists():
            break
    records = IngestRecord.objects.values_list("state", "attempts")
    assert set(records) == {("quarantined", 3)}


@pytest.mark.django_db(transaction=True)
def test_a_parser_that_can_not_start_charges_nobody(source, maildir):
    neighbours(maildir, 2)
    with Parsers(command=("/nowhere",)) as parsers:
        for _ in range(4):
            tally = take_in(
                source,
                Maildir(maildir.path),
                Options(limit=10**7, parsers=parsers),
            )
            assert "No parser can be started" in tally.errors[0]
            source.refresh_from_db()
    assert set(IngestRecord.objects.values_list("state", "attempts")) == {("seen", 0)}
    take_in(source, Maildir(maildir.path), Options(limit=10**7))
    assert Message.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_end_with_their_watcher(
    source, maildir, environment, tmp_path, number
):
    with running(environment, tmp_path / "log", "ingest", "--watch") as watcher:
        maildir.deliver(mail())
        eventually(lambda: Message.objects.count() == 1)
        below = eventually(lambda: descendants(watcher.pid))
        watcher.end(number)
        eventually(lambda: not [pid for pid in below if alive(pid)], 5)


@pytest.mark.django_db(transaction=True)
def test_a_signal_to_the_whole_group_costs_no_mail_its_parser(
    source, maildir, environment, tmp_path
):
    """As systemd and a terminal send it: the mail in hand is finished, uncharged."""
    for number in range(300):
        maildir.deliver(mail(message_id=f"<{number}@x>", text=f"{number}\n" * 50))
    with running(environment, tmp_path / "log", "ingest") as process:
        eventually(lambda: descendants(process.pid))
        for pid in [*descendants(process.pid), process.pid]:
            os.kill(pid, signal.SIGTERM)
        assert process.process.wait(30) == 0, process.output()
    assert not IngestRecord.objects.exclude(state="done").exists()
