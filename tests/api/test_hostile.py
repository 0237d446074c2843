"""What a careless or hostile client sends: never a 500, HTML, or a surprise."""

import runpy
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, process_time

import pytest
from django.db import connection
from rest_framework.test import APIClient

from api.models import ApiKey, IdempotencyKey
from threads.models import Message, Thread
from webhooks.models import Delivery, Webhook

pytestmark = pytest.mark.django_db(transaction=True)

FORM = "application/x-www-form-urlencoded"
HOOK = {"url": "http://127.0.0.1:9999/", "events": ["thread.created"]}


@pytest.fixture
def client(client):
    """As a server answers: an error is an answer, not a raised exception."""
    client.raise_request_exception = False
    return client


def refused(answer, status, code, field=None):
    problem = answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert problem["request_id"] == answer["X-Request-Id"]
    if field is not None:
        assert [error["field"] for error in problem["errors"]] == [field]


# --- Bodies ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [FORM, "multipart/form-data; boundary=x", "text/plain"]
)
def test_an_empty_body_of_any_type_changes_nothing(client, kind):
    made = client.post("/api/v1/webhooks", HOOK, format="json").json()
    url = f"/api/v1/webhooks/{made['id']}"
    answer = client.patch(url, "", content_type=kind)
    assert answer.status_code == 200
    assert answer.json() == client.get(url).json()
    assert answer.json()["include_auto"]
    assert answer.json()["include_body"]


@pytest.mark.parametrize(
    "kind", [FORM, "multipart/form-data; boundary=x", "text/plain"]
)
def test_an_optional_body_may_be_empty_but_is_json_if_there_is_one(client, kind):
    made = client.post("/api/v1/webhooks", HOOK, format="json").json()
    url = f"/api/v1/webhooks/{made['id']}"
    assert client.post(f"{url}/test", "", content_type=kind).status_code == 202
    Delivery.objects.update(state="succeeded")
    again = f"/api/v1/deliveries/{Delivery.objects.get().public_id}/replay"
    assert client.post(again, "", content_type=kind).status_code == 202
    for path in (f"{url}/test", f"{url}/rotate-secret", again):
        Delivery.objects.update(state="succeeded")
        answer = client.post(path, "a=b", content_type=kind)
        refused(answer, 415, "unsupported_media_type")
    answer = client.patch(url, "include_auto=", content_type=FORM)
    refused(answer, 415, "unsupported_media_type")
    assert Webhook.objects.get().include_auto


@pytest.mark.parametrize(
    "body",
    [
        '{"\\ud800": 1}',
        '{"status": "\\ud800"}',
        '{"tags": ["\\uDFFF"]}',
        '{"headers": {"\\ud800": "x"}}',
        '{"a": "\\udc00\\ud800"}',
    ],
)
def test_half_a_character_is_no_json(client, arrive, body):
    thread = arrive()
    for path in (f"threads/{thread.public_id}", "webhooks"):
        method = client.post if path == "webhooks" else client.patch
        answer = method(f"/api/v1/{path}", body, content_type="application/json")
        refused(answer, 400, "parse_error")
        assert "surrogate" in answer.json()["detail"]


def test_one_name_twice_among_very_many_is_found_at_once(client, arrive):
    names = ",".join(f'"{number}":1' for number in range(40_000))
    url = f"/api/v1/threads/{arrive().public_id}"
    begun = process_time()
    answer = client.patch(
        url, f'{{{names},"39999":1}}', content_type="application/json"
    )
    assert process_time() - begun < 3
    refused(answer, 400, "parse_error")
    assert "'39999' stands twice" in answer.json()["detail"]


def test_a_pair_of_surrogates_is_one_character(client, arrive):
    url = f"/api/v1/threads/{arrive().public_id}"
    body = '{"subject": "\\ud83d\\udc1d"}'
    answer = client.patch(url, body, content_type="application/json")
    assert answer.json()["subject"] == "\N{HONEYBEE}"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"basic_auth": 5}, "basic_auth"),
        ({"basic_auth": True}, "basic_auth"),
        ({"basic_auth": [{}]}, "basic_auth"),
        ({"basic_auth": "abc"}, "basic_auth"),
        ({"timeout": "١٥"}, "timeout"),
        ({"timeout": "15"}, "timeout"),
        ({"timeout": 15.0}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"rate_limit": "5"}, "rate_limit"),
        ({"rate_limit": 2.5}, "rate_limit"),
        ({"ordered": "true"}, "ordered"),
        ({"ordered": None}, "ordered"),
        ({"include_auto": "true"}, "include_auto"),
    ],
)
def test_a_value_of_another_type_is_refused(client, change, field):
    answer = client.post("/api/v1/webhooks", {**HOOK, **change}, format="json")
    refused(answer, 400, "invalid", field)
    assert Webhook.objects.count() == 0


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({f"X-{number}": "a" for number in range(21)}, "too_many"),
        ({f"X-{number}": "a" * 900 for number in range(10)}, "too_many"),
        ({"X-A": "a" * 1001}, "invalid"),
        ({"X" * 101: "a"}, "reserved_header"),
        ({"Expect": "100-continue"}, "reserved_header"),
        ({"TE": "trailers"}, "reserved_header"),
        ({"Trailer": "X-A"}, "reserved_header"),
        ({"upgrade": "h2c"}, "reserved_header"),
        ({"Proxy-Authorization": "Basic eA=="}, "reserved_header"),
        ({"Proxy-Connection": "close"}, "reserved_header"),
    ],
)
def test_headers_of_a_webhook_have_limits(client, headers, code):
    answer = client.post(
        "/api/v1/webhooks", {**HOOK, "headers": headers}, format="json"
    )
    refused(answer, 400, code, "headers")
    most = {**HOOK, "headers": {f"X-{number}": "a" * 300 for number in range(20)}}
    assert client.post("/api/v1/webhooks", most, format="json").status_code == 201


# --- Paths and queries ----------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "threads/{}",
        "threads/{}/messages",
        "threads/{}/events",
        "messages/{}",
        "messages/{}/raw",
        "attachments/{}",
        "events/samples/{}",
        "webhooks/{}",
        "webhooks/{}/deliveries",
        "{}",
    ],
)
@pytest.mark.parametrize("name", ["%00", "c%00", "x%0ay", "%0a", "%ED%A0%80", "é"])
def test_a_path_that_is_none_is_404(client, path, name):
    refused(client.get(f"/api/v1/{path.format(name)}"), 404, "not_found")


@pytest.mark.parametrize("name", ["tag", "assignee", "from", "domain", "mailbox"])
def test_a_control_character_in_a_query_is_refused_by_name(client, arrive, name):
    arrive()
    answer = client.get(f"/api/v1/threads?{name}=a%00b")
    refused(answer, 400, "invalid_parameter", name)


def test_a_control_character_in_after_is_refused(client, arrive):
    thread = arrive()
    for path in ("events", f"threads/{thread.public_id}/events"):
        answer = client.get(f"/api/v1/{path}?after=%00")
        refused(answer, 400, "invalid_parameter", "after")


@pytest.mark.parametrize("cursor", ["W1tdLDFd", "W3t9LDFd", "bnVsbA", "W10", "%C3%A9"])
def test_a_cursor_of_another_make_is_refused(client, arrive, cursor):
    arrive()
    answer = client.get(f"/api/v1/threads?cursor={cursor}")
    refused(answer, 400, "invalid_cursor", "cursor")


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_a_time_beyond_the_calendar_is_refused(client, arrive, moment):
    thread = arrive()
    for name in ("updated_since", "created_since"):
        answer = client.get("/api/v1/threads", {name: moment})
        refused(answer, 400, "invalid_parameter", name)
    url = f"/api/v1/threads/{thread.public_id}"
    answer = client.patch(url, {"snoozed_until": moment}, format="json")
    refused(answer, 400, "invalid_parameter", "snoozed_until")


def test_times_are_compared_in_utc(client, arrive):
    arrive()
    assert client.get(
        "/api/v1/threads", {"created_since": "0001-01-01T00:00:00Z"}
    ).json()["results"]
    url = f"/api/v1/threads/{Thread.objects.get().public_id}"
    asked = {"snoozed_until": "2030-01-01T09:00:00+05:30"}
    answer = client.patch(url, asked, format="json").json()
    assert answer["snoozed_until"] == "2030-01-01T03:30:00.000Z"
    for_ever = {"snoozed_until": "9999-12-31T23:59:59Z"}
    answer = client.patch(url, for_ever, format="json").json()
    assert answer["snoozed_until"] == "9999-12-30T00:00:00.000Z"


# --- Routes and hosts -----------------------------------------------------------


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1", "/api/v1/"])
def test_the_api_begins_with_a_signpost(db, path):
    answer = APIClient().get(path)
    assert answer.status_code == 200
    assert answer.json() == {
        "v1": "http://testserver/api/v1",
        "docs": "http://testserver/api/docs",
        "openapi": "http://testserver/api/v1/openapi.json",
    }


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("path", ["nowhere", "v1/nowhere", "a%0ab", "v1/threads%0a"])
def test_an_unknown_route_is_a_problem_by_any_method(client, method, path):
    strict = APIClient(enforce_csrf_checks=True)
    answer = getattr(strict, method)(f"/api/{path}")
    if path.startswith("v1/"):
        refused(answer, 401, "not_authenticated")
    else:
        refused(answer, 404, "not_found")
    answer = getattr(client, method)(f"/api/{path}")
    refused(answer, 404, "not_found")
    assert answer["RateLimit-Limit"] == "600"
    strict.credentials(HTTP_AUTHORIZATION="Bearer mb_wrong")
    answer = getattr(strict, method)(f"/api/{path}")
    refused(answer, 401, "authentication_failed")


def test_asking_for_nothing_counts_too(client):
    ApiKey.objects.update(rate_limit=1)
    assert client.get("/api/v1/nowhere").status_code == 404
    refused(client.get("/api/v1/nowhere"), 429, "rate_limited")


def test_a_host_that_is_not_ours_is_told_so_in_json(client):
    for path in ("/api/v1/me", "/api"):
        refused(client.get(path, HTTP_HOST="evil.example"), 400, "bad_request")
    answer = client.get("/admin/", HTTP_HOST="evil.example")
    assert answer.status_code == 400
    assert answer["Content-Type"].startswith("text/html")


def test_the_staff_site_keeps_its_own_pages_and_its_slash(client):
    assert client.get("/apis")["Content-Type"].startswith("text/html")
    assert client.get("/admin").status_code in {301, 302}


@pytest.mark.parametrize(
    "accept",
    ["message/rfc822", "application/pdf", "image/*", "application/problem+json", "x"],
)
def test_every_route_answers_whatever_is_accepted(client, arrive, accept):
    thread = arrive(attachment=("a.pdf", b"%PDF"))
    message = thread.messages.get()
    attachment = message.attachment_set.get()
    for path, kind in (
        (f"messages/{message.public_id}/raw", "message/rfc822"),
        (f"attachments/{attachment.public_id}", "application/pdf"),
        ("me", "application/json"),
        ("openapi.json", "application/json"),
    ):
        answer = client.get(f"/api/v1/{path}", HTTP_ACCEPT=accept)
        assert (answer.status_code, answer["Content-Type"]) == (200, kind)
    refused(client.get("/api/v1/me?a=b", HTTP_ACCEPT=accept), 400, "unknown_parameter")


# --- Many at once ---------------------------------------------------------------


def test_one_idempotency_key_refused_many_times_at_once_is_never_an_error(key, arrive):
    thread = arrive()
    Thread.objects.update(status="spam")
    plain = key()
    ApiKey.objects.update(rate_limit=10_000)

    def post(number):
        client = APIClient(raise_request_exception=False)
        client.credentials(**plain._credentials)
        try:
            return client.post(
                f"/api/v1/threads/{thread.public_id}/reply",
                {"body": "x"},
                format="json",
                HTTP_IDEMPOTENCY_KEY=f"key-{number % 2}",
            ).json()["code"]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        codes = set(pool.map(post, range(80)))
    assert "thread_is_spam" in codes or "smtp_not_configured" in codes
    assert codes <= {"thread_is_spam", "smtp_not_configured", "request_in_flight"}
    assert IdempotencyKey.objects.count() == 0
    assert Message.objects.count() == 1


# --- Waiting --------------------------------------------------------------------


def test_whoever_waits_for_events_leaves_threads_for_the_others(key):
    """As many threads as a process of the web server has, and twice the waiters."""
    threads = runpy.run_path("gunicorn.conf.py")["threads"]
    clients = [key(name=f"{number}") for number in range(2 * threads)]

    def ask(client, path):
        begun = monotonic()
        try:
            answer = client.get(path)
        finally:
            connection.close()
        assert answer.status_code == 200, answer.content
        return monotonic() - begun, answer.json()

    with ThreadPoolExecutor(threads) as server:
        waiting = [server.submit(ask, c, "/api/v1/events?wait=6") for c in clients]
        begun = monotonic()
        assert server.submit(ask, clients[0], "/healthz").result()[1] == {
            "status": "ok"
        }
        assert monotonic() - begun < 5.5
        answers = [one.result() for one in waiting]
    nothing = {"results": [], "next_after": None, "has_more": False}
    assert [body for _, body in answers] == [nothing] * len(clients)
    assert sum(seconds >= 6 for seconds, _ in answers) == threads // 2


def test_one_request_of_a_key_waits_at_a_time(key):
    client = key()

    def ask(_):
        begun = monotonic()
        try:
            assert client.get("/api/v1/events?wait=3").status_code == 200
        finally:
            connection.close()
        return monotonic() - begun

    with ThreadPoolExecutor(2) as server:
        first, second = sorted(server.map(ask, range(2)))
    assert first < 2.5
    assert second >= 3
    assert ask(0) >= 3
