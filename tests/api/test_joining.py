"""Merge, split and notes over the API."""

import pytest

from threads.models import Mailbox, Message, Note, Thread
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


def post(client, path, body, **headers):
    return client.post(f"/api/v1/{path}", body, format="json", **headers)


def test_a_thread_is_merged_and_its_id_keeps_answering(client, arrive):
    into, thread = arrive(), arrive(sender="ander@y.nl")
    answer = post(client, f"threads/{thread.public_id}/merge", {"into": into.public_id})
    assert answer.status_code == 200
    assert answer.json()["id"] == into.public_id
    assert answer.json()["merged_ids"] == [thread.public_id]
    old = client.get(f"/api/v1/threads/{thread.public_id}")
    assert old.json()["id"] == into.public_id
    assert old["Content-Location"].endswith(into.public_id)
    again = post(client, f"threads/{thread.public_id}/merge", {"into": into.public_id})
    assert (again.status_code, again.json()["id"]) == (200, into.public_id)
    log = client.get("/api/v1/events?type=thread.merged").json()["results"]
    assert [event["thread_id"] for event in log] == [into.public_id]
    assert log[0]["actor"]["type"] == "api_key"


def test_a_merge_is_refused_with_the_mend(client, key, arrive):
    thread = arrive()
    other = arrive(to="verkoop@shop.nl")
    foreign = arrive(to="info@ander.nl")
    bound = key(domains=["shop.nl"])
    for into, status, code in (
        (thread.public_id, 409, "same_thread"),
        (other.public_id, 409, "other_mailbox"),
        (foreign.public_id, 400, "unknown_thread"),
        ("c" + "0" * 24, 400, "unknown_thread"),
        (5, 400, "invalid"),
    ):
        answer = post(bound, f"threads/{thread.public_id}/merge", {"into": into})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.json()["errors"][0]["field"] == "into" or status == 409
    assert Thread.objects.filter(merged_into__isnull=False).count() == 0


def test_a_message_is_split_off_once_for_a_key(client, arrive):
    arrive(message_id="<a@x>")
    arrive(message_id="<b@x>", in_reply_to="<a@x>", text="b\n")
    message = Message.objects.get(message_id="b@x")
    path = f"messages/{message.public_id}/split"
    answer = post(client, path, {}, HTTP_IDEMPOTENCY_KEY="1")
    assert answer.status_code == 201
    new = answer.json()
    assert answer["Location"] == f"/api/v1/threads/{new['id']}"
    assert client.get(answer["Location"]).json()["messages"][0]["id"] == (
        message.public_id
    )
    again = post(client, path, {}, HTTP_IDEMPOTENCY_KEY="1")
    assert (again.status_code, again.json()) == (201, new)
    without = post(client, path, {})
    assert (without.status_code, without.json()["code"]) == (409, "nothing_to_split")
    event = Event.objects.get(type="thread.split")
    assert event.thread == message.thread.public_id


def test_notes_are_written_and_listed(client, arrive):
    path = f"threads/{arrive().public_id}/notes"
    first = post(client, path, {"body": "Let op: klant is boos."})
    assert first.status_code == 201
    assert first.json()["body"] == "Let op: klant is boos."
    assert first.json()["actor"]["type"] == "api_key"
    second = post(client, path, {"body": "Gebeld."}, HTTP_IDEMPOTENCY_KEY="n")
    assert post(client, path, {"body": "Gebeld."}, HTTP_IDEMPOTENCY_KEY="n").json() == (
        second.json()
    )
    page = client.get(f"/api/v1/{path}?limit=1").json()
    assert ([n["id"] for n in page["results"]], page["has_more"]) == (
        [first.json()["id"]],
        True,
    )
    rest = client.get(f"/api/v1/{path}?after={page['next_after']}").json()
    assert [n["id"] for n in rest["results"]] == [second.json()["id"]]
    assert post(client, path, {"body": "  "}).status_code == 400
    assert Note.objects.count() == 2


def test_the_scopes_are_those_of_the_contract(key, arrive):
    thread = arrive()
    reader = key(scopes=["threads:read"])
    writer = key(scopes=["threads:write"])
    message = Message.objects.get().public_id
    for path in (
        f"threads/{thread.public_id}/merge",
        f"threads/{thread.public_id}/notes",
        f"messages/{message}/split",
    ):
        assert post(reader, path, {}).status_code == 403
        assert post(writer, path, {}).status_code != 403
    notes = f"/api/v1/threads/{thread.public_id}/notes"
    assert reader.get(notes).status_code == 200
    assert writer.get(notes).status_code == 403
    assert Mailbox.objects.count() == 1
