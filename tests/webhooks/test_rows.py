"""Rows written by one statement are those that the ORM would have written."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models.functions import Now

from webhooks import rows
from webhooks.leases import clock, in_seconds
from webhooks.models import Attempt, Delivery, Event, EventBody, Webhook

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 31, 21, 5, 59, 123456, tzinfo=UTC)
ODD = 'é 😀 "quoted" \'s \\ \\u0041 %s %(a)s \x1f \u2028 {"a": [1]} null'


def all_of(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.fields}


@pytest.fixture
def webhook():
    return Webhook.objects.create(url="https://example.com/", events=[])


def event_of(**values):
    return Event(
        **{
            "type": ODD[:60],
            "thread": "",
            "mailbox": ODD,
            "sequence": 2**31 - 1,
            "position": 2**62,
            "cause": str(uuid4()),
            "silent": True,
            "created_at": NOW,
        }
        | values
    )


def attempt_of(delivery, **values):
    return Attempt(
        **{
            "delivery": delivery,
            "number": 1,
            "started_at": NOW,
            "duration_ms": 0,
            "status": None,
            "peer_public": False,
            "error_words": [{"a": ODD, "b": None}, [1, 2.5, True], ""],
            "response_excerpt": ODD,
        }
        | values
    )


def test_every_kind_of_value_comes_back(webhook):
    told = event_of()
    body = EventBody(event=told, format="full", body=bytes(range(256)))
    delivery = Delivery(
        event=told,
        webhook=webhook,
        body=body,
        token=uuid4(),
        claimed_until=NOW,
        next_at=NOW,
        created_at=NOW,
    )
    attempt = attempt_of(delivery)
    # Each is put together before the one it names has a key.
    for row in (told, body, delivery, attempt):
        rows.insert([row])
        stored = type(row).objects.get(pk=row.pk)
        (read,) = rows.read(type(row), "WHERE id = %s", row.pk)
        mine, theirs, again = all_of(row), all_of(stored), all_of(read)
        if "body" in mine:
            theirs["body"] = bytes(theirs["body"])
        assert theirs == again == mine
        assert [type(value) for value in again.values()] == [
            type(value) for value in theirs.values()
        ]
        assert read == stored
        assert not row._state.adding
        assert not read._state.adding


def test_keys_come_in_the_order_of_the_rows():
    many = [event_of(position=number) for number in range(3000)]
    rows.insert(many)
    assert list(Event.objects.order_by("position").values_list("pk", flat=True)) == [
        row.pk for row in many
    ]


def test_only_the_named_fields_of_the_given_rows_change(webhook):
    many = [event_of(position=number) for number in range(3)]
    rows.insert(many)
    for row in many[:2]:
        row.mailbox, row.sequence = f"{ODD}{row.position}", 7
        row.erased_at = NOW + timedelta(days=row.position)
        row.type = "not named"
    rows.update(many[:2], ["mailbox", "sequence", "erased_at"])
    found = Event.objects.order_by("position")
    assert [e.mailbox for e in found] == [f"{ODD}0", f"{ODD}1", ODD]
    assert [e.erased_at for e in found] == [NOW, NOW + timedelta(days=1), None]
    assert {e.type for e in found} == {ODD[:60]}


def test_no_rows_are_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        rows.insert([])
        rows.update([], ["mailbox"])


def test_an_expression_is_no_plain_value():
    with pytest.raises(TypeError, match=r"Event\.created_at has no plain value"):
        rows.insert([event_of(created_at=Now())])
    with pytest.raises(TypeError, match=r"Delivery\.next_at has no plain value"):
        rows.insert([Delivery(created_at=NOW)])


def test_a_secret_is_never_written_in_clear():
    with pytest.raises(TypeError, match="is encrypted"):
        rows.insert([Webhook(url="https://example.com/", events=[])])


@pytest.mark.django_db(transaction=True)
def test_what_the_database_refuses_is_raised_and_nothing_is_written():
    with pytest.raises(IntegrityError):
        rows.insert([event_of(cause="same", position=n) for n in range(2)])
    if connection.vendor == "postgresql":
        with pytest.raises(DataError):
            rows.insert([event_of(position=1), event_of(type="x" * 65, position=2)])
        with pytest.raises(DataError):
            rows.insert([event_of(type="\x00")])
    assert not Event.objects.exists()


def test_what_the_clock_says_is_due_at_once(webhook):
    told = event_of()
    rows.insert([told])
    body = EventBody.objects.create(event=told, format="full", body=b"")
    due = clock()
    rows.insert(
        [Delivery(event=told, webhook=webhook, body=body, next_at=due, created_at=due)]
    )
    assert Delivery.objects.filter(next_at__lte=Now()).exists()
    assert not Delivery.objects.filter(next_at__gt=in_seconds(0)).exists()


def test_keys_are_there_before_their_rows(webhook):
    first, second = event_of(position=1), event_of(position=2)
    with transaction.atomic():
        rows.take_keys([first, second])
        keys = [first.pk, second.pk]
        assert len(set(keys)) == 2
        rows.insert([first, second])
    assert [first.pk, second.pk] == keys
    assert Event.objects.get(pk=keys[1]).position == 2
    # Whoever comes after, by whichever way, gets another one.
    third, fourth = event_of(position=3), event_of(position=4)
    third.save()
    with transaction.atomic():
        rows.take_keys([fourth])
        rows.insert([fourth])
    assert len({*keys, third.pk, fourth.pk}) == 4
    rows.take_keys([])
