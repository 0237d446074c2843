"""kill -9 at random moments, under load: nothing is lost, nothing is there twice.

A short run here; `make faults` kills some hundreds on each database. The seed is
printed, and `FAULT_SEED` takes it.
"""

import os
import sys
from time import sleep

import pytest
from django.core.management import call_command
from django.db import connection

from tests.faults.harness import LONG, healthy
from tests.faults.load import RECOVERY_SECONDS
from threads.models import IngestRecord

KILLS = int(os.environ.get("FAULT_KILLS", "12"))
# Between two rests.
ROUND = 60
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(120 + 10 * KILLS + KILLS // ROUND * RECOVERY_SECONDS),
]


def test_nothing_is_lost_and_nothing_is_twice(load, dice):
    slowest, rested, frozen = 0.0, 0, ""
    names = [*load.crew.pids]
    while (kills := load.kills) < KILLS:
        load.arrive()
        sleep(dice.uniform(0.0, 0.5))
        what = dice.random()
        if what < 0.15:
            load.pipe()
        elif what < 0.2:
            load.drop_imap()
        elif what < 0.22 and not frozen:
            # It stands still, and goes on when another has done its work.
            frozen = load.freeze()
        else:
            load.crew.kill(victim := dice.choice(names))
            frozen = "" if victim == frozen else frozen
        if kills - rested >= ROUND:
            rested = kills
            slowest = max(slowest, load.rest(frozen))
            frozen = ""
    slowest = max(slowest, load.rest(frozen, expire=not LONG))
    lost, twice = load.counted()
    print(
        f"kills={load.kills} lost={lost} twice={twice} mails={len(load.expected)}"
        f" slowest recovery={slowest:.0f}s database={connection.vendor}",
        file=sys.__stderr__,
    )
    assert (lost, twice) == (0, 0), load.said()
    assert slowest < RECOVERY_SECONDS, load.said()
    assert not IngestRecord.objects.filter(state="quarantined").exists()
    load.end()
    call_command("ingest", "--verify")
    healthy()
