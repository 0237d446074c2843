"""A job that sends again what was given up goes on where it was killed."""

import os
import random
import signal
from collections import Counter
from datetime import timedelta
from time import sleep

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from tests.faults.harness import begun
from webhooks import outbox, replays, subscriptions
from webhooks.models import Delivery, Replay

pytestmark = pytest.mark.django_db(transaction=True)
LOST = 150


def test_killed_again_and_again_it_loses_none_and_sends_none_twice(
    settings, monkeypatch
):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    monkeypatch.setattr(replays, "BATCH", 5)
    monkeypatch.setattr(replays, "MOST_WAITING", LOST + 1)
    hook = subscriptions.create(
        {"url": "http://127.0.0.1:9999/", "events": ["thread.updated"]}
    )[0]
    with transaction.atomic():
        outbox.publish(
            [
                outbox.NewEvent(type="thread.updated", cause=f"test:{number}")
                for number in range(LOST)
            ]
        )
    Delivery.objects.update(state="exhausted", finished_at=Now())
    replays.begin(hook, since=timezone.now() - timedelta(minutes=5))
    dice, progress = random.Random(7), set()
    while not Replay.objects.filter(finished_at__isnull=False).exists():
        pid = begun(replays.advance)
        sleep(dice.uniform(0.0, 0.2))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        progress.add(Replay.objects.get().sent)
    # It was killed at several places on its way.
    assert len(progress) > 3
    again = Delivery.objects.filter(replay_no=1)
    assert Counter(again.values_list("state", flat=True)) == {"pending": LOST}
    assert again.values("event").distinct().count() == LOST
    assert Delivery.objects.count() == 2 * LOST
    assert Replay.objects.get().sent == LOST
