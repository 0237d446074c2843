"""Old texts go; the thread, its history and the laws stay whole."""

import pytest
from django.core.management import call_command

from threads.admin.history import history
from threads.laws import LAWS
from webhooks import checks, retention
from webhooks.leases import in_seconds
from webhooks.models import Event, EventBody

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_too_old_is_forgotten_and_nothing_else_misses_it(client, arrive):
    thread = arrive(text="Mijn pincode is 4711.\n")
    path = f"/api/v1/threads/{thread.public_id}"
    client.patch(path, {"status": "closed"}, format="json")
    before = [(line.when, line.what) for line in history(thread)]
    Event.objects.update(created_at=in_seconds(-31 * 86_400))
    assert retention.prune(10) == 3
    kept = b"".join(bytes(one.body) for one in EventBody.objects.all())
    assert b"4711" not in kept
    assert b"klant@bedrijf.nl" not in kept
    assert [line.what for line in history(thread)] == [what for _when, what in before]
    assert [found for law in LAWS for found in law.broken()] == []
    assert client.get("/api/v1/events").json()["results"] == []
    assert client.get(path).json()["messages"][0]["body_text"].strip()
    call_command("deliver", "--once")


def test_too_short_a_retention_is_a_mistake(settings):
    settings.RETENTION_DAYS = 0
    assert [found.id for found in checks.retention(None)] == ["webhooks.E004"]
    settings.RETENTION_DAYS = 7
    assert checks.retention(None) == []
