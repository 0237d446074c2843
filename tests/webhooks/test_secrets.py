"""Secrets change over, and what a person asks for is sent at once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.receivers import receiving
from webhooks import delivery, outbox, rotation
from webhooks.catalogue import TEST
from webhooks.models import Delivery, Secret, Webhook
from webhooks.signing import standard

pytestmark = pytest.mark.django_db(transaction=True)


def signatures(request):
    return {name.lower(): value for name, value in request[1].items()}[
        "webhook-signature"
    ].split()


def test_old_and_new_secret_sign_side_by_side_until_the_old_one_ends(webhook):
    with receiving() as receiver:
        hook = webhook(receiver.url)
        old = hook.secrets.get()
        new = rotation.rotate(hook)
        assert rotation.current(hook) == new
        sent = delivery.deliver_now(outbox.test(hook, TEST))
        assert sent.state == "succeeded"
        headers = {k.lower(): v for k, v in receiver.requests[0][1].items()}
        expected = standard(
            [new.value, old.value],
            headers["webhook-id"],
            int(headers["webhook-timestamp"]),
            receiver.requests[0][2],
        )
        assert headers["webhook-signature"] == expected
        old.refresh_from_db()
        left = old.expires_at - timezone.now()
        assert timedelta(hours=23) < left <= timedelta(hours=24, seconds=5)
        Secret.objects.filter(pk=old.pk).update(expires_at=timezone.now())
        delivery.deliver_now(outbox.test(hook, TEST))
        assert len(signatures(receiver.requests[1])) == 1


def test_a_second_rotation_does_not_lengthen_the_life_of_the_first_secret(webhook):
    hook = webhook("https://example.com/")
    first = hook.secrets.get()
    rotation.rotate(hook)
    first.refresh_from_db()
    ends = first.expires_at
    rotation.rotate(hook)
    first.refresh_from_db()
    assert first.expires_at == ends


def test_retired_secrets_sign_nothing_more(webhook):
    hook = webhook("https://example.com/")
    new = rotation.rotate(hook)
    assert rotation.retire(hook) == 1
    assert list(Secret.objects.live().filter(webhook=hook)) == [new]
    assert rotation.retire(hook) == 0


def test_a_delivery_sent_now_leaves_the_others_alone(webhook, publish):
    with receiving((500, {}, b"")) as receiver:
        hook = webhook(receiver.url)
        publish(2)
        sent = delivery.deliver_now(outbox.test(hook, TEST))
        assert len(receiver.requests) == 1
        assert (sent.state, sent.attempts) == ("pending", 1)
        assert sent.attempt_set.get().status == 500
        others = Delivery.objects.exclude(pk=sent.pk)
        assert set(others.values_list("state", "attempts")) == {("pending", 0)}


def test_a_delivery_that_a_worker_took_first_is_waited_for_and_not_sent_twice(webhook):
    with receiving() as receiver:
        hook = webhook(receiver.url)
        test = outbox.test(hook, TEST)
        delivery.drain(budget_seconds=5)
        sent = delivery.deliver_now(test, wait_seconds=1)
        assert sent.state == "succeeded"
        assert len(receiver.requests) == 1


def test_a_delivery_sent_now_obeys_the_guard(webhook, settings):
    with receiving() as receiver:
        hook = webhook(receiver.url)
        settings.WEBHOOK_ALLOWED_NETWORKS = []
        sent = delivery.deliver_now(outbox.test(hook, TEST))
        assert sent.attempt_set.get().error == "address_refused"
        assert receiver.requests == []


def test_a_paused_webhook_is_not_amended_into_sending(webhook, publish):
    hook = webhook("https://example.com/", state=Webhook.State.PAUSED)
    publish()
    assert Delivery.objects.get().state == "held"
    rotation.rotate(hook)
    assert Delivery.objects.get().state == "held"
