"""Within MailBelly: forget all that is old; how many events, and how long it took.

python -m bench.ours.pruning
"""

import json
from collections.abc import Iterable
from time import perf_counter

import django

django.setup()

from webhooks import retention  # noqa: E402 -- after django.setup

took: list[float] = []
erase = retention.erase


def timed(events: Iterable[int]) -> int:
    begun = perf_counter()
    erased = erase(events)
    took.append(perf_counter() - begun)
    return erased


retention.erase = timed
begun = perf_counter()
events = retention.prune(600)
print(
    json.dumps(
        {
            "events": events,
            "seconds": perf_counter() - begun,
            "batches": len(took),
            "longest": 1000 * max(took),
        }
    )
)
