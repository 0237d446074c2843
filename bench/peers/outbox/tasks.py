"""A task for each delivery: look it up, sign, POST on a kept connection, note it."""

import hmac
from hashlib import sha256
from time import time

import requests
from celery import shared_task
from django.utils import timezone

from bench.peers.outbox.models import Delivery

_sessions: list[requests.Session] = []


def _session() -> requests.Session:
    """One for each worker process; not asking the environment makes it faster."""
    if not _sessions:
        session = requests.Session()
        session.trust_env = False
        _sessions.append(session)
    return _sessions[0]


@shared_task(max_retries=5)
def deliver(pk: int) -> None:
    delivery = Delivery.objects.select_related("event", "webhook").get(pk=pk)
    body = delivery.event.body.encode()
    moment = str(int(time()))
    signed = f"{delivery.event_id}.{moment}.".encode() + body
    key = delivery.webhook.secret.encode()
    answer = _session().post(
        delivery.webhook.url,
        data=body,
        headers={
            "content-type": "application/json",
            "webhook-id": str(delivery.event_id),
            "webhook-timestamp": moment,
            "webhook-signature": hmac.new(key, signed, sha256).hexdigest(),
        },
        timeout=15,
        allow_redirects=False,
    )
    Delivery.objects.filter(pk=pk).update(
        state="succeeded" if answer.ok else "failed",
        status=answer.status_code,
        attempts=delivery.attempts + 1,
        finished_at=timezone.now(),
    )
