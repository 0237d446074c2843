"""What is tried again arrives as it was, once the world around it is mended."""

import socket
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.db.models.functions import Now
from django.utils import timezone
from standardwebhooks.webhooks import Webhook as Verifier

from tests.receivers import receiving
from webhooks import delivery, outbox, rules
from webhooks.claims import Rooms, claim
from webhooks.delivery import drain
from webhooks.leases import in_seconds
from webhooks.models import Attempt, Delivery, Webhook

pytestmark = pytest.mark.django_db(transaction=True)


def run():
    Delivery.objects.filter(state="pending").update(next_at=Now())
    return drain(budget_seconds=20)


@pytest.fixture
def names(monkeypatch):
    """What a name server knows, host → address; a name it does not know has none."""
    known = {}
    real = socket.getaddrinfo

    def answer(host, port, *rest, **named):
        if not host.endswith(".example"):
            return real(host, port, *rest, **named)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(known[host], port, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known


def test_a_name_that_nobody_knows_yet_is_told_when_it_is_mended(publish, names):
    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "hooks.example")
        checked = rules.check({"url": url, "events": ["message.received"]})
        assert "does not resolve yet" in checked.warnings[0]
        Webhook.objects.create(**checked.values).secrets.create()
        event = publish()[0]
        run()
        lost = Attempt.objects.get()
        assert (lost.error, lost.status) == ("dns_error", None)
        assert Delivery.objects.get().state == "pending"
        assert receiver.requests == []
        names["hooks.example"] = "127.0.0.1"
        run()
        assert receiver.requests[0][1]["webhook-id"] == event.public_id
        assert receiver.requests[0][1]["Host"] == url.split("/")[2]
    assert Delivery.objects.get().state == "succeeded"


def test_each_attempt_and_a_replay_after_days_have_a_signature_of_their_own(
    webhook, publish
):
    with receiving((500, {}, b""), (204, {}, b"")) as receiver:
        secret = webhook(receiver.url).secrets.get().value
        publish()
        run()
        for later in (timedelta(minutes=6), timedelta(days=3)):
            with time_machine.travel(timezone.now() + later):
                if later.days:
                    outbox.replay(Delivery.objects.get())
                run()
                _, headers, body = receiver.requests[-1]
                lower = {name.lower(): value for name, value in headers.items()}
                Verifier(secret).verify(body, lower)
    said = [headers for _path, headers, _body in receiver.requests]
    assert len(said) == 3
    assert len({headers["webhook-id"] for headers in said}) == 1
    assert len({body for _path, _headers, body in receiver.requests}) == 1
    for one in ("webhook-timestamp", "webhook-signature"):
        assert len({headers[one] for headers in said}) == 3
    assert [headers["X-MailBelly-Attempt"] for headers in said] == ["1", "2", "1"]


def test_who_asks_for_a_pause_pauses_nobody_else(webhook, publish):
    answer = (429, {"retry-after": "3600"}, b"")
    with receiving(answer) as throttled, receiving() as other:
        webhook(throttled.url, max_in_flight=1)
        webhook(other.url)
        publish(5)
        run()
        assert (len(throttled.requests), len(other.requests)) == (1, 5)


def test_what_another_has_in_hand_is_waited_for_in_case_he_is_dead(
    webhook, publish, monkeypatch
):
    monkeypatch.setattr(delivery, "RECOVER_SECONDS", 0.1)
    with receiving() as receiver:
        webhook(receiver.url)
        publish()
        assert claim(uuid4(), Rooms(room=1, unknown=1, failing=1)).count == 1
        Delivery.objects.update(claimed_until=in_seconds(1))
        # Nothing is due, nobody rings, and the minute's sweep is far.
        assert drain(budget_seconds=10, lease="test").sent == 1
        assert len(receiver.requests) == 1
    assert Delivery.objects.get().lost_leases == 1
