"""Who fails for long is told of, switched off, and offered what it missed."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db.models.functions import Now
from django.utils import timezone

from tests.receivers import receiving
from threads.models import User
from webhooks import delivery, health, replays, subscriptions
from webhooks.leases import in_seconds
from webhooks.models import Delivery, Event, Replay, Webhook

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = 3600


@pytest.fixture
def staff(db):
    User.objects.create_superuser("an", "an@shop.nl", "x", language="nl")
    User.objects.create_superuser("bo", "bo@shop.nl", "x", language="en")
    User.objects.create_user("cy", "cy@shop.nl", "x", is_staff=True)


def failing(hook, hours, failures=30):
    Webhook.objects.filter(pk=hook.pk).update(
        failing_since=in_seconds(-hours * HOUR), consecutive_failures=failures
    )


def letters():
    """To whom, and the subject, since the last time."""
    health.look_after()
    sent = [(letter.to[0], letter.subject) for letter in mail.outbox]
    mail.outbox.clear()
    return sent


@pytest.mark.usefixtures("staff")
def test_staff_hear_of_a_failure_once_and_of_the_recovery(webhook):
    hook = webhook("https://example.com/")
    failing(hook, 0.9)
    assert letters() == []
    failing(hook, 1.1)
    assert letters() == [
        ("an@shop.nl", "Webhook example.com mislukt al een uur"),
        ("bo@shop.nl", "Webhook example.com has been failing for an hour"),
    ]
    assert letters() == []
    Webhook.objects.update(
        failing_since=None, consecutive_failures=0, last_success_at=in_seconds(1)
    )
    assert [subject for _to, subject in letters()] == [
        "Webhook example.com werkt weer",
        "Webhook example.com works again",
    ]
    assert letters() == []


@pytest.mark.usefixtures("staff")
def test_after_five_days_of_failures_it_is_off_and_nothing_is_dropped(webhook, publish):
    """And whoever flaps, or was asked only a few times, stays on."""
    hook = webhook("https://example.com/")
    other = webhook("https://example.org/", events=["webhook.disabled"])
    publish(2)
    failing(hook, 5 * 24 - 1)
    letters()
    failing(hook, 5 * 24 + 1, failures=19)
    letters()
    hook.refresh_from_db()
    assert hook.state == "active"
    failing(hook, 5 * 24 + 1)
    assert [subject for _to, subject in letters()] == [
        "Webhook example.com is uitgeschakeld",
        "Webhook example.com has been switched off",
    ]
    assert letters() == []
    hook.refresh_from_db()
    assert (hook.state, hook.state_reason) == ("off", health.FAILED_FOR_DAYS)
    told = Event.objects.get(type="webhook.disabled")
    assert Delivery.objects.get(webhook=other).event == told
    publish()
    held = Delivery.objects.filter(webhook=hook)
    assert [one.state for one in held] == ["held"] * 3
    subscriptions.enable(hook)
    assert [one.state for one in held.all()] == ["pending"] * 3
    Webhook.objects.filter(pk=hook.pk).update(told_at=in_seconds(-2 * HOUR))
    failing(hook, 1.1)
    assert len(letters()) == 2


@pytest.mark.usefixtures("staff")
def test_staff_hear_of_a_receiver_that_says_it_is_gone(webhook, publish):
    with receiving((410, {}, b"")) as receiver:
        hook = webhook(receiver.url)
        publish()
        delivery.drain(budget_seconds=10)
    assert letters() == [
        ("an@shop.nl", f"Webhook {hook} is uitgeschakeld"),
        ("bo@shop.nl", f"Webhook {hook} has been switched off"),
    ]
    assert letters() == []


@pytest.mark.usefixtures("staff")
def test_a_mail_server_that_is_away_is_asked_again(webhook, settings):
    hook = webhook("https://example.com/")
    failing(hook, 2)
    locmem = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert letters() == []
    settings.EMAIL_BACKEND = locmem
    assert len(letters()) == 2


def test_what_was_given_up_since_a_moment_goes_out_again_a_few_at_a_time(
    webhook, publish, monkeypatch
):
    monkeypatch.setattr(replays, "BATCH", 2)
    monkeypatch.setattr(replays, "MOST_WAITING", 4)
    with receiving() as receiver:
        hook = webhook(receiver.url)
        publish(9)
        mine = Delivery.objects.filter(webhook=hook)
        mine.update(state="exhausted", finished_at=Now())
        oldest = mine.earliest("pk")
        Delivery.objects.filter(pk=oldest.pk).update(created_at=in_seconds(-HOUR))
        job = replays.begin(hook, since=timezone.now() - timedelta(minutes=5))
        assert (job.total, job.sent) == (8, 0)
        replays.advance()
        assert mine.filter(state="pending").count() == 4
        replays.advance()
        assert mine.filter(state="pending").count() == 4
        for _ in range(3):
            delivery.drain(budget_seconds=10)
            replays.advance()
        job = Replay.objects.get()
        assert (job.sent, job.finished_at is not None) == (8, True)
        sent = [headers["webhook-id"] for _path, headers, _body in receiver.requests]
        assert len(sent) == len(set(sent)) == 8
        assert oldest.event.public_id not in sent
        again = replays.begin(hook, since=timezone.now() - timedelta(minutes=5))
        assert again.total == 0
