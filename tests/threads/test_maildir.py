"""A Maildir as servers, readers and accidents leave it: nothing lost, nothing twice."""

import pytest

from tests.mails import mail
from threads.models import IngestRecord, Message

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
