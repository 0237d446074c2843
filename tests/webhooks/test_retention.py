"""What is old is forgotten; what is still to be told is not."""

import json

import pytest

from webhooks import retention
from webhooks.leases import in_seconds
from webhooks.models import Attempt, Delivery, Event, EventBody

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 86_400


def test_old_texts_attempts_and_deliveries_go_in_batches(webhook, publish, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    webhook("https://example.com/", include_body=False)
    old, recent = publish(5), publish(1)
    pks = [event.pk for event in old]
    for one in Delivery.objects.all():
        Attempt.objects.create(
            delivery=one, number=1, started_at=one.created_at, duration_ms=1
        )
    Event.objects.filter(pk__in=pks).update(created_at=in_seconds(-31 * DAY))
    mine = Delivery.objects.filter(event__in=pks)
    mine.update(created_at=in_seconds(-31 * DAY), state="succeeded", attempts=1)
    Delivery.objects.filter(event=pks[0]).update(state="pending")
    Delivery.objects.filter(event=pks[1]).update(state="held")
    assert retention.prune(10) == 4
    assert retention.prune(10) == 0
    kept = {pks[0], recent[0].pk}
    assert (
        set(Event.objects.filter(erased_at=None).values_list("pk", flat=True)) == kept
    )
    assert set(Delivery.objects.values_list("event", flat=True)) == kept
    assert Attempt.objects.count() == 2
    assert Event.objects.count() == 6
    assert EventBody.objects.filter(format="bare").count() == 2
    stub = json.loads(bytes(EventBody.objects.get(event=pks[2]).body))
    assert "klant@x.nl" not in str(stub)
    assert set(stub) == {
        *("event", "thread_id", "timestamp", "id", "sequence", "mailbox", "domain")
    }


def test_whoever_sent_it_again_lately_still_needs_it(webhook, publish):
    webhook("https://example.com/")
    publish(1)
    Event.objects.update(created_at=in_seconds(-31 * DAY))
    Delivery.objects.update(state="succeeded")
    assert retention.prune(10) == 0
