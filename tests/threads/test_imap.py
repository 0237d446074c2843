"""An IMAP folder of a real server: each mail once, and nothing changed over there."""

from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from tests.imapservers import PASSWORD
from tests.mails import mail
from threads.laws import LAWS
from threads.models import IngestRecord, Mailbox, Message, Original, Source
from webhooks.models import Delivery, Event, Webhook

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user(imap_server):
    return imap_server.new_user()


@pytest.fixture
def client(imap_server, user):
    with imap_server.client(user) as client:
        yield client


@pytest.fixture
def source(mailbox, imap_server, user):
    return Source.objects.create(
        mailbox=mailbox,
        kind="imap",
        location=imap_server.url(user),
        settings=imap_server.settings(),
        start="all",
    )


def one(number):
    return mail(f"Vraag {number}", message_id=f"<{number}@x>", text=f"{number}\n")


def crlf(content):
    return content.replace(b"\n", b"\r\n")


def put(client, *numbers, folder="INBOX", **options):
    for number in numbers:
        client.append(folder, one(number), **options)


def texts():
    return sorted(Message.objects.values_list("body_text", flat=True), key=int)


def told(kind):
    return Event.objects.filter(type=kind).count()


def healthy():
    assert [line for law in LAWS for line in law.broken()] == []


def test_mails_are_taken_in_once_and_nothing_changes_on_the_server(
    source, client, ingest, capsys
):
    put(client, 1, 2, 3)
    client.append("INBOX", one(4), flags=[b"\\Seen"])
    assert ingest("--check") == 0
    assert "4 would be taken in" in capsys.readouterr().out
    assert Message.objects.count() == 0
    assert ingest() == 0
    assert texts() == ["1", "2", "3", "4"]
    contents = {bytes(one.content) for one in Original.objects.all()}
    assert contents == {crlf(one(number)) for number in range(1, 5)}
    assert sorted(IngestRecord.objects.values_list("ref", flat=True)) == list("1234")
    client.select_folder("INBOX", readonly=True)
    flags = client.get_flags([1, 2, 3, 4])
    assert [b"\\Seen" in flags[uid] for uid in (1, 2, 3, 4)] == [0, 0, 0, 1]
    # `UID n:*` gives the last mail when there is nothing new.
    assert ingest() == 0
    assert "0 taken in" in capsys.readouterr().out
    put(client, 5)
    assert ingest() == 0
    assert texts() == ["1", "2", "3", "4", "5"]
    assert ingest("--verify") == 0
    assert "5 present, 0 missing, 0 twice" in capsys.readouterr().out
    healthy()


def test_renumbered_mails_are_known_and_the_new_ones_new(
    source, client, ingest, imap_server, user
):
    Source.objects.update(location=imap_server.url(user, "Box"))
    client.create_folder("Box")
    put(client, *range(1, 31), folder="Box")
    assert ingest() == 0
    client.delete_folder("Box")
    client.create_folder("Box")
    put(client, *range(1, 31), 101, 102, 103, folder="Box")
    assert ingest() == 0
    assert Message.objects.count() == 33
    assert told("mailbox.reset") == 1
    states = IngestRecord.objects.values_list("epoch", "state")
    assert len({epoch for epoch, _ in states}) == 2
    assert sum(state == "duplicate" for _, state in states) == 30
    assert ingest() == 0
    assert told("mailbox.reset") == 1
    healthy()


def test_from_now_on_leaves_history_and_takes_what_is_moved_in_later(
    source, client, ingest
):
    put(client, 1, 2, msg_time=datetime(2020, 1, 1, tzinfo=UTC))
    Source.objects.update(start="now", report_old=False, created_at=timezone.now())
    Webhook.objects.create(url="https://example.com/", events=["message.received"])
    assert ingest() == 0
    assert Message.objects.count() == 0
    put(client, 3)
    put(client, 4, msg_time=datetime(2020, 1, 1, tzinfo=UTC))
    assert ingest() == 0
    assert texts() == ["3", "4"]
    assert not Message.objects.filter(imported=True).exists()
    assert Delivery.objects.count() == 2


def test_history_is_imported_and_told_to_nobody(source, client, ingest):
    put(client, 1, msg_time=datetime(2020, 1, 1, tzinfo=UTC))
    put(client, 2, 3, msg_time=datetime(2026, 2, 1, tzinfo=UTC))
    since = datetime(2026, 1, 1, tzinfo=UTC)
    Source.objects.update(start="since", since=since, report_old=False)
    Webhook.objects.create(url="https://example.com/", events=["message.received"])
    assert ingest() == 0
    assert texts() == ["2", "3"]
    assert Message.objects.filter(imported=True).count() == 2
    assert (told("message.received"), Delivery.objects.count()) == (2, 0)
    put(client, 4)
    assert ingest() == 0
    assert Delivery.objects.count() == 1


def test_a_large_mail_is_noted_and_never_fetched(source, client, ingest, settings):
    settings.MAIL_SIZE_LIMIT = 5_000
    client.append("INBOX", mail(text="x" * 70 + "\n", message_id="<s@x>"))
    client.append("INBOX", mail(text=("x" * 70 + "\n") * 200, message_id="<b@x>"))
    for _ in range(2):
        assert ingest() == 0
    states = IngestRecord.objects.order_by("pk").values_list("state", flat=True)
    assert sorted(states) == ["done", "oversize"]
    assert told("message.oversize") == 1
    healthy()


def test_what_is_gone_before_it_is_read_is_no_error(source, client, ingest):
    put(client, 1, 2, 3)
    client.select_folder("INBOX")
    client.delete_messages([2])
    client.expunge()
    assert ingest() == 0
    assert texts() == ["1", "3"]


def test_a_folder_with_a_difficult_name(source, client, ingest, imap_server, user):
    client.create_folder("Vragen & “klachten”")
    put(client, 1, folder="Vragen & “klachten”")
    location = imap_server.url(user, "Vragen & “klachten”")
    Source.objects.update(location=location)
    assert ingest() == 0
    assert texts() == ["1"]


def test_starttls_when_it_is_asked_for(source, client, ingest, imap_server, user):
    put(client, 1)
    Source.objects.update(location=imap_server.url(user, scheme="imap"))
    assert ingest() == 0
    assert texts() == ["1"]


def test_create_mailbox_and_a_folder_that_is_not_configured(
    db, imap_server, user, client, tmp_path, settings, capsys, monkeypatch
):
    put(client, 1, msg_time=datetime(2020, 1, 1, tzinfo=UTC))
    bundle = tmp_path / "authorities.pem"
    bundle.write_text(imap_server.authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    (tmp_path / "password").write_text(PASSWORD + "\n")
    url = imap_server.url(user)
    for words in ("created", "nothing changed"):
        call_command(
            *("create_mailbox", "support@shop.nl", "--imap", url),
            *("--password-file", str(tmp_path / "password")),
        )
        assert words in capsys.readouterr().out
    made = Source.objects.get()
    assert (made.kind, made.start, made.report_old) == ("imap", "now", False)
    assert made.settings == {"password": PASSWORD}
    call_command("ingest")
    assert Message.objects.count() == 0
    Mailbox.objects.create(address="info@shop.nl")
    settings.IMAP_PASSWORD = PASSWORD
    call_command("ingest", "--imap", url, "--to", "info@shop.nl")
    assert Message.objects.get().imported
    adhoc = Source.objects.get(active=False)
    assert (adhoc.start, adhoc.report_old, adhoc.settings) == ("all", True, {})


def test_staff_enter_an_imap_source_and_see_at_once_whether_it_works(
    mailbox, imap_server, user, admin_client, admin_user, settings
):
    admin_user.language = "en"
    admin_user.save()
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}
    form = {
        "mailbox": mailbox.pk,
        "kind": "imap",
        "location": "",
        "login": "password",
        "host": "localhost",
        "port": imap_server.port,
        "security": "tls",
        "username": user,
        "password": PASSWORD,
        "imap_folder": "INBOX",
        "authority": imap_server.authority,
        "active": "on",
        "start": "",
        "report_old": "on",
        "after": "leave",
        "grace_days": 7,
    }
    add = reverse("admin:threads_source_add")
    assert admin_client.get(add).status_code == 200
    answer = admin_client.post(add, {**form, "host": ""})
    assert "This field is required." in answer.content.decode()
    answer = admin_client.post(add, {**form, "after": "move"})
    assert "Say to which folder." in answer.content.decode()
    assert not Source.objects.exists()
    answer = admin_client.post(add, form, follow=True)
    assert "Connected. 0 mails found." in answer.content.decode()
    source = Source.objects.get()
    assert source.location == imap_server.url(user)
    assert source.settings["password"] == PASSWORD
    assert (source.start, source.report_old) == ("now", False)
    page = reverse("admin:threads_source_change", args=[source.pk])
    assert PASSWORD not in admin_client.get(page).content.decode()
    # What stays empty stays as it was; a preset fills in what is known.
    admin_client.post(page, {**form, "password": "", "active": "", "start": "all"})
    source.refresh_from_db()
    assert source.settings["password"] == PASSWORD
    oauth = {
        **form,
        "login": "microsoft",
        "host": "",
        "port": "",
        "active": "",
        "start": "all",
        "client_id": "c",
        "refresh_token": "geheim-token",
        "tenant": "shop",
    }
    admin_client.post(page, oauth)
    source.refresh_from_db()
    assert source.location == f"imaps://{user}@outlook.office365.com/INBOX"
    assert source.settings["token_url"].startswith(
        "https://login.microsoftonline.com/shop/"
    )
    assert "password" not in source.settings
    assert "geheim-token" not in admin_client.get(page).content.decode()
