"""What the API promises beside the everyday: many at once, a rehearsal, its health."""

import json
import mailbox
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.utils import timezone

from threads import exports
from threads.checks import cors_origins
from threads.laws import LAWS
from threads.models import Message, Original, Source, Team, Thread, User
from webhooks.models import Event, Heartbeat

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def threads(arrive):
    return [arrive(subject=f"Lamp {number}") for number in range(3)]


def ids(answer):
    assert answer.status_code == 200, answer.json()
    return [thread["id"] for thread in answer.json()["results"]]


def test_many_threads_are_changed_alike_or_none_is(client, threads):
    names = [thread.public_id for thread in threads]
    User.objects.create_user("bas", "bas@shop.nl", "x")
    wanted = {"ids": names, "status": "closed", "assignee": "bas@shop.nl"}
    answer = client.patch("/api/v1/threads", wanted, format="json")
    assert ids(answer) == names
    assert {t["status"] for t in answer.json()["results"]} == {"closed"}
    assert Event.objects.filter(type="thread.closed").count() == 3
    assert Event.objects.filter(type="thread.assigned").count() == 3
    wrong = {"ids": [*names[:2], "c" + "0" * 24], "status": "open"}
    refused = client.patch("/api/v1/threads", wrong, format="json")
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_thread")
    assert set(Thread.objects.values_list("status", flat=True)) == {"closed"}
    for bad in ([], names[:1] * 101):
        body = {"ids": bad, "status": "open"}
        assert client.patch("/api/v1/threads", body, format="json").status_code == 400


def test_a_key_changes_only_its_own_of_many(key, arrive):
    ours, theirs = arrive(), arrive(to="info@elders.nl")
    narrow = key(domains=["shop.nl"])
    both = {"ids": [ours.public_id, theirs.public_id], "priority": "high"}
    answer = narrow.patch("/api/v1/threads", both, format="json")
    assert answer.json()["code"] == "unknown_thread"
    assert set(Thread.objects.values_list("priority", flat=True)) == {"normal"}


def test_a_thread_is_a_teams_and_found_by_it(client, threads):
    Team.objects.create(name="Inkoop")
    path = f"/api/v1/threads/{threads[0].public_id}"
    said = client.patch(path, {"team": "Inkoop"}, format="json").json()
    assert said["team"] == "Inkoop"
    event = Event.objects.latest("pk")
    assert event.type == "thread.updated"
    assert b'"team":{"old":null,"new":"Inkoop"}' in bytes(event.bodies.get().body)
    assert ids(client.get("/api/v1/threads?team=Inkoop")) == [threads[0].public_id]
    assert len(ids(client.get("/api/v1/threads?team=none"))) == 2
    unknown = client.patch(path, {"team": "Verkoop"}, format="json").json()
    assert unknown["errors"][0]["code"] == "unknown_team"
    assert client.patch(path, {"team": None}, format="json").json()["team"] is None


def test_threads_are_counted_ordered_and_found_by_their_files(client, threads, arrive):
    with_file = arrive(subject="Factuur", attachment=("a.pdf", b"x"))
    newest = [thread.public_id for thread in (*threads, with_file)][::-1]
    assert ids(client.get("/api/v1/threads")) == newest
    answer = client.get("/api/v1/threads?order=asc&count=true&limit=2")
    assert (ids(answer), answer.json()["count"]) == (newest[::-1][:2], 4)
    rest = client.get(answer.json()["next"])
    assert ids(rest) == newest[::-1][2:]
    assert ids(client.get(rest.json()["previous"])) == newest[::-1][:2]
    found = client.get("/api/v1/threads?has_attachment=true")
    assert ids(found) == [with_file.public_id]
    assert len(ids(client.get("/api/v1/threads?has_attachment=false"))) == 3
    wrong = client.get("/api/v1/threads?has_attachment=ja")
    assert wrong.json()["code"] == "invalid_parameter"


def test_a_rehearsal_shows_the_mail_and_keeps_nothing(client, threads):
    before = [model.objects.count() for model in (Message, Original, Event)]
    path = f"/api/v1/threads/{threads[0].public_id}/reply"
    answer = client.post(path, {"body": "Dag!", "dry_run": True}, format="json")
    assert (answer.status_code, answer["Content-Type"]) == (200, "message/rfc822")
    rehearsed = message_from_bytes(answer.content, policy=policy.default)
    assert rehearsed["To"] == "klant@x.nl" or "@" in rehearsed["To"]
    assert rehearsed["Subject"] == "Re: Lamp 0"
    assert rehearsed.get_content().strip() == "Dag!"
    assert [model.objects.count() for model in (Message, Original, Event)] == before


def test_a_reply_may_assign_its_thread(client, threads, settings):
    settings.EMAIL_HOST = "127.0.0.1"
    User.objects.create_user("bas", "bas@shop.nl", "x")
    path = f"/api/v1/threads/{threads[0].public_id}/reply"
    body = {"body": "Dag!", "assignee": "BAS@shop.nl", "close": True}
    assert client.post(path, body, format="json").status_code == 202
    threads[0].refresh_from_db()
    assert (threads[0].assignee.email, threads[0].status) == ("bas@shop.nl", "closed")
    nobody = client.post(path, {"body": "x", "assignee": "x@y.nl"}, format="json")
    assert nobody.json()["errors"][0]["code"] == "unknown_user"


def test_health_says_what_is_not_done(client, key, threads):
    def reasons(asker=client):
        answer = asker.get("/api/v1/health")
        said = answer.json()
        assert (answer.status_code == 200) is (said["status"] == "ok")
        return [
            reason["code"] for reason in said["reasons"] if reason["code"] != "disk"
        ]

    assert reasons() == ["heartbeat"]
    Heartbeat.objects.create(name="worker:a:1", kind="worker", at=timezone.now())
    assert reasons() == []
    long_ago = timezone.now() - timedelta(hours=1)
    Source.objects.update(last_pass_at=long_ago, active=True)
    assert reasons() == ["source_lag"]
    assert reasons(key(domains=["elders.nl"])) == []
    reply = Message.objects.filter(direction="inbound").first()
    Message.objects.filter(pk=reply.pk).update(
        direction="outbound", status="queued", next_at=long_ago
    )
    assert reasons() == ["source_lag", "reply_overdue"]


HELLO = {
    "mailbox": "support@shop.nl",
    "to": ["Klant@bedrijf.nl"],
    "subject": "Je bestelling",
    "body": "Hij is onderweg.",
}


def test_a_conversation_begins_with_a_mail_of_ours(client, arrive, settings):
    settings.EMAIL_HOST = "127.0.0.1"
    arrive(sender="Klant <klant@bedrijf.nl>")
    answer = client.post(
        "/api/v1/threads", HELLO, format="json", HTTP_IDEMPOTENCY_KEY="a"
    )
    assert answer.status_code == 201, answer.json()
    thread = answer.json()
    assert answer["Location"] == f"/api/v1/threads/{thread['id']}"
    assert thread["subject"] == "Je bestelling"
    assert thread["customer"]["address"] == "klant@bedrijf.nl"
    assert thread["customer"]["thread_count"] == 2
    assert [p["address"] for p in thread["participants"]] == ["klant@bedrijf.nl"]
    again = client.post(
        "/api/v1/threads", HELLO, format="json", HTTP_IDEMPOTENCY_KEY="a"
    )
    assert again.json()["id"] == thread["id"]
    (message,) = client.get(answer["Location"]).json()["messages"]
    assert (message["status"], message["is_first"]) == ("queued", True)
    assert message["subject"] == "Je bestelling"
    told = Event.objects.filter(thread=thread["id"])
    assert list(told.values_list("type", flat=True)) == ["thread.created"]
    stored = Message.objects.get(public_id=message["id"])
    joined = arrive(
        sender="Klant <klant@bedrijf.nl>",
        message_id="<2@bedrijf.nl>",
        in_reply_to=f"<{stored.message_id}>",
    )
    assert joined.public_id == thread["id"]
    assert [sentence for law in LAWS for sentence in law.broken()] == []


def test_strangers_are_written_to_by_keys_that_may(client, key, arrive, settings):
    settings.EMAIL_HOST = "127.0.0.1"
    arrive()
    stranger = {**HELLO, "to": ["iemand@elders.nl"]}
    refused = client.post("/api/v1/threads", stranger, format="json")
    assert refused.status_code == 403
    may = key(scopes=["messages:send", "messages:send_any"])
    assert may.post("/api/v1/threads", stranger, format="json").status_code == 201
    wrong = {**stranger, "mailbox": "info@elders.nl"}
    said = may.post("/api/v1/threads", wrong, format="json").json()
    assert said["errors"][0]["code"] == "unknown_mailbox"
    settings.EMAIL_HOST = ""
    before = Thread.objects.count()
    said = may.post("/api/v1/threads", stranger, format="json")
    assert (said.status_code, said.json()["code"]) == (503, "smtp_not_configured")
    assert Thread.objects.count() == before


def test_pages_of_named_origins_may_ask_the_api_and_no_others(
    client, threads, settings
):
    asks = {"HTTP_ORIGIN": "https://app.shop.nl"}
    preflight = {**asks, "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "PATCH"}
    assert "Access-Control-Allow-Origin" not in client.get("/api/v1/me", **asks)
    settings.CORS_ALLOWED_ORIGINS = ["https://app.shop.nl"]
    answer = client.get("/api/v1/me", **asks)
    assert answer["Access-Control-Allow-Origin"] == "https://app.shop.nl"
    assert "Access-Control-Allow-Credentials" not in answer
    assert "Origin" in answer["Vary"]
    client.credentials()
    said = client.options("/api/v1/threads", **preflight)
    assert said.status_code == 204
    assert "PATCH" in said["Access-Control-Allow-Methods"]
    assert "Authorization" in said["Access-Control-Allow-Headers"]
    for path, origin in (
        ("/api/v1/threads", "https://evil.nl"),
        ("/api/v1/threads", "https://app.shop.nl.evil.nl"),
        ("/admin/login/", "https://app.shop.nl"),
    ):
        said = client.options(path, **{**preflight, "HTTP_ORIGIN": origin})
        assert "Access-Control-Allow-Origin" not in said
    settings.CORS_ALLOWED_ORIGINS = ["app.shop.nl/", "*", "https://app.shop.nl"]
    assert len(cors_origins(None)) == 2


def test_threads_leave_as_lines_or_as_mails(client, key, arrive, tmp_path):
    raw = "Hallo.\n\nFrom here on it is mine.\n>From there too.\n"
    ours = arrive(subject="Lamp", text=raw, message_id="<1@bedrijf.nl>")
    arrive(
        subject="Re: Lamp", message_id="<2@bedrijf.nl>", in_reply_to="<1@bedrijf.nl>"
    )
    theirs = arrive(to="info@elders.nl", subject="Stoel", message_id="<3@x.nl>")

    def lines(asker=client, query=""):
        answer = asker.get(f"/api/v1/threads/export{query}")
        assert answer.status_code == 200
        return [json.loads(line) for line in answer.getvalue().splitlines()]

    assert [t["id"] for t in lines()] == [theirs.public_id, ours.public_id]
    (whole,) = lines(key(domains=["shop.nl"]))
    assert [m["subject"] for m in whole["messages"]] == ["Lamp", "Re: Lamp"]
    assert whole["messages"][0]["body_text"].startswith("Hallo.")
    assert lines(query="?status=closed") == []
    answer = client.get("/api/v1/threads/export?format=mbox&mailbox=support@shop.nl")
    assert answer["Content-Disposition"] == 'attachment; filename="threads.mbox"'
    file = tmp_path / "threads.mbox"
    file.write_bytes(answer.getvalue())
    mails = list(mailbox.mbox(file))
    assert [one["Subject"] for one in mails] == ["Lamp", "Re: Lamp"]
    assert b">From here on" in file.read_bytes()
    assert b">>From there" in file.read_bytes()
    assert client.get("/api/v1/threads/export?format=csv").status_code == 400
    assert client.post("/api/v1/threads/export", {}, format="json").status_code == 405


def test_more_threads_than_a_step_are_exported_once_each(client, threads, monkeypatch):
    monkeypatch.setattr(exports, "_CHUNK", 2)
    answer = client.get("/api/v1/threads/export")
    names = [json.loads(line)["id"] for line in answer.getvalue().splitlines()]
    assert names == [thread.public_id for thread in threads][::-1]
