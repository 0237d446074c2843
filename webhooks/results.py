"""What became of attempts, written in bulk and fenced by the lease's token."""

from collections.abc import Sequence
from random import uniform
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, DateTimeField, F, When
from django.db.models.functions import Coalesce, Now

from webhooks import dialect, health, masking
from webhooks.jobs import Result
from webhooks.leases import in_seconds
from webhooks.models import Delivery, Webhook
from webhooks.outbox import publish
from webhooks.transport import EXCERPT_BYTES, Outcome
from webhooks.wording import kept

# Standard Webhooks' example: ten attempts, 76 hours in all. Seconds after the one
# before: at once, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
RETRY_SECONDS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
State = Delivery.State


def next_delay(tries: int, retry_after: float | None) -> float | None:
    """Seconds until the next attempt after `tries`, ±20 %; None when that was all.

    Retry-After may only make it longer.

    >>> next_delay(10, None) is None
    True
    """
    if tries > len(RETRY_SECONDS):
        return None
    delay = RETRY_SECONDS[tries - 1] * uniform(0.8, 1.2)  # noqa: S311 -- not a secret
    return max(delay, retry_after or 0.0)


_WEBHOOKS = "SELECT w.id FROM webhooks_webhook w WHERE {among} ORDER BY w.id {locked}"
# What becomes of a delivery, if it is still ours: `wait` is until its next attempt.
_WRITTEN = {
    "id": "bigint",
    "token": "uuid",
    "state": "text",
    "sent": "int",
    "wait": "float8",
}
_WRITE = """
UPDATE webhooks_delivery SET state = new.state, token = NULL, claimed_until = NULL,
    attempts = attempts + new.sent,
    next_at = CASE WHEN new.wait IS NULL THEN next_at ELSE {next_at} END,
    finished_at = CASE WHEN new.state = 'pending' THEN finished_at ELSE {now} END
FROM {new}
WHERE {among} AND webhooks_delivery.id = new.id
    AND webhooks_delivery.state = 'claimed' AND webhooks_delivery.token = new.token
RETURNING webhooks_delivery.id
"""
_ATTEMPT = {
    "delivery_id": "bigint",
    "number": "int",
    "started_at": "timestamptz",
    "duration_ms": "int",
    "dns_ms": "int",
    "connect_ms": "int",
    "first_byte_ms": "int",
    "peer": "text",
    "peer_public": "bool",
    "status": "int",
    "error": "text",
    "error_detail": "text",
    "error_words": "jsonb",
    "response_excerpt": "text",
}
_APPEND = "INSERT INTO webhooks_attempt ({columns}) SELECT {columns} FROM {new}"
_WELL = """
UPDATE webhooks_webhook
SET last_success_at = {now}, failing_since = NULL, consecutive_failures = 0
WHERE {among}
"""


@transaction.atomic
def record(results: Sequence[Result]) -> None:
    """Attempts, states and health: one transaction, a statement for each kind.

    Only deliveries that are still ours count: a late result changes nothing. Locks
    are taken as everywhere: webhooks by key, then deliveries.
    """
    if locked := dialect.locked("w"):
        pks = dialect.keys({result.job.webhook_pk for result in results})
        sql = _WEBHOOKS.format(among=dialect.among("w.id"), locked=locked)
        dialect.fetch(sql, pks)
    mine = _write(results)
    sent = [result for result in mine if result.outcome is not None]
    _append(sent)
    failed = [result for result in sent if not result.success]
    well = {result.job.webhook_pk for result in sent if result.success}
    if well:
        sql = _WELL.format(now=dialect.now(), among=dialect.among("id"))
        dialect.execute(sql, dialect.keys(well))
    if failed:
        _record_trouble(failed, well)
    unfinished = [result for result in mine if not result.success]
    if unfinished:
        _settle(unfinished)


def _write(results: Sequence[Result]) -> list[Result]:
    """What became of each; gives back those that were still ours."""
    by_key = sorted(results, key=lambda result: result.job.delivery_pk)
    sql = _WRITE.format(
        next_at=dialect.after("new.wait"),
        now=dialect.now(),
        new=dialect.table(_WRITTEN),
        among=dialect.among("webhooks_delivery.id"),
    )
    # In this order they stand in the statement.
    rows = dialect.rows(_WRITTEN, map(_written, by_key))
    pks = dialect.keys(result.job.delivery_pk for result in by_key)
    found = {pk for (pk,) in dialect.fetch(sql, rows, pks)}
    return [result for result in results if result.job.delivery_pk in found]


def _written(result: Result) -> tuple[int, UUID, str, int, float | None]:
    job, outcome = result.job, result.outcome
    state, wait = State.PENDING, None
    if result.success:
        state = State.SUCCEEDED
    elif outcome is not None:
        wait = None if result.gone else next_delay(job.tries, outcome.retry_after)
        state = State.EXHAUSTED if wait is None else State.PENDING
    return job.delivery_pk, job.token, state.value, int(outcome is not None), wait


def _append(sent: Sequence[Result]) -> None:
    if sent:
        sql = _APPEND.format(columns=", ".join(_ATTEMPT), new=dialect.table(_ATTEMPT))
        dialect.execute(sql, dialect.rows(_ATTEMPT, map(_attempt, sent)))


def _settle(unfinished: Sequence[Result]) -> None:
    """Their webhooks may have changed meanwhile; and who is gone is switched off."""
    webhooks = Webhook.objects.in_bulk({r.job.webhook_pk for r in unfinished})
    unfit = [
        result.job.delivery_pk
        for result in unfinished
        if not result.job.fits(webhooks[result.job.webhook_pk])
    ]
    if unfit:
        Delivery.objects.filter(pk__in=unfit).settle()
    gone = {result.job.webhook_pk for result in unfinished if result.gone}
    publish(
        [
            health.switch_off(webhooks[pk], error="http_410", reason=health.GONE)
            for pk in sorted(gone)
            if webhooks[pk].state != Webhook.State.OFF
        ]
    )


def _record_trouble(failed: list[Result], well: set[int]) -> None:
    """The newest outcome of each webhook says how it is."""
    throttled = {r.job.webhook_pk: r.throttled for r in failed if r.throttled}
    if throttled:
        Webhook.objects.filter(pk__in=throttled).update(
            breaker_until=Case(
                *(
                    When(pk=pk, then=in_seconds(seconds or 0.0))
                    for pk, seconds in throttled.items()
                ),
                output_field=DateTimeField(),
            )
        )
    ill = {r.job.webhook_pk for r in failed} - well - set(throttled)
    if ill:
        Webhook.objects.filter(pk__in=ill).update(
            failing_since=Coalesce("failing_since", Now()),
            consecutive_failures=F("consecutive_failures") + 1,
        )


def _attempt(result: Result) -> tuple[Any, ...]:
    """As `_ATTEMPT` has it."""
    outcome = result.outcome or Outcome()
    error = outcome.error or ("" if outcome.success else f"http_{outcome.status}")
    excerpt = outcome.excerpt.decode("utf-8", "replace").replace("\x00", "\ufffd")
    if excerpt:
        is_cut = len(outcome.excerpt) >= EXCERPT_BYTES
        words = result.job.target.confidential()
        excerpt = masking.mask(excerpt, words, is_cut=is_cut)
    return (
        result.job.delivery_pk,
        result.job.number,
        result.started_at,
        outcome.duration_ms,
        outcome.dns_ms,
        outcome.connect_ms,
        outcome.first_byte_ms,
        outcome.peer,
        outcome.peer_public,
        outcome.status,
        error,
        outcome.detail[:500].replace("\x00", ""),
        [kept(outcome.detail)] if outcome.detail else [],
        excerpt,
    )
