"""Threads over the API: what the contract promises of each route."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from api.models import ApiKey, IdempotencyKey, RateWindow
from tests.mailservers import smtp_server
from threads import smtp
from threads.models import Mailbox, Message, Thread, User
from webhooks.models import Event

pytestmark = pytest.mark.django_db


def test_the_list_shows_threads_in_the_shape_of_the_contract(client, arrive):
    thread = arrive()
    answer = client.get("/api/v1/threads")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["next"], body["previous"]) == (None, None)
    shown = body["results"][0]
    assert shown["id"] == thread.public_id
    assert shown["customer"] == {
        "address": "klant@bedrijf.nl",
        "name": "Klant",
        "is_new": True,
        "thread_count": 1,
    }
    assert shown["created_at"].endswith("Z")
    assert shown["url"] == f"http://testserver/api/v1/threads/{thread.public_id}"
    assert shown["sequence"] == 2


def test_a_trailing_slash_answers_the_same(client, arrive):
    arrive()
    assert client.get("/api/v1/threads/").status_code == 200


def test_pages_follow_each_other_without_loss_or_repetition(client, arrive):
    made = [arrive(text=f"{n}\n").public_id for n in range(7)][::-1]
    seen, url, pages = [], "/api/v1/threads?limit=3", []
    while url:
        body = client.get(url.removeprefix("http://testserver")).json()
        seen += [thread["id"] for thread in body["results"]]
        pages.append(body)
        url = body["next"]
    assert seen == made
    back = client.get(pages[2]["previous"].removeprefix("http://testserver")).json()
    assert [t["id"] for t in back["results"]] == made[3:6]
    assert len(pages) == 3


def test_without_a_status_everything_but_spam_is_listed(client, arrive):
    one, two = arrive(), arrive(text="x\n")
    Thread.objects.filter(pk=one.pk).update(status="spam")
    Thread.objects.filter(pk=two.pk).update(status="closed")

    def ids(query):
        return {
            t["id"] for t in client.get(f"/api/v1/threads{query}").json()["results"]
        }

    assert ids("") == {two.public_id}
    assert ids("?status=all") == {one.public_id, two.public_id}
    assert ids("?status=spam,open") == {one.public_id}
    assert ids("?domain=shop.nl") == {two.public_id}
    assert ids("?mailbox=support@shop.nl&status=spam") == {one.public_id}


@pytest.mark.parametrize(
    ("query", "field", "allowed"),
    [
        ("?colour=red", "colour", "status"),
        ("?status=foo", "status", "pending"),
        ("?domain=ander.nl", "domain", "shop.nl"),
        ("?mailbox=x@shop.nl", "mailbox", "support@shop.nl"),
        ("?limit=0", "limit", "1 to 100"),
        ("?limit=1e9", "limit", "1 to 100"),
        ("?cursor=abc", "cursor", "next"),
        ("?status=open&status=closed", "status", "once"),
        ("?updated_since=2026-01-01T10:00:00", "updated_since", "+01:00"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(
    client, arrive, query, field, allowed
):
    arrive()
    answer = client.get(f"/api/v1/threads{query}")
    problem = answer.json()
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert problem["errors"][0]["field"] == field
    assert allowed in problem["fix"] + problem["detail"]
    assert problem["request_id"] == answer["X-Request-Id"]


def test_a_list_costs_at_most_three_statements_beside_key_and_limiter(client, arrive):
    for number in range(5):
        arrive(text=f"{number}\n")
    client.get("/api/v1/threads")
    with CaptureQueriesContext(connection) as statements:
        client.get("/api/v1/threads?status=open&limit=100")
    own = [
        q["sql"]
        for q in statements
        if ApiKey._meta.db_table not in q["sql"]
        and RateWindow._meta.db_table not in q["sql"]
    ]
    assert len(own) <= 3, own
    keys = [q for q in statements if f'FROM "{ApiKey._meta.db_table}"' in q["sql"]]
    assert len(keys) == 1


def test_a_thread_comes_with_its_messages_oldest_first(client, arrive):
    thread = arrive()
    arrive(in_reply_to=f"<{Message.objects.get().message_id}>", text="Nog iets\n")
    answer = client.get(f"/api/v1/threads/{thread.public_id}")
    body = answer.json()
    assert [m["is_first"] for m in body["messages"]] == [True, False]
    assert body["messages_next"] is None
    assert body["messages"][1]["why"]["rule"] == "reference"
    unchanged = client.get(
        f"/api/v1/threads/{thread.public_id}", HTTP_IF_NONE_MATCH=answer["ETag"]
    )
    assert unchanged.status_code == 304


def test_a_merged_id_answers_with_the_survivor(client, arrive):
    one, two = arrive(), arrive(text="x\n")
    ids = " ".join(f"<{m.message_id}>" for m in Message.objects.all())
    arrive(references=ids, text="y\n")
    answer = client.get(f"/api/v1/threads/{two.public_id}")
    assert answer.status_code == 200
    assert answer.json()["id"] == one.public_id
    assert answer["Content-Location"] == answer.json()["url"]
    assert answer.json()["merged_ids"] == [two.public_id]


def test_a_change_fires_each_event_once_and_in_order(client, arrive):
    thread = arrive()
    User.objects.create(username="t", email="teamlid@shop.nl", first_name="Teamlid")
    change = {
        "priority": "high",
        "tags": ["factuur", "factuur"],
        "assignee": "Teamlid@shop.nl",
        "status": "closed",
    }
    url = f"/api/v1/threads/{thread.public_id}"
    answer = client.patch(url, change, format="json")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["priority"], body["tags"]) == (
        "closed",
        "high",
        ["factuur"],
    )
    assert body["assignee"] == {"email": "teamlid@shop.nl", "name": "Teamlid"}
    told = Event.objects.order_by("position").values_list("type", "sequence")
    assert list(told)[2:] == [
        ("thread.closed", 3),
        ("thread.assigned", 4),
        ("thread.updated", 5),
    ]
    client.patch(url, change, format="json")
    assert Event.objects.count() == 5
    client.patch(url, {"assignee": None, "status": "pending"}, format="json")
    told = Event.objects.order_by("position").values_list("type", flat=True)
    assert list(told)[5:] == ["thread.reopened", "thread.unassigned"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"status": "foo"}, "status"),
        ({"colour": "red"}, "colour"),
        ({"tags": "factuur"}, "tags"),
        ({"tags": [1]}, "tags.0"),
        ({"assignee": "wie@shop.nl"}, "assignee"),
        ({"subject": 5}, "subject"),
        ({"snoozed_until": "2026-01-01T10:00:00"}, "snoozed_until"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_changes(client, arrive, change, field):
    thread = arrive()
    url = f"/api/v1/threads/{thread.public_id}"
    answer = client.patch(url, {"priority": "high", **change}, format="json")
    assert answer.status_code == 400
    assert [e["field"] for e in answer.json()["errors"]] == [field]
    thread.refresh_from_db()
    assert thread.priority == "normal"


def test_if_match_refuses_a_change_of_what_has_changed(client, arrive):
    thread = arrive()
    url = f"/api/v1/threads/{thread.public_id}"
    old = client.get(url)["ETag"]
    first = client.patch(url, {"status": "closed"}, format="json", HTTP_IF_MATCH=old)
    again = client.patch(url, {"status": "open"}, format="json", HTTP_IF_MATCH=old)
    assert (first.status_code, again.status_code) == (200, 412)
    assert again.json()["code"] == "version_mismatch"


# --- Replies --------------------------------------------------------------------


def test_a_reply_is_accepted_and_sent(client, arrive):
    thread = arrive()
    with smtp_server() as sink:
        mailbox = Mailbox.objects.get()
        mailbox.smtp = {"host": "127.0.0.1", "port": sink.port, "tls": "none"}
        mailbox.save()
        answer = client.post(
            f"/api/v1/threads/{thread.public_id}/reply",
            {"body": "Bedankt voor je bericht..."},
            format="json",
        )
        assert answer.status_code == 202
        body = answer.json()
        assert (body["status"], body["via"]) == ("queued", "api")
        assert answer["Location"] == f"/api/v1/messages/{body['id']}"
        smtp.send_due()
        assert len(sink.mails) == 1
    assert client.get(answer["Location"]).json()["status"] == "sent"


def test_an_idempotency_key_makes_one_mail_of_two_requests(client, arrive, settings):
    settings.EMAIL_HOST = "127.0.0.1"
    thread = arrive()
    url = f"/api/v1/threads/{thread.public_id}/reply"

    def post(body, key="abc"):
        return client.post(url, {"body": body}, format="json", HTTP_IDEMPOTENCY_KEY=key)

    first, again = post("Dank"), post("Dank")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert again["Location"] == first["Location"]
    assert Message.objects.filter(direction="outbound").count() == 1
    assert post("Anders").status_code == 422
    assert post("Anders", "é").status_code == 400


def test_a_kept_answer_does_not_hold_a_secret_in_clear(client):
    want = {"url": "http://127.0.0.1:9999/", "events": ["message.received"]}
    once = {"HTTP_IDEMPOTENCY_KEY": "a"}
    first, again = (
        client.post("/api/v1/webhooks", want, format="json", **once) for _ in range(2)
    )
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    stored = bytes(IdempotencyKey.objects.get().body)
    assert first.json()["secret"].encode() not in stored


def test_replies_are_refused_with_the_mend(client, key, arrive, settings):
    thread = arrive()
    url = f"/api/v1/threads/{thread.public_id}/reply"
    answer = client.post(url, {"body": "x"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (503, "smtp_not_configured")
    settings.EMAIL_HOST = "127.0.0.1"
    stranger = {"body": "x", "to": ["iemand@anders.nl"]}
    assert client.post(url, stranger, format="json").status_code == 403
    sender = key(scopes=["messages:send", "messages:send_any"])
    assert sender.post(url, stranger, format="json").status_code == 202
    Thread.objects.update(status="spam")
    answer = client.post(url, {"body": "x"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "thread_is_spam")
    assert client.post(url, {}, format="json").status_code == 400


# --- Messages -------------------------------------------------------------------


def test_raw_is_the_untouched_original(client, arrive):
    arrive(text="Hallo\n")
    message = Message.objects.get()
    answer = client.get(f"/api/v1/messages/{message.public_id}/raw")
    assert answer["Content-Type"] == "message/rfc822"
    assert answer.content == bytes(message.original.content)


def test_an_attachment_is_always_a_download(client, arrive):
    arrive(attachment=('f"äctuur.pdf', b"%PDF-1.7 x"))
    shown = client.get(f"/api/v1/messages/{Message.objects.get().public_id}").json()[
        "attachments"
    ][0]
    assert shown["size"] == 10
    answer = client.get(shown["url"].removeprefix("http://testserver"))
    assert answer.content == b"%PDF-1.7 x"
    assert answer["Content-Disposition"].startswith("attachment; filename=")
    assert "%C3%A4ctuur.pdf" in answer["Content-Disposition"]
    assert answer["X-Content-Type-Options"] == "nosniff"
