"""The schemas of the events are true of what is sent."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from jsonschema import Draft202012Validator

from tests.mailservers import smtp_server
from tests.receivers import receiving
from threads import smtp
from threads.models import Mailbox, Message, User
from webhooks import delivery, subscriptions
from webhooks.catalogue import EVENTS, TEST, sample
from webhooks.models import EventBody

# What that day brings.
REAL = {
    *("thread.created", "message.received", "thread.assigned", "thread.unassigned"),
    *("thread.updated", "thread.closed", "thread.reopened", "thread.merged"),
    *("thread.split", "message.sent", "message.failed", "message.in_doubt"),
    "webhook.disabled",
}
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def schema_of(client):
    found = {}

    def get(kind):
        if kind not in found:
            answer = client.get(f"/api/v1/schemas/{kind}.json")
            assert answer.status_code == 200
            Draft202012Validator.check_schema(answer.json())
            found[kind] = Draft202012Validator(
                answer.json(), format_checker=Draft202012Validator.FORMAT_CHECKER
            )
        return found[kind]

    return get


def faults(validator, body):
    return [
        f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)
    ]


def test_the_samples_are_as_their_schemas_say(schema_of):
    """The page of events and the test button show these very samples."""
    for kind in (*EVENTS, TEST):
        assert faults(schema_of(kind), sample(kind)) == []
        assert faults(schema_of(kind), {**sample(kind), "from": None})
        other = next(name for name in EVENTS if name != kind)
        assert faults(schema_of(kind), sample(other)), kind


def test_whatever_happens_the_bodies_are_as_their_schemas_say(
    client, arrive, schema_of
):
    """A day at the desk; both bodies of each event, with text and without."""
    User.objects.create_user("jan", "jan@shop.nl", first_name="Jan")
    subscriptions.create(
        {"url": "http://127.0.0.1:1999/", "events": list(EVENTS), "include_body": False}
    )
    thread = arrive(attachment=("a.pdf", b"x"), reply_to="b@x.nl", cc="c@x.nl")
    other = arrive(subject="Iets anders", message_id="<2@x.nl>")

    def patch(**values):
        answer = client.patch(
            f"/api/v1/threads/{thread.public_id}", values, format="json"
        )
        assert answer.status_code == 200, answer.json()

    patch(assignee="jan@shop.nl", tags=["a"], priority="high")
    later = (timezone.now() + timedelta(days=1)).isoformat()
    patch(assignee=None, subject="Anders", snoozed_until=later)
    patch(status="closed")
    patch(status="open")
    for answer in ("250 OK", "550 5.1.1 No such user", None):
        with smtp_server(answer=answer) as server:
            smtp_of = {"host": "127.0.0.1", "port": server.port, "tls": "none"}
            Mailbox.objects.update(smtp=smtp_of)
            client.post(
                f"/api/v1/threads/{thread.public_id}/reply",
                {"body": "Dank"},
                format="json",
            )
            smtp.send_due()
    into = {"into": thread.public_id}
    client.post(f"/api/v1/threads/{other.public_id}/merge", into, format="json")
    moved = Message.objects.filter(direction="inbound").latest("pk")
    split = client.post(f"/api/v1/messages/{moved.public_id}/split", {}, format="json")
    assert split.status_code in {200, 201}, split.json()
    with receiving((410, {}, b"")) as gone:
        subscriptions.create({"url": gone.url, "events": ["thread.updated"]})
        patch(priority="low")
        delivery.drain(budget_seconds=10)

    body = EventBody.objects.get(event__type="webhook.disabled", format="full")
    told, shown = json.loads(bytes(body.body)), sample("webhook.disabled")
    assert told.keys() == shown.keys()
    same = ("to", "mailbox", "domain", "actor", "error", "from", "thread_id")
    assert [told[name] for name in same] == [shown[name] for name in same]

    seen = set()
    for body in EventBody.objects.select_related("event"):
        told = json.loads(bytes(body.body))
        assert faults(schema_of(told["event"]), told) == [], told["event"]
        seen.add((told["event"], body.format))
    both = {(kind, kept) for kind in REAL for kept in ("full", "bare")}
    assert both <= seen, sorted(both - seen)
