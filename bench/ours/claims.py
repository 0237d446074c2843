"""Within MailBelly: how long a round takes to claim and load, in ms of the clock.

    python -m bench.ours.claims ROUNDS

Each is rolled back, so that the next one finds the same.
"""

import json
import statistics
import sys
from time import monotonic, perf_counter
from uuid import uuid4

import django

django.setup()

from django.db import connection, transaction  # noqa: E402 -- after django.setup

from webhooks.claims import Rooms, claim  # noqa: E402
from webhooks.jobs import Targets, load  # noqa: E402
from webhooks.pace import is_kept_by_any  # noqa: E402

targets = Targets()
# A drain asks it once a second.
rooms = Rooms(room=96, unknown=0, failing=0, paced=is_kept_by_any())
took: list[float] = []
jobs = 0
with connection.cursor() as cursor:
    cursor.execute("VACUUM ANALYZE")
for number in range(int(sys.argv[1]) + 3):
    with transaction.atomic():
        begun = perf_counter()
        token = uuid4()
        claim(token, rooms)
        jobs = len(load(token, monotonic() + 60, targets))
        if number >= 3:
            took.append(perf_counter() - begun)
        transaction.set_rollback(True)
print(
    json.dumps(
        {"ms": 1000 * statistics.median(took), "jobs": jobs, "most": 1000 * max(took)}
    )
)
