"""What Prometheus reads is what happened."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.processes import ROOT
from tests.receivers import receiving
from webhooks import delivery, subscriptions
from webhooks.leases import Lease, in_seconds
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = "a-long-token"


def read():
    answer = Client().get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.content.decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name.removeprefix("mailbelly_"): float(value) for name, value in pairs}


def test_without_the_token_there_is_nothing_to_see(settings):
    client = Client()
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics").status_code == 404
    settings.METRICS_TOKEN = TOKEN
    assert client.get("/metrics").status_code == 401
    wrong = client.get("/metrics", HTTP_AUTHORIZATION="Bearer é")
    assert wrong.status_code == 401
    assert wrong["WWW-Authenticate"] == "Bearer"


def test_they_count_what_happened(settings, arrive):
    settings.METRICS_TOKEN = TOKEN
    empty = read()
    assert empty["due_oldest_age_seconds"] == 0
    assert "drain_last_run_age_seconds" not in empty
    with receiving() as good, receiving((503, {}, b"")) as bad:
        made = [
            subscriptions.create({"url": url, "events": ["message.received"]})[0]
            for url in (good.url, bad.url, "http://127.0.0.1:1999/")
        ]
        subscriptions.change(made[2], {"state": "paused"})
        arrive()
        settings.WEBHOOK_ALLOWED_NETWORKS = []
        delivery.drain(budget_seconds=10)
        settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
        Delivery.objects.filter(state="pending").update(next_at=Now())
        lease = Lease("drain:here:1")
        assert lease.hold()
        lease.give_back()
        delivery.drain(budget_seconds=10)
        late = Delivery.objects.filter(state="pending")
        late.update(next_at=in_seconds(-90), lost_leases=2)
    with CaptureQueriesContext(connection) as statements:
        found = read()
    assert len(statements) <= 12
    assert 89 <= found["due_oldest_age_seconds"] < 120
    assert found['deliveries{state="pending"}'] == 1
    assert found['deliveries{state="held"}'] == 1
    assert found['attempts_recent{class="2xx"}'] == 1
    assert found['attempts_recent{class="5xx"}'] == 1
    assert found['attempts_recent{class="address_refused"}'] == 2
    assert found["blocked_addresses_recent"] == 2
    assert found["mail_to_receiver_recent"] == 1
    assert 0 < found['mail_to_receiver_seconds{quantile="0.5"}'] < 60
    assert found["lost_leases_recent"] == 2
    assert 0 <= found["drain_last_run_age_seconds"] < 60
    late.update(state="claimed", token="0" * 32, claimed_until=Now() + timedelta(60))
    busy = read()
    assert busy[f'deliveries_in_flight{{webhook="{made[1].public_id}"}}'] == 1


def test_each_is_documented(settings):
    settings.METRICS_TOKEN = TOKEN
    answer = Client().get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}")
    names = re.findall(
        r"^# TYPE mailbelly_(\w+) gauge$", answer.content.decode(), re.MULTILINE
    )
    page = (ROOT / "docs/operations.md").read_text()
    assert len(names) > 9
    assert [
        n for n in names if not re.search(rf"^\| `{n}[`{{]", page, re.MULTILINE)
    ] == []
