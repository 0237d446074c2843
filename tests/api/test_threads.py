"""Threads over the API: what the contract promises of each route."""

import json
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings

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


def test_a_list_shows_a_thread_as_its_own_page_does(client, arrive):
    thread, plain = arrive(), arrive(sender="b@b.nl", text="x\n")
    url = f"/api/v1/threads/{thread.public_id}"
    changed = {"assignee": "anna@shop.nl", "tags": ["b", "a"], "status": "closed"}
    User.objects.create_user("anna", "anna@shop.nl", "x", is_staff=True)
    assert client.patch(url, changed, format="json").status_code == 200
    listed = client.get("/api/v1/threads").json()["results"]
    assert {row["id"] for row in listed} == {thread.public_id, plain.public_id}
    for row in listed:
        own = client.get(f"/api/v1/threads/{row['id']}").json()
        # As text: for Python 1 is True.
        assert json.dumps(row) == json.dumps({key: own[key] for key in row})


def test_a_mailbox_that_is_not_of_the_domain_has_no_threads_there(client, arrive):
    arrive()
    arrive(to="info@b.nl", text="x\n")
    answer = client.get("/api/v1/threads?domain=shop.nl&mailbox=info@b.nl&count=true")
    assert answer.json() == {"next": None, "previous": None, "results": [], "count": 0}


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


def test_a_list_costs_one_statement_beside_key_and_limiter(client, arrive):
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
    assert len(own) == 1, own
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


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("*", 200),
        ("TAG", 200),
        (" TAG ", 200),
        ('"zzz", TAG', 200),
        ('"zzz",TAG,"yyy"', 200),
        ("W/TAG", 412),
        ('"zzz"', 412),
        ("zzz", 412),
        ('"zzz", W/TAG', 412),
    ],
)
def test_if_match_is_read_as_http_says(client, arrive, header, status):
    url = f"/api/v1/threads/{arrive().public_id}"
    given = header.replace("TAG", client.get(url)["ETag"])
    answer = client.patch(url, {"priority": "high"}, format="json", HTTP_IF_MATCH=given)
    assert answer.status_code == status
    if status == 200:
        assert answer["ETag"] == client.get(url)["ETag"]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("*", 304),
        ("TAG", 304),
        ("W/TAG", 304),
        ('"zzz" , W/TAG', 304),
        ('"zzz"', 200),
        ("zzz", 200),
    ],
)
def test_if_none_match_is_read_as_http_says(client, arrive, header, status):
    url = f"/api/v1/threads/{arrive().public_id}"
    tag = client.get(url)["ETag"]
    answer = client.get(url, HTTP_IF_NONE_MATCH=header.replace("TAG", tag))
    assert (answer.status_code, answer["ETag"]) == (status, tag)


def test_the_etag_changes_with_all_that_is_shown(client, arrive):
    """Also with what other threads, people and the mail server change."""
    thread = arrive(in_reply_to="<late@bedrijf.nl>")
    url = f"/api/v1/threads/{thread.public_id}"
    User.objects.create_user("jan", "jan@shop.nl", first_name="Jan")
    client.patch(url, {"assignee": "jan@shop.nl"}, format="json")

    def another_thread():
        arrive(text="x\n")

    def a_late_parent():
        arrive(message_id="<late@bedrijf.nl>", sender="x@y.nl")

    def a_marriage():
        User.objects.update(last_name="Smit")

    def a_mail_server():
        Message.objects.filter(pk=message.pk).update(status="sending")

    with override_settings(EMAIL_HOST="127.0.0.1"):
        client.post(f"{url}/reply", {"body": "Dank"}, format="json")
    message = Message.objects.get(direction="outbound")
    for change in (another_thread, a_late_parent, a_marriage, a_mail_server):
        before = client.get(url)
        change()
        after = client.get(url, HTTP_IF_NONE_MATCH=before["ETag"])
        assert after.status_code == 200, change
        assert after["ETag"] != before["ETag"], change
        assert after.json() != before.json(), change
        late = {"format": "json", "HTTP_IF_MATCH": before["ETag"]}
        assert client.patch(url, {"priority": "low"}, **late).status_code == 412


# --- People ---------------------------------------------------------------------


def test_from_finds_every_participant_in_any_spelling(client, arrive, settings):
    settings.EMAIL_HOST = "127.0.0.1"
    asked = arrive(sender="K <K@XN--bcher-kva.DE>", text="a\n")
    arrive(text="b\n")
    url = f"/api/v1/threads/{asked.public_id}"
    whole = ApiKey.objects.get()
    whole.scopes = [*whole.scopes, "messages:send_any"]
    whole.save()
    sent = {"body": "x", "cc": ["Derde@Ander.nl"]}
    assert client.post(f"{url}/reply", sent, format="json").status_code == 202
    shown = client.get(url).json()["participants"]
    assert [p["address"] for p in shown] == ["k@xn--bcher-kva.de", "derde@ander.nl"]
    for spelling in ("k@bücher.de", "K@XN--BCHER-KVA.de", "DERDE@ander.nl"):
        found = client.get("/api/v1/threads", {"from": spelling}).json()["results"]
        assert [t["id"] for t in found] == [asked.public_id], spelling
    nobody = {"from": "iemand@ander.nl"}
    assert client.get("/api/v1/threads", nobody).json()["results"] == []
    answer = client.get("/api/v1/threads", {"from": "klant"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")


def test_from_finds_who_wrote_without_being_vouched_for(client, arrive, settings):
    """A stranger's answer to our mail is a leaf: no participant, yet to be found."""
    settings.EMAIL_HOST = "127.0.0.1"
    thread = arrive()
    url = f"/api/v1/threads/{thread.public_id}"
    client.post(f"{url}/reply", {"body": "x"}, format="json")
    ours = Message.objects.get(direction="outbound").message_id
    arrive(sender="prive@thuis.nl", in_reply_to=f"<{ours}>", text="y\n")
    body = client.get(url).json()
    assert "prive@thuis.nl" not in [p["address"] for p in body["participants"]]
    found = client.get("/api/v1/threads", {"from": "prive@thuis.nl"}).json()
    assert [t["id"] for t in found["results"]] == [thread.public_id]


def test_from_stays_within_the_domains_of_the_key(key, arrive):
    arrive(to="info@ander.nl")
    own = arrive()
    found = key(domains=["shop.nl"]).get(
        "/api/v1/threads", {"from": "klant@bedrijf.nl"}
    )
    assert [t["id"] for t in found.json()["results"]] == [own.public_id]


def test_our_own_addresses_never_become_participants(key, arrive, settings):
    settings.EMAIL_HOST = "127.0.0.1"
    arrive(to="verkoop@shop.nl")
    thread = arrive()
    client = key(scopes=["threads:read", "messages:send", "messages:send_any"])
    url = f"/api/v1/threads/{thread.public_id}"
    copy = {
        "body": "x",
        "to": ["klant@bedrijf.nl"],
        "cc": ["Verkoop@shop.nl", "support+intern@shop.nl", "support@shop.nl"],
    }
    assert client.post(f"{url}/reply", copy, format="json").status_code == 202
    shown = client.get(url).json()["participants"]
    assert [p["address"] for p in shown] == ["klant@bedrijf.nl"]


def test_participants_of_before_are_found_as_new_ones_are(client, arrive):
    thread = arrive()
    written = [{"address": f"{name}@BEDRIJF.nl", "name": name} for name in "Kk"]
    Thread.objects.update(participants=[*written, {"address": "", "name": "x"}])
    step = import_module("threads.migrations.0004_participant_search")
    step.compare_alike(apps, SimpleNamespace(connection=connection))
    thread.refresh_from_db()
    assert thread.participants == [{"address": "k@bedrijf.nl", "name": "K"}]
    found = client.get("/api/v1/threads", {"from": "K@bedrijf.nl"}).json()["results"]
    assert [t["id"] for t in found] == [thread.public_id]


# --- The table of events --------------------------------------------------------

# One row an old status: the event of each new one, None where nothing happens.
FIRED = {
    "open": {
        "open": None,
        "pending": "thread.updated",
        "closed": "thread.closed",
        "spam": "thread.updated",
    },
    "pending": {
        "open": "thread.updated",
        "pending": None,
        "closed": "thread.closed",
        "spam": "thread.updated",
    },
    "closed": {
        "open": "thread.reopened",
        "pending": "thread.reopened",
        "closed": None,
        "spam": "thread.updated",
    },
    "spam": {
        "open": "thread.reopened",
        "pending": "thread.updated",
        "closed": "thread.closed",
        "spam": None,
    },
}


@pytest.mark.parametrize("new", FIRED)
@pytest.mark.parametrize("old", FIRED)
def test_every_change_of_status_fires_its_event(client, arrive, old, new):
    thread = arrive()
    url = f"/api/v1/threads/{thread.public_id}"
    client.patch(url, {"status": old}, format="json")
    told = Event.objects.count()
    body = client.patch(url, {"status": new}, format="json").json()
    assert body["status"] == new
    assert (body["closed_at"] is not None) == (new == "closed")
    log = client.get(f"{url}/events").json()["results"][told:]
    expected = [FIRED[old][new]] if FIRED[old][new] else []
    assert [event["event"] for event in log] == expected
    for event in log:
        assert event["changes"] == {"status": {"old": old, "new": new}}
        assert event["thread"]["status"] == new
        assert event["actor"]["type"] == "api_key"


@pytest.mark.parametrize(
    ("old", "status", "events"),
    [
        ("open", 202, ["thread.closed"]),
        ("pending", 202, ["thread.closed"]),
        ("closed", 202, []),
        ("spam", 409, []),
    ],
)
@pytest.mark.parametrize("close", [True, False])
def test_a_reply_closes_at_acceptance_or_leaves_the_status(
    client, arrive, settings, old, status, events, close
):
    settings.EMAIL_HOST = "127.0.0.1"
    thread = arrive()
    url = f"/api/v1/threads/{thread.public_id}"
    client.patch(url, {"status": old}, format="json")
    told = Event.objects.count()
    answer = client.post(f"{url}/reply", {"body": "x", "close": close}, format="json")
    assert answer.status_code == status
    log = client.get(f"{url}/events").json()["results"][told:]
    assert [event["event"] for event in log] == (events if close else [])
    closed = close and status == 202
    assert client.get(url).json()["status"] == ("closed" if closed else old)


@pytest.mark.parametrize(
    ("switches", "told"),
    [
        ({}, {"person", "automatic"}),
        ({"include_auto": False}, {"person"}),
        ({"include_spam": True}, {"person", "automatic", "spam"}),
        ({"include_auto": False, "include_spam": True}, {"person", "spam"}),
    ],
)
def test_the_switches_of_a_webhook_choose_what_it_is_told(
    client, arrive, switches, told
):
    spam = arrive()
    hook = {"url": "http://127.0.0.1:9999/", "events": ["message.received"]}
    client.post("/api/v1/webhooks", {**hook, **switches}, format="json")
    url = f"/api/v1/threads/{spam.public_id}"
    client.patch(url, {"status": "spam"}, format="json")
    first = f"<{Message.objects.get().message_id}>"
    arrive(subject="spam", in_reply_to=first, text="a\n")
    arrive(subject="person", text="b\n")
    arrive(subject="automatic", auto_submitted="auto-replied", text="c\n")
    assert client.get(url).json()["status"] == "spam"
    log = client.get("/api/v1/events?type=message.received").json()["results"]
    assert [e["subject"] for e in log[1:]] == ["spam", "person", "automatic"]
    reached = Event.objects.filter(deliveries__isnull=False)
    subjects = {e["id"]: e["subject"] for e in log}
    assert {subjects[event.public_id] for event in reached} == told


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


def test_a_reply_takes_attachments_in_base64(client, arrive, settings):
    settings.EMAIL_HOST = "127.0.0.1"
    url = f"/api/v1/threads/{arrive().public_id}/reply"
    file = {
        "filename": "x.pdf",
        "content_type": "application/pdf",
        "content": "JVBERg==",
    }
    sent = {"body": "Zie bijlage", "attachments": [file]}
    answer = client.post(url, sent, format="json")
    assert answer.status_code == 202, answer.json()
    (shown,) = answer.json()["attachments"]
    assert (shown["filename"], shown["size"]) == ("x.pdf", 4)
    path = shown["url"].removeprefix(settings.PUBLIC_URL)
    assert client.get(path).content == b"%PDF"
    wrong = {**sent, "attachments": [{**file, "content": "geen base64"}]}
    refused = client.post(url, wrong, format="json").json()
    assert refused["code"] == "invalid"
    assert refused["errors"][0]["field"].startswith("attachments")


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
    for name, address in (
        ("to", "not an address"),
        ("cc", "jörg@bücher.de"),
        ("bcc", f"a@{'é.' * 100}nl"),
    ):
        wrong = {"body": "x", name: ["iemand@anders.nl", address]}
        answer = client.post(url, wrong, format="json")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_recipient")
        assert answer.json()["errors"][0]["field"] == name
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
