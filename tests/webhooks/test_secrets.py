"""Secrets change over, and what a person asks for is sent at once."""

import logging
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from api.models import ApiKey
from tests.receivers import receiving
from threads.models import User
from webhooks import delivery, health, outbox, rotation, subscriptions
from webhooks.catalogue import TEST
from webhooks.leases import in_seconds
from webhooks.models import Attempt, Delivery, Event, Secret, Webhook
from webhooks.rules import InvalidWebhookError
from webhooks.signing import key_bytes, standard

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


def test_the_server_makes_it_of_32_random_bytes_and_takes_none(webhook):
    secrets = {webhook("https://example.com/").secrets.get().value for _ in range(20)}
    assert {len(key_bytes(secret)) for secret in secrets} == {32}
    assert len(secrets) == 20
    with pytest.raises(InvalidWebhookError, match="no such field"):
        webhook("https://example.com/", secret="whsec_a2xlaW4=")


def test_whoever_does_not_ask_for_it_never_sees_it(
    webhook, publish, client, settings, caplog
):
    caplog.set_level(logging.DEBUG)
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}
    hook = webhook("http://127.0.0.1:9999/")
    secret = hook.secrets.get().value
    with receiving((500, {}, f"You said {secret}, or {secret[6:]}".encode())) as echo:
        subscriptions.change(hook, {"url": echo.url})
        publish()
        delivery.drain(budget_seconds=10)
    assert Attempt.objects.get().response_excerpt.startswith("You said ***")
    staff = User.objects.create_superuser("an", "an@shop.nl", "x", language="en")
    Webhook.objects.update(failing_since=in_seconds(-7200), consecutive_failures=9)
    health.look_after()
    assert len(mail.outbox) == 1

    key = APIClient()
    token = f"Bearer {ApiKey.objects.issue('test')[1]}"
    key.credentials(HTTP_AUTHORIZATION=token)
    path = f"/api/v1/webhooks/{hook.public_id}"
    routes = ("/api/v1/webhooks", path, f"{path}/deliveries", "/api/v1/events")
    said = {route: key.get(route).content.decode() for route in routes}
    said["log"], said["letter"] = caplog.text, str(mail.outbox[0].message())
    client.force_login(staff)
    for model in (Webhook, Delivery, Event):
        room = f"/admin/webhooks/{model._meta.model_name}/"
        for page in (room, f"{room}{model.objects.get().pk}/change/"):
            answer = client.get(page)
            assert answer.status_code == 200, page
            said[page] = answer.content.decode()
    with connection.cursor() as cursor:
        for table in connection.introspection.django_table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            said[table] = str([list(map(_text, row)) for row in cursor.fetchall()])
    assert [where for where, text in said.items() if secret[6:] in text] == []
    asked = client.post(f"/admin/webhooks/webhook/{hook.pk}/reveal/")
    assert asked.json() == {"secret": secret}


def _text(value):
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return str(value)
