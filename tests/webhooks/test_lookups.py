"""`among` finds what `in` finds, whatever the number of values."""

from uuid import uuid4

import pytest

from webhooks.models import Delivery, Event, EventBody, Webhook

pytestmark = pytest.mark.django_db

ODD = 'é 😀 "quoted" \'s \\ \\u0041 %s {a,b} null'


@pytest.fixture
def events():
    return [
        Event.objects.create(type=kind, cause=str(uuid4()), sequence=number)
        for number, kind in enumerate((ODD, "", "x", "X"))
    ]


def pks(**lookup):
    return set(Event.objects.filter(**lookup).values_list("pk", flat=True))


def test_texts_and_numbers_are_found_as_they_are(events):
    for wanted in ([], [ODD], ["", "x"], ["X", "X", "not there"], {"x"}):
        assert pks(type__among=wanted) == pks(type__in=wanted)
    for wanted in ([], [0], {1, 3}, [2**31 - 1]):
        assert pks(sequence__among=wanted) == pks(sequence__in=wanted)
    assert pks(pk__among=[e.pk for e in events]) == {e.pk for e in events}


def test_rows_that_others_name_are_found_through_them(events):
    webhook = Webhook.objects.create(url="https://example.com/", events=[])
    for event in events[:2]:
        body = EventBody.objects.create(event=event, format="full", body=b"")
        Delivery.objects.create(event=event, webhook=webhook, body=body)
    found = Delivery.objects.filter(
        event__among=[events[0].pk, events[3].pk], event__type__among=[ODD]
    )
    assert [delivery.event for delivery in found] == [events[0]]


def test_there_may_be_more_values_than_parameters(events):
    some = [*range(50_000), *(e.pk for e in events)]
    assert pks(pk__among=some) == {e.pk for e in events}
