"""Mail that comes by pipe, as files, or for several mailboxes from one source."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection

from tests.mails import mail
from tests.processes import ROOT
from threads.house import House
from threads.laws import LAWS
from threads.models import Alias, IngestRecord, Mailbox, Message, Original, Source
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pipe(environment):
    """What Postfix does: the mail on stdin; the exit code and what was said."""

    def run(content, *arguments, **settings):
        finished = subprocess.run(
            [sys.executable, "manage.py", "ingest", "--stdin", *arguments],
            cwd=ROOT,
            env={**environment, **settings},
            input=content,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return finished.returncode, finished.stderr.decode()

    return run


@pytest.fixture
def shop(mailbox):
    """Two mailboxes, an alias, and another domain with a catch-all."""
    sales = Mailbox.objects.create(address="sales@shop.nl")
    Alias.objects.create(mailbox=sales, address="verkoop@shop.nl")
    Mailbox.objects.create(address="info@winkel.nl", catch_all=True)
    return mailbox


def healthy():
    assert [line for law in LAWS for line in law.broken()] == []


def refused(*arguments):
    with pytest.raises(CommandError) as error:
        call_command("ingest", *arguments)
    return error.value.returncode


def where():
    """Which mailbox each mail is in, by its text."""
    return dict(Message.objects.values_list("body_text", "mailbox__address"))


# --- The pipe -----------------------------------------------------------------------


def test_a_piped_mail_is_stored_once_however_often_it_is_given(mailbox, pipe):
    content = mail()
    for _ in range(2):
        assert pipe(content, "--to", "support+vip@shop.nl") == (0, "")
    again = b"Received: from a by b; 2\n" + content
    assert pipe(again, "--mailbox", mailbox.address) == (0, "")
    message = Message.objects.get()
    assert not message.imported
    assert bytes(Original.objects.get(messages=message).content) == content
    states = sorted(IngestRecord.objects.values_list("state", flat=True))
    assert states == ["done", "duplicate"]
    assert Event.objects.filter(type="message.received").count() == 1
    healthy()


def test_what_can_not_be_stored_is_left_to_the_mta(mailbox, pipe, tmp_path):
    for arguments, settings, said in (
        (["--to", "nobody@else.nl"], {}, "there is no mailbox nobody@else.nl"),
        (["--to", "support@shop.nl"], {"DEBUG": "perhaps"}, "DEBUG"),
        (["--mistyped"], {}, "unrecognized arguments"),
        (["--to", "support@shop.nl", "--check"], {}, "leave the other options"),
        (
            ["--to", "support@shop.nl"],
            {"DATABASE_URL": "sqlite:////nowhere/x.sqlite3"},
            "The database refused",
        ),
    ):
        code, error = pipe(mail(), *arguments, **settings)
        assert code == 75, error
        assert said in error
        assert "Traceback" not in error
    code, error = pipe(b"", "--to", "support@shop.nl")
    assert (code, Original.objects.count()) == (75, 0)


def test_a_piped_mail_in_quarantine_is_ours_and_a_large_one_is_not(
    mailbox, pipe, settings
):
    looped = b"Received: from a by b; x\n" * 51 + mail()
    assert pipe(looped, "--to", mailbox.address) == (0, "")
    assert IngestRecord.objects.get().last_error.startswith("hop_limit")
    large = mail(text="x" * 79 + "\n", message_id="<2@x>") * 400_000
    for _ in range(2):
        code, error = pipe(large[: 26 * 1024 * 1024], "--to", mailbox.address)
        assert code == 75
        assert "larger than the limit of 25 MiB" in error
    assert Original.objects.count() == 1
    told = Event.objects.values_list("type", flat=True)
    assert sorted(told) == ["mail.quarantined", "message.oversize"]


def test_without_a_mailbox_each_mail_goes_where_it_was_delivered(shop, pipe):
    assert pipe(mail(to="x@y.nl", text="a")) == (0, "")
    assert pipe(b"Delivered-To: verkoop+1@shop.nl\n" + mail(text="b")) == (0, "")
    assert where() == {"a": "info@winkel.nl", "b": "sales@shop.nl"}
    assert Message.objects.get(body_text="b").delivered_to == "verkoop+1@shop.nl"
    source = Source.objects.get()
    assert (source.by_recipient, source.mailbox.address) == (True, "info@winkel.nl")


def test_the_same_mail_piped_by_many_at_once_is_one(mailbox, pipe):
    content = mail()
    with ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(partial(pipe, content, "--to", mailbox.address))
            for _ in range(4)
        ]
    assert [run.result()[0] for run in runs] == [0] * 4
    assert Message.objects.count() == IngestRecord.objects.count() == 1
    connection.close()
    healthy()


# --- Files --------------------------------------------------------------------------


def test_an_mbox_is_taken_in_mail_by_mail_and_once(mailbox, tmp_path, ingest):
    file = tmp_path / "archive.mbox"
    body = "Hallo\n\nFrom here on\n>From x\n"
    mails = [mail(message_id=f"<{n}@x>", text=f"{n}\n{body}") for n in range(3)]
    crlf = mail(message_id="<4@x>", text="vier\n").replace(b"\n", b"\r\n")

    def written(content, end=b"\n"):
        lines = content.split(b"\n")
        quoted = [
            b">" + ln if ln.lstrip(b">").startswith(b"From ") else ln for ln in lines
        ]
        return b"From k@x.nl Wed Feb 25 10:30:00 2026" + end + b"\n".join(quoted) + end

    file.write_bytes(
        b"".join(map(written, mails)) + written(crlf, b"\r\n") + written(b"")
    )
    assert ingest("--mbox", str(file), "--to", mailbox.address) == 0
    kept = {bytes(original.content) for original in Original.objects.all()}
    assert kept == {*mails, crlf}
    assert Message.objects.filter(imported=True).count() == 4
    with file.open("ab") as end:
        end.write(written(mail(message_id="<5@x>", text="vijf\n")).rstrip(b"\n"))
    for _ in range(2):
        assert ingest("--mbox", str(file), "--to", mailbox.address) == 0
    assert Message.objects.count() == 5
    assert ingest("--mbox", str(file), "--to", mailbox.address, "--verify") == 0
    healthy()


def test_an_mbox_without_dates_is_told_apart_by_blank_lines(mailbox, tmp_path, ingest):
    file = tmp_path / "old.mbox"
    one, two = mail(text="Van\nFrom here\n"), mail(message_id="<2@x>")
    file.write_bytes(b"From x\n" + one + b"\nFrom y\n" + two + b"\n")
    assert ingest("--mbox", str(file), "--to", mailbox.address) == 0
    assert {bytes(o.content) for o in Original.objects.all()} == {one, two}


def test_files_of_one_mail_each_are_taken_in_by_recipient(shop, tmp_path, ingest):
    (tmp_path / "more").mkdir()
    files = []
    for number, to in enumerate(("support", "sales", "support")):
        folder = tmp_path / "more" if number else tmp_path
        files.append(folder / f"{number}.eml")
        files[-1].write_bytes(
            mail(to=f"{to}@shop.nl", message_id=f"<{number}@x>", text=str(number))
        )
    names = [str(file) for file in files]
    assert ingest("--eml", *names, "--silent") == 0
    assert where() == {
        "0": "support@shop.nl",
        "1": "sales@shop.nl",
        "2": "support@shop.nl",
    }
    assert ingest("--eml", "/dev/zero", "/nowhere/x", *names) == 1
    assert ingest("--eml", *names) == 0
    assert ingest("--eml", *names, "--verify") == 0
    assert Message.objects.count() == 3
    assert Source.objects.filter(kind="files", active=False).count() == 4


def test_an_mbox_of_large_mails_is_not_read_whole(mailbox, tmp_path, ingest, settings):
    settings.MAIL_SIZE_LIMIT = 1000
    file = tmp_path / "x.mbox"
    file.write_bytes(b"From x\n" + mail() + b"y" * 3_000_000 + b"\n\nFrom x\n" + mail())
    assert ingest("--mbox", str(file), "--to", mailbox.address) == 0
    states = sorted(IngestRecord.objects.values_list("state", flat=True))
    assert states == ["done", "oversize"]
    settings.MAIL_SIZE_LIMIT = 10_000_000
    for _ in range(2):
        assert ingest("--mbox", str(file), "--to", mailbox.address) == 0
    assert Message.objects.count() == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--mbox", "/nowhere/x", "--to", "support@shop.nl"),
        ("--mbox", str(ROOT / "README.md"), "--to", "support@shop.nl"),
        ("--eml", "x", "--mbox", "y"),
        ("--eml", "x", "--to", "nobody@else.nl"),
        ("--eml", "x", "--mailbox", "support@shop.nl"),
        ("--mbox", "x", "--watch"),
        ("--to", "support@shop.nl"),
        ("--maildir", "/tmp"),
    ],
)
def test_wrong_use_is_exit_2(mailbox, arguments):
    assert refused(*arguments) == 2


# --- Several mailboxes from one source ------------------------------------------------


def test_a_source_for_several_mailboxes_looks_at_the_headers_in_order(
    shop, source, maildir, ingest
):
    source.by_recipient = True
    source.save()
    for text, headers, to, cc in (
        ("delivered", "Delivered-To: sales@shop.nl", "support@shop.nl", ""),
        ("original", "X-Original-To: verkoop@shop.nl", "support@shop.nl", ""),
        ("stranger first", "Delivered-To: account@provider.nl", "sales@shop.nl", ""),
        ("envelope", "Envelope-To: sales+a@shop.nl", "support@shop.nl", ""),
        ("to", "X-A: b", "support+x@shop.nl", "sales@shop.nl"),
        ("cc", "X-A: b", "else@where.nl", "Verkoop@SHOP.nl"),
        ("caught", "X-A: b", "wie@winkel.nl", ""),
        ("ours before caught", "Delivered-To: wie@winkel.nl", "sales@shop.nl", ""),
    ):
        copied = {"cc": cc} if cc else {}
        maildir.deliver(
            headers.encode() + b"\n" + mail(text=text, to=to, message_id=None, **copied)
        )
    assert ingest() == 0
    assert where() == {
        "delivered": "sales@shop.nl",
        "original": "sales@shop.nl",
        "stranger first": "sales@shop.nl",
        "envelope": "sales@shop.nl",
        "to": "support@shop.nl",
        "cc": "sales@shop.nl",
        "caught": "info@winkel.nl",
        "ours before caught": "sales@shop.nl",
    }
    assert Message.objects.get(body_text="caught").delivered_to == "wie@winkel.nl"
    assert ingest("--verify") == 0
    healthy()


def test_what_is_for_nobody_here_waits_in_quarantine_until_it_is(
    shop, source, maildir, ingest, capsys
):
    Source.objects.update(by_recipient=True)
    maildir.deliver(mail(to="nieuw@shop.nl"))
    assert ingest() == 1
    record = IngestRecord.objects.get()
    assert record.last_error.startswith("no_mailbox: none of its recipients (nieuw@")
    assert ingest() == 0
    Mailbox.objects.create(address="nieuw@shop.nl")
    call_command("quarantine", "retry", "--all")
    assert where() == {"Hallo, ik heb een vraag.": "nieuw@shop.nl"}
    assert IngestRecord.objects.get().received_at == record.received_at
    assert Event.objects.filter(type="message.received").count() == 1
    healthy()


def test_the_same_mail_for_two_mailboxes_is_one_in_each(shop, source, maildir, ingest):
    Source.objects.update(by_recipient=True)
    content = mail(to="support@shop.nl, sales@shop.nl")
    for to in (b"support", b"sales", b"support"):
        maildir.deliver(b"Delivered-To: " + to + b"@shop.nl\n" + content)
    assert ingest() == 0
    found = Message.objects.values_list("mailbox__address", flat=True)
    assert sorted(found) == ["sales@shop.nl", "support@shop.nl"]
    healthy()


def test_a_domain_has_one_catch_all(shop):
    other = Mailbox(address="ook@winkel.nl", catch_all=True)
    with pytest.raises(ValidationError, match=r"info@winkel\.nl is the catch"):
        other.clean()


def test_an_answer_to_a_caught_address_is_not_sent_to_ourselves(
    shop, source, maildir, ingest
):
    source.mailbox = Mailbox.objects.get(catch_all=True)
    source.save()
    maildir.deliver(mail(to="wie@winkel.nl, klant2@x.nl"))
    assert ingest() == 0
    house = House.of(source.mailbox)
    assert house.is_ours("wie@winkel.nl")
    assert not house.is_ours("wie@shop.nl")
    assert json.dumps(Message.objects.get().addresses).count("wie@winkel.nl") == 1
