"""Rows for the peers, and a task in Redis for each delivery.

python -m bench.peers.backlog EVENTS URL…
"""

import json
import os
import sys

from bench.peers.celery import app

events, urls = int(sys.argv[1]), sys.argv[2:]
BODY = json.dumps({"event": "message.received", "body_text": "Hallo, " * 285})

with app.pool.acquire() as connection:
    if os.environ["PEER"] == "celery":
        from bench.peers.outbox.models import Delivery, Event, Webhook
        from bench.peers.outbox.tasks import deliver

        told = Event.objects.bulk_create([Event(body=BODY) for _ in range(events)])
        webhooks = [Webhook.objects.create(url=url, secret="x" * 32) for url in urls]
        rows = Delivery.objects.bulk_create(
            [
                Delivery(event=event, webhook=hook)
                for event in told
                for hook in webhooks
            ],
            batch_size=1000,
        )
        for row in rows:
            deliver.apply_async((row.pk,), connection=connection)
    else:
        from django_webhook.models import Webhook as Hook
        from django_webhook.models import WebhookSecret
        from django_webhook.tasks import fire_webhook

        hooks = [Hook.objects.create(url=url) for url in urls]
        WebhookSecret.objects.bulk_create(
            [WebhookSecret(webhook=hook, token="x" * 32) for hook in hooks]
        )
        for _ in range(events):
            for hook in hooks:
                fire_webhook.apply_async((hook.pk, BODY), connection=connection)
