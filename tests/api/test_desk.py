"""The front desk: keys, scopes, limits, errors, events, webhooks, documents."""

import json
import re

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from api.admin import ApiKeyForm
from api.models import ApiKey
from api.urls import v1
from tests.receivers import receiving
from threads.models import Message, Thread
from webhooks.catalogue import EVENTS
from webhooks.delivery import drain
from webhooks.models import Delivery, Event, Webhook

pytestmark = pytest.mark.django_db(transaction=True)


def test_without_a_key_it_is_401_with_a_challenge(db):
    answer = APIClient().get("/api/v1/threads")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "not_authenticated"


def test_a_wrong_revoked_or_query_key_is_401(client, key, settings):
    stranger = APIClient()
    stranger.credentials(HTTP_AUTHORIZATION="Bearer mb_wrong")
    assert stranger.get("/api/v1/me").status_code == 401
    ApiKey.objects.update(revoked_at="2026-01-01T00:00:00Z")
    assert client.get("/api/v1/me").status_code == 401


def test_a_key_is_kept_as_a_digest_only(db):
    row, plain = ApiKey.objects.issue("x")
    stored = json.dumps(list(ApiKey.objects.values()), default=str)
    assert plain.startswith("mb_")
    assert plain not in stored
    assert row.digest in stored


def test_without_the_scope_it_is_403_naming_it(key):
    answer = key(scopes=["events:read"]).get("/api/v1/threads")
    assert answer.status_code == 403
    assert "threads:read" in answer.json()["detail"]


def test_me_tells_what_the_key_may(key):
    body = key("crm", domains=["shop.nl"]).get("/api/v1/me").json()
    assert (body["name"], body["domains"], body["rate_limit"]) == (
        "crm",
        ["shop.nl"],
        600,
    )
    assert "messages:send_any" not in body["scopes"]


def test_the_rate_is_counted_on_every_answer_and_refused_beyond(client):
    ApiKey.objects.update(rate_limit=2)
    first = client.get("/api/v1/me")
    assert (first["RateLimit-Limit"], first["X-RateLimit-Remaining"]) == ("2", "1")
    assert 0 < int(first["RateLimit-Reset"]) <= 60
    client.get("/api/v1/threads?colour=red")
    refused = client.get("/api/v1/me")
    assert refused.status_code == 429
    assert refused["Retry-After"] == refused["RateLimit-Reset"]
    assert refused["RateLimit-Remaining"] == "0"


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ("{", "application/json", 400, "parse_error"),
        ("[]", "application/json", 400, "parse_error"),
        ('{"a": NaN}', "application/json", 400, "parse_error"),
        ('{"body": "a", "body": "b"}', "application/json", 400, "parse_error"),
        ('{"a":' * 100_000, "application/json", 400, "parse_error"),
        ("a=b", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        ('{"body": 5}', "application/json", 400, "invalid"),
        ('{"body": "x", "cc": "y"}', "application/json", 400, "invalid"),
        ('{"body": "x", "close": "yes"}', "application/json", 400, "invalid"),
        ('{"body": "x", "colour": 1}', "application/json", 400, "invalid"),
        ('{"body": "\\ud800"}', "application/json", 400, "parse_error"),
        ('{"\\udfff": 1}', "application/json", 400, "parse_error"),
        ('{"to": [{"a": "\\uD83D"}]}', "application/json", 400, "parse_error"),
    ],
)
def test_a_bad_body_is_refused(client, arrive, body, kind, status, code, settings):
    settings.EMAIL_HOST = "127.0.0.1"
    url = f"/api/v1/threads/{arrive().public_id}/reply"
    answer = client.post(url, body, content_type=kind)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert Message.objects.count() == 1


def test_a_body_over_the_limit_is_413(client, arrive, settings):
    settings.API_BODY_LIMIT = 1000
    url = f"/api/v1/threads/{arrive().public_id}/reply"
    answer = client.post(url, {"body": "x" * 2000}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_unknown_routes_and_methods_are_problems_too(client):
    for url in ("/api/nowhere", "/api/v1/nowhere", "/api/v1/threads/cxxx"):
        answer = client.get(url)
        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/problem+json"
    assert client.put("/api/v1/threads", {}, format="json").status_code == 405


# --- Domains --------------------------------------------------------------------


def test_a_key_sees_its_own_domains_only_on_every_route(key, arrive):
    other = arrive(to="info@ander.nl", attachment=("a.pdf", b"x"))
    message = Message.objects.get()
    whole = key()
    with receiving() as receiver:
        hook = whole.post(
            "/api/v1/webhooks",
            {"url": receiver.url, "events": ["message.received"]},
            format="json",
        ).json()
        whole.post(f"/api/v1/webhooks/{hook['id']}/test", {}, format="json")
    arrive()
    bound = key(domains=["shop.nl"])
    ids = {
        "thread_id": other.public_id,
        "message_id": message.public_id,
        "attachment_id": message.attachment_set.get().public_id,
        "webhook_id": hook["id"],
        "delivery_id": Delivery.objects.earliest("pk").public_id,
        "kind": "message.received",
    }
    secrets = [value for name, value in ids.items() if name != "kind"]
    seen = 0
    for route in v1:
        names = [n for n in ids if f":{n}>" in str(route.pattern)]
        path = "/api/v1/" + str(route.pattern)
        for name in names:
            path = re.sub(f"<\\w+:{name}>", ids[name], path)
        posts = ("reply", "test", "replay", "rotate-secret", "merge", "split")
        method = "post" if path.endswith(posts) else "get"
        answer = getattr(bound, method)(
            path,
            {"body": "x"} if "reply" in path else {},
            **({"format": "json"} if method == "post" else {}),
        )
        if names and names != ["kind"]:
            seen += 1
            assert answer.status_code == 404, path
        text = (answer.getvalue() if answer.streaming else answer.content).decode()
        assert "ander.nl" not in text, path
        assert not any(value in text for value in secrets), path
    assert seen >= 9


def test_a_foreign_and_a_missing_object_answer_alike(key, arrive):
    other = arrive(to="info@ander.nl")
    arrive()
    bound = key(domains=["shop.nl"])
    answers = []
    for thread_id in (other.public_id, "c" + "0" * 24, "c0", "é", "%00", "a%0ab"):
        answer = bound.get(f"/api/v1/threads/{thread_id}")
        body = answer.json()
        body.pop("request_id")
        answers.append((answer.status_code, body))
    assert answers[0] == (404, answers[0][1])
    assert all(answer == answers[0] for answer in answers)


def test_a_bound_key_makes_bound_webhooks(key, arrive):
    arrive()
    arrive(to="info@ander.nl")
    bound = key(domains=["shop.nl"])
    want = {"url": "http://127.0.0.1:9999/", "events": ["message.received"]}
    made = bound.post("/api/v1/webhooks", want, format="json").json()
    assert made["domains"] == ["shop.nl"]
    for extra in ({"domains": ["ander.nl"]}, {"mailboxes": ["info@ander.nl"]}):
        answer = bound.post("/api/v1/webhooks", {**want, **extra}, format="json")
        assert answer.status_code == 400
    url = f"/api/v1/webhooks/{made['id']}"
    changed = bound.patch(url, {"domains": []}, format="json").json()
    assert changed["domains"] == ["shop.nl"]


def test_a_narrowed_webhook_shows_a_bound_key_nothing_of_its_past(key, arrive):
    arrive()
    arrive(to="info@ander.nl")
    whole, bound = key(), key(domains=["shop.nl"])
    with receiving() as receiver:
        want = {"url": receiver.url, "events": ["message.received"]}
        made = whole.post("/api/v1/webhooks", want, format="json").json()
        url = f"/api/v1/webhooks/{made['id']}"
        arrive(to="info@ander.nl", text="Geheim\n")
        drain(budget_seconds=10)
        delivery = whole.get(f"{url}/deliveries").json()["results"][0]
        whole.patch(url, {"domains": ["shop.nl"]}, format="json")
        assert bound.get(f"{url}/deliveries").json()["results"] == []
        again = f"/api/v1/deliveries/{delivery['id']}/replay"
        assert bound.post(again, format="json").status_code == 404
        bound.post(f"{url}/test", {}, format="json")
        drain(budget_seconds=10)
        (tested,) = bound.get(f"{url}/deliveries").json()["results"]
    assert tested["event"] == "webhook.test"


# --- Webhooks -------------------------------------------------------------------


def test_a_webhook_lives_from_creation_to_deletion(client):
    with receiving() as receiver:
        want = {"url": receiver.url, "events": ["message.received"]}
        answer = client.post("/api/v1/webhooks", want, format="json")
        made = answer.json()
        assert answer.status_code == 201
        assert made["secret"].startswith("whsec_")
        url = f"/api/v1/webhooks/{made['id']}"
        assert answer["Location"] == url
        assert "secret" not in client.get(url).json()
        tested = client.post(f"{url}/test", {}, format="json")
        assert (tested.status_code, tested.json()["event"]) == (202, "webhook.test")
        drain(budget_seconds=10)
        assert len(receiver.requests) == 1
    delivery = client.get(f"{url}/deliveries").json()["results"][0]
    assert delivery["state"] == "succeeded"
    assert delivery["attempts"][0]["status"] == 204
    again = client.post(f"/api/v1/deliveries/{delivery['id']}/replay", format="json")
    assert (again.status_code, again.json()["replay_no"]) == (202, 1)
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404
    assert client.get("/api/v1/webhooks").json()["results"] == []


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"url": "https://10.0.0.1/"}, "url", "url_not_allowed"),
        ({"url": "ftp://x/"}, "url", "url_not_allowed"),
        ({"events": []}, "events", "empty"),
        ({"events": ["thread.exploded"]}, "events", "unknown_event"),
        ({"headers": {"Webhook-Id": "x"}}, "headers", "reserved_header"),
        ({"timeout": 60}, "timeout", "invalid"),
        ({"rate_limit": 0}, "rate_limit", "invalid"),
        ({"secret": "x"}, "secret", "unknown_field"),
    ],
)
def test_a_wrong_webhook_is_refused_with_the_field(client, change, field, code):
    want = {"url": "http://127.0.0.1:9999/", "events": ["message.received"], **change}
    answer = client.post("/api/v1/webhooks", want, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
    assert answer.json()["errors"][0]["code"] == code
    assert Webhook.objects.count() == 0


def test_a_webhook_has_no_pace_of_its_own_unless_asked(client):
    want = {"url": "http://127.0.0.1:9999/", "events": ["message.received"]}
    made = client.post("/api/v1/webhooks", want, format="json").json()
    assert (made["rate_limit"], made["ordered"]) == (None, False)
    url = f"/api/v1/webhooks/{made['id']}"
    paced = client.patch(url, {"rate_limit": 5, "ordered": True}, format="json").json()
    assert (paced["rate_limit"], paced["ordered"]) == (5, True)
    assert client.get(url).json() == paced
    free = client.patch(url, {"rate_limit": None}, format="json").json()
    assert (free["rate_limit"], free["ordered"]) == (None, True)


def test_a_refused_url_says_what_would_allow_it(client):
    want = {"url": "https://10.0.0.1/", "events": ["message.received"]}
    problem = client.post("/api/v1/webhooks", want, format="json").json()
    assert "WEBHOOK_ALLOWED_NETWORKS" in problem["fix"]
    assert "10.0.0.1/32" in problem["fix"]


def test_a_name_that_does_not_resolve_yet_is_saved_with_a_warning(client):
    want = {"url": "https://hooks.invalid/", "events": ["message.received"]}
    answer = client.post("/api/v1/webhooks", want, format="json")
    assert answer.status_code == 201
    assert "hooks.invalid" in answer.json()["warnings"][0]


def test_a_paused_webhook_is_not_tested_and_a_replay_to_it_is_held(client):
    with receiving() as receiver:
        want = {"url": receiver.url, "events": ["message.received"]}
        made = client.post("/api/v1/webhooks", want, format="json").json()
        url = f"/api/v1/webhooks/{made['id']}"
        client.post(f"{url}/test", {}, format="json")
        drain(budget_seconds=10)
        client.patch(url, {"state": "paused"}, format="json")
        refused = client.post(f"{url}/test", {}, format="json")
        assert (refused.status_code, refused.json()["code"]) == (
            409,
            "webhook_not_active",
        )
        delivery = client.get(f"{url}/deliveries").json()["results"][0]["id"]
        again = client.post(f"/api/v1/deliveries/{delivery}/replay", format="json")
        assert (again.status_code, again.json()["state"]) == (202, "held")
        drain(budget_seconds=10)
        assert len(receiver.requests) == 1


# --- Events ---------------------------------------------------------------------


def test_the_log_is_read_from_where_one_left_off(client, arrive):
    arrive()
    arrive(text="x\n")
    first = client.get("/api/v1/events?limit=3").json()
    assert [e["event"] for e in first["results"]] == [
        "thread.created",
        "message.received",
        "thread.created",
    ]
    assert first["has_more"]
    rest = client.get(f"/api/v1/events?after={first['next_after']}").json()
    assert [e["event"] for e in rest["results"]] == ["message.received"]
    assert not rest["has_more"]
    end = client.get(f"/api/v1/events?after={rest['next_after']}").json()
    assert (end["results"], end["next_after"]) == ([], rest["next_after"])
    newest = client.get("/api/v1/events?order=desc&limit=1").json()["results"][0]
    assert newest["id"] == Event.objects.latest("position").public_id


def test_the_log_of_a_thread_and_of_a_type(client, arrive):
    thread = arrive()
    arrive(text="x\n")
    own = client.get(f"/api/v1/threads/{thread.public_id}/events").json()
    assert [e["sequence"] for e in own["results"]] == [1, 2]
    one = client.get("/api/v1/events?type=thread.created&domain=shop.nl").json()
    assert len(one["results"]) == 2
    assert client.get("/api/v1/events?type=thread.x").status_code == 400
    assert client.get("/api/v1/events?after=c0000").status_code == 410
    assert client.get("/api/v1/events?after=czzzz").status_code == 400


@pytest.mark.parametrize("kind", EVENTS)
def test_every_event_has_a_sample_on_an_empty_installation(client, kind):
    body = client.get(f"/api/v1/events/samples/{kind}").json()
    assert body["event"] == kind


def test_a_sample_has_the_shape_of_the_real_thing(client, arrive):
    arrive()
    real = client.get("/api/v1/events?type=message.received").json()["results"][0]
    shown = client.get("/api/v1/events/samples/message.received").json()
    assert list(shown) == list(real)
    assert set(shown["thread"]) == set(real["thread"])
    assert set(shown["message"]) == set(real["message"])


# --- The rest -------------------------------------------------------------------


def test_mailboxes_users_and_teams_are_listed(client, arrive):
    arrive()
    mailbox = client.get("/api/v1/mailboxes").json()["results"][0]
    assert (mailbox["address"], mailbox["domain"]) == ("support@shop.nl", "shop.nl")
    assert client.get("/api/v1/users").json()["results"] == []
    assert client.get("/api/v1/teams").json()["results"] == []


def test_the_documentation_page_needs_no_internet(db, settings):
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}
    page = APIClient().get("/api/docs").content.decode()
    assert "swagger" in page.lower()
    assert "https://" not in page.replace("https://testserver", "")


def test_healthz_is_public_and_says_little(db):
    answer = APIClient().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x00b", "x" * 101])
def test_the_name_of_a_key_is_one_line(db, name):
    with pytest.raises(CommandError, match="one line of 1 to 100") as error:
        call_command("create_api_key", name)
    assert error.value.returncode == 2
    assert ApiKey.objects.count() == 0
    form = ApiKeyForm({"name": name, "scopes": ["threads:read"], "rate_limit": 600})
    assert list(form.errors) == ["name"]


def test_create_api_key_prints_the_key_alone(capsys, arrive):
    arrive()
    call_command("create_api_key", "crm", "--domain", "shop.nl")
    plain = capsys.readouterr().out.strip()
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
    assert client.get("/api/v1/me").json()["domains"] == ["shop.nl"]
    with pytest.raises(CommandError, match="threads:read") as refused:
        call_command("create_api_key", "x", "--scope", "threads:reed")
    assert refused.value.returncode == 2
    assert Thread.objects.count() == 1
