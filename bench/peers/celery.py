"""The Celery application of the peers that need one: `-A bench.peers.celery`."""

import os

import django
from celery import Celery

app = Celery("bench")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Not in the namespace: its Django part reads the name as it stands.
app.conf.CELERY_DB_REUSE_MAX = 10**9
if os.environ["PEER"] == "celery":
    app.autodiscover_tasks(["bench.peers.outbox"])
else:
    app.autodiscover_tasks(["django_webhook"])
app.set_default()
django.setup()
