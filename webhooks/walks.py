"""Which deliveries a claim takes: of each webhook some, by a walk of its own index."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.db import connection

from webhooks import dialect, pace
from webhooks.pace import Pace

# What is due, the longest first.
_WALK = """
SELECT id FROM webhooks_delivery
WHERE webhook_id = {webhook} AND state = 'pending' AND next_at <= {now}
ORDER BY next_at, id LIMIT {count}
"""
# PostgreSQL walks for all webhooks at once.
_EACH = """
SELECT walk.id FROM unnest(%s::bigint[]{given}) AS picked (webhook{more}),
    LATERAL ({walk}) AS walk
"""


def walks_of(
    picked: Mapping[int, int], paces: Mapping[int, Pace]
) -> tuple[str, list[Any]]:
    """SQL, and its parameters, for what `id` is one of: so many of each webhook.

    Where the order is kept it is the one whose turn it is, and a test goes first.
    """
    tests = [pk for pk in picked if pk in paces and paces[pk].has_test]
    left = Counter(picked)
    left.subtract(tests)
    counts = +left
    heads = [pk for pk in counts if pk in paces and paces[pk].is_ordered]
    for pk in heads:
        del counts[pk]
    if connection.vendor == "postgresql":
        return _at_once(counts, heads, tests)
    return _one_by_one(counts, heads, tests)


def _first(webhook: str) -> str:
    return f"{pace.head(webhook, 'head.id')} AND head.next_at <= {dialect.now()}"


def _at_once(
    counts: Mapping[int, int], heads: list[int], tests: list[int]
) -> tuple[str, list[Any]]:
    """The array keeps the planner from joining what is found with the whole table."""
    now = dialect.now()
    walk = _WALK.format(webhook="picked.webhook", count="picked.count", now=now)
    walks = [_EACH.format(given=", %s::int[]", more=", count", walk=walk)]
    parameters: list[Any] = [list(counts), list(counts.values())]
    first, test = _first("picked.webhook"), pace.due_test("picked.webhook", now)
    for walk, webhooks in ((first, heads), (test, tests)):
        if webhooks:
            walks.append(_EACH.format(given="", more="", walk=walk))
            parameters.append(webhooks)
    return f"= ANY(ARRAY({' UNION ALL '.join(walks)}))", parameters


def _one_by_one(
    counts: Mapping[int, int], heads: list[int], tests: list[int]
) -> tuple[str, list[Any]]:
    now = dialect.now()
    walks = [_WALK.format(webhook="%s", count="%s", now=now)] * len(counts)
    parameters = [number for pair in counts.items() for number in pair]
    # The key of the first stands twice in it.
    walks += [_first("%s")] * len(heads)
    parameters += [pk for pk in heads for _ in range(2)]
    walks += [pace.due_test("%s", now)] * len(tests)
    found = " UNION ALL ".join(f"SELECT id FROM ({walk})" for walk in walks)  # noqa: S608
    return f"IN ({found})", [*parameters, *tests]
