"""What is erased is nowhere any more, and does not come back."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from rest_framework.test import APIClient

from api.models import ApiKey
from tests.desk import QUESTION, Desk, letter
from threads import joining, outbound
from threads.actors import SYSTEM
from threads.laws import LAWS
from threads.models import Attachment, Customer, Message, Note, Original, User
from webhooks import subscriptions
from webhooks.models import Delivery, Event, EventBody

pytestmark = pytest.mark.django_db(transaction=True)

# What no table may hold afterwards.
SAID = ("Fatima", "fatima@bedrijf.nl", "Kanaalweg", "factuur.pdf", "20418")


@pytest.fixture
def desk(db, settings):
    settings.EMAIL_HOST = "127.0.0.1"
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    subscriptions.create(
        {
            "url": "http://127.0.0.1:9999/",
            "events": ["message.received", "thread.deleted", "thread.updated"],
        }
    )
    return Desk()


@pytest.fixture(scope="module")
def raw():
    return letter(QUESTION, files=[("factuur.pdf", "application/pdf", b"Fatima")])


@pytest.fixture
def question(desk, raw):
    return desk.arrive(raw)


@pytest.fixture
def api(db):
    _, plain = ApiKey.objects.issue("test")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
    return client


def told(kind):
    event = Event.objects.filter(type=kind).latest("pk")
    return json.loads(bytes(event.bodies.get(format="full").body))


def traces():
    """Where anything of what was said is left: table and word."""
    found = set()
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        for table in connection.introspection.django_table_names(only_existing=True):
            cursor.execute(f"SELECT * FROM {quote(table)}")
            for row in cursor.fetchall():
                for value in row:
                    binary = isinstance(value, bytes | memoryview)
                    text = bytes(value).decode() if binary else str(value)
                    found |= {(table, word) for word in SAID if word in text}
    return found


def lawful():
    return [sentence for law in LAWS for sentence in law.broken()]


def test_the_traces_are_found_where_they_are(question):
    assert {table for table, _ in traces()} >= {
        *("threads_message", "threads_original", "threads_attachment"),
        *("threads_thread", "threads_customer", "webhooks_eventbody"),
    }


def test_a_thread_that_is_deleted_leaves_nothing_and_says_so(api, desk, question):
    thread = question.thread
    Note.objects.create(mailbox=desk.mailbox, thread=thread, body="Bel Fatima")
    path = f"/api/v1/threads/{thread.public_id}"
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == api.delete(path).status_code == 404
    for name in (
        f"messages/{question.public_id}",
        f"messages/{question.public_id}/raw",
    ):
        assert api.get(f"/api/v1/{name}").status_code == 404
    assert api.get("/api/v1/threads?status=all").json()["results"] == []
    said = told("thread.deleted")
    assert said["thread_id"] == thread.public_id
    assert said["from"] == said["subject"] == said["body_text"] == ""
    assert said["actor"]["type"] == "api_key"
    # That there is a customer, is the customer's own page to forget.
    assert {table for table, _ in traces()} == {"threads_customer"}
    assert Customer.objects.get().thread_count == 0
    assert lawful() == []
    # Of the old events nothing more is sent; the new one is.
    assert {d.event.type for d in Delivery.objects.all()} == {"thread.deleted"}


def test_a_message_is_erased_and_the_rest_of_its_thread_stays(api, desk, question):
    answer = desk.arrive(
        letter("Nog iets.\n", message_id="<2@bedrijf.nl>", in_reply_to="<1@bedrijf.nl>")
    )
    assert answer.thread_id == question.thread_id
    path = f"/api/v1/messages/{question.public_id}"
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
    thread = api.get(f"/api/v1/threads/{question.thread.public_id}").json()
    assert [m["id"] for m in thread["messages"]] == [answer.public_id]
    assert thread["subject"] == ""
    changes = told("thread.updated")["changes"]
    assert changes == {"erased_messages": {"old": [], "new": [question.public_id]}}
    assert not Attachment.objects.exists()
    assert ("threads_original", "Kanaalweg") not in traces()
    assert ("webhooks_eventbody", "Kanaalweg") not in traces()
    assert lawful() == []


def test_it_does_not_come_back_as_news(desk, question, api, raw):
    api.delete(f"/api/v1/messages/{question.public_id}")
    events = Event.objects.count()
    desk.arrive(raw)
    assert Message.objects.count() == 1
    assert Event.objects.count() == events
    # The very same bytes: they are not kept again either.
    assert bytes(Original.objects.get().content) == b""


def test_an_answer_to_what_is_gone_begins_a_thread(desk, question, api):
    api.delete(f"/api/v1/threads/{question.thread.public_id}")
    answer = desk.arrive(
        letter("Hoi.\n", message_id="<2@bedrijf.nl>", in_reply_to="<1@bedrijf.nl>")
    )
    assert answer.thread_id != question.thread_id
    assert answer.is_first
    assert lawful() == []


def test_the_same_bytes_in_another_mailbox_stay(desk, question, api, raw):
    other = Desk("info@shop.nl")
    copy = other.arrive(raw)
    assert copy.original_id == question.original_id
    api.delete(f"/api/v1/messages/{question.public_id}")
    raw = api.get(f"/api/v1/messages/{copy.public_id}/raw")
    assert b"Kanaalweg" in raw.content
    api.delete(f"/api/v1/messages/{copy.public_id}")
    assert bytes(Original.objects.get().content) == b""


def test_what_is_on_its_way_is_not_erased(desk, question, api):
    reply = outbound.reply(
        question.thread_id, outbound.Reply(body="Dag Fatima"), actor=SYSTEM
    )
    for path in (f"messages/{reply.public_id}", f"threads/{reply.thread.public_id}"):
        refused = api.delete(f"/api/v1/{path}")
        assert refused.status_code == 409
        assert refused.json()["code"] == "message_on_its_way"
    assert Message.objects.kept().count() == 2
    assert ("threads_message", "Kanaalweg") in traces()


def test_an_etag_that_is_old_deletes_nothing(question, api):
    path = f"/api/v1/threads/{question.thread.public_id}"
    assert api.delete(path, HTTP_IF_MATCH='"x"').status_code == 412
    assert api.delete(path, HTTP_IF_MATCH=api.get(path)["ETag"]).status_code == 204


def test_a_key_erases_within_its_domains_only(question):
    _, plain = ApiKey.objects.issue("other", domains=["elders.nl"])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
    for path in (
        f"messages/{question.public_id}",
        f"threads/{question.thread.public_id}",
    ):
        assert client.delete(f"/api/v1/{path}").status_code == 404
    assert Message.objects.kept().exists()


def test_a_person_is_forgotten_everywhere(desk, question, capsys):
    other = desk.arrive(
        letter("Hallo.\n", sender="K <k@y.nl>", message_id="<o@y>", subject="Lamp")
    )
    too = desk.arrive(
        letter(
            "Ik ook.\n",
            sender="Fatima <fatima@bedrijf.nl>",
            message_id="<o2@y>",
            in_reply_to="<o@y>",
            subject="Lamp",
        )
    )
    joining.merge(too.thread_id, other.thread_id, actor=SYSTEM)
    call_command("erase", "Fatima@Bedrijf.nl", "--dry-run")
    assert "20418" in {word for _, word in traces()}
    call_command("erase", "Fatima@Bedrijf.nl", "--yes")
    assert traces() == set()
    assert Customer.objects.get().address == "k@y.nl"
    assert Message.objects.kept().get().pk == other.pk
    assert "in others." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "one of them"),
        (["a@b.nl", "--message", "c1"], "one of them"),
        (["--message", "c1", "--yes"], "There is no message c1"),
        (["nobody"], "is not an e-mail address"),
        (["a@b.nl"], "Add --yes"),
    ],
)
def test_wrong_use_erases_nothing(question, arguments, said):
    with pytest.raises(CommandError, match=said) as refusal:
        call_command("erase", *arguments)
    assert refusal.value.returncode == 2


def test_the_page_of_the_thread_says_that_a_message_was_erased(
    client, desk, question, api, settings
):
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}
    boss = User.objects.create_superuser("an", "an@shop.nl", "x", language="en")
    client.force_login(boss)
    page = f"/admin/threads/thread/{question.thread.public_id}/change/"
    assert "Kanaalweg" in client.get(page).content.decode()
    api.delete(f"/api/v1/messages/{question.public_id}")
    said = client.get(page).content.decode()
    assert "Nothing of what this message said is kept." in said
    assert "Kanaalweg" not in said
    api.delete(f"/api/v1/threads/{question.thread.public_id}")
    assert client.get(page).status_code == 404


def test_bodies_are_stubs_and_the_log_has_no_gap(question, api):
    api.delete(f"/api/v1/threads/{question.thread.public_id}")
    assert EventBody.objects.exists()
    assert lawful() == []
