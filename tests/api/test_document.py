"""The OpenAPI document tells the truth."""

import json

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from api.shapes import SHAPES
from api.urls import v1
from tests.receivers import receiving
from threads.models import Mailbox, Message, User
from webhooks.catalogue import EVENTS, TEST
from webhooks.delivery import drain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def document(client):
    return json.loads(client.get("/api/v1/openapi.json").content)


def test_it_is_valid_and_names_every_route_with_its_answer(document):
    validate(document)
    assert document["openapi"].startswith("3.1")
    routes = {f"/api/v1/{route.pattern}" for route in v1}
    shown = set(document["paths"])
    assert len(routes) == len(shown) + 1  # but for the document itself
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["description"], where
            assert {"400", "401", "403", "404", "429"} <= set(operation["responses"])
            for status, answer in operation["responses"].items():
                if status.startswith("2") and status != "204":
                    shape = next(iter(answer["content"].values()))["schema"]
                    assert "$ref" in shape or shape.get("format") == "binary", where
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query":
                    assert parameter["description"], where


def test_it_says_how_to_log_in_and_what_the_webhooks_send(document):
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert set(document["webhooks"]) == {*EVENTS, TEST}


def test_every_answer_has_the_shape_that_the_document_names(document, client, arrive):
    """All that GET answers, and what POST and PATCH do, held to its component."""
    User.objects.create_user("jan", "jan@shop.nl", first_name="Jan")
    thread = arrive(attachment=("a.pdf", b"x"), reply_to="b@x.nl", cc="c@x.nl")
    Mailbox.objects.update(smtp={"host": "127.0.0.1", "port": 1, "tls": "none"})
    with receiving((500, {}, b"later"), (204, {}, b"")) as receiver:
        want = {"url": receiver.url, "events": list(EVENTS)}
        made = client.post("/api/v1/webhooks", want, format="json").json()
        hook = f"/api/v1/webhooks/{made['id']}"
        done = {
            "POST /api/v1/webhooks": made,
            "POST /api/v1/webhooks/{webhook_id}/test": client.post(
                f"{hook}/test", {}, format="json"
            ).json(),
            "PATCH /api/v1/webhooks/{webhook_id}": client.patch(
                hook, {"timeout": 20}, format="json"
            ).json(),
            "POST /api/v1/threads/{thread_id}/reply": client.post(
                f"/api/v1/threads/{thread.public_id}/reply",
                {"body": "Dank"},
                format="json",
            ).json(),
            "PATCH /api/v1/threads/{thread_id}": client.patch(
                f"/api/v1/threads/{thread.public_id}",
                {"assignee": "jan@shop.nl", "tags": ["a"], "status": "closed"},
                format="json",
            ).json(),
        }
        drain(budget_seconds=10)
    message = Message.objects.earliest("pk")
    ids = {
        "thread_id": thread.public_id,
        "message_id": message.public_id,
        "webhook_id": made["id"],
        "kind": "thread.closed",
    }
    for path, operations in document["paths"].items():
        bytes_alone = any(word in path for word in ("attachment", "raw", "export"))
        if "get" in operations and not bytes_alone:
            done[f"GET {path}"] = client.get(path.format(**ids)).json()
    held = 0
    for name, body in done.items():
        method, path = name.split()
        answers = document["paths"][path][method.lower()]["responses"]
        answer = next(a for status, a in answers.items() if status.startswith("2"))
        shape = next(iter(answer["content"].values()))["schema"]
        check = {**shape, "components": {"schemas": SHAPES}}
        errors = list(Draft202012Validator(check).iter_errors(body))
        assert errors == [], f"{name}: {errors[0].message}"
        held += 1
        known = SHAPES[shape["$ref"].rpartition("/")[2]]["properties"]
        assert set(body) <= set(known), name
    assert held >= 19
    first = done["GET /api/v1/threads/{thread_id}"]["messages"][0]
    assert set(first) == set(SHAPES["Message"]["properties"])
    problem = client.get("/api/v1/threads?colour=red").json()
    assert set(problem) == set(SHAPES["Problem"]["properties"])
