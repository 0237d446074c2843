"""What became of attempts, written in bulk and fenced by the lease's token."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import uniform
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, DateTimeField, F, Q, Value, When
from django.db.models.functions import Coalesce, Now

from webhooks.leases import in_seconds
from webhooks.models import Attempt, Delivery, Webhook
from webhooks.transport import Outcome

# Standard Webhooks' example: ten attempts, 76 hours in all. Seconds after the one
# before: at once, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
RETRY_SECONDS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
_GONE = 410
_THROTTLED = frozenset({429, 503})

State = Delivery.State


@dataclass(slots=True, kw_only=True)
class Job:
    """All that a sender thread needs; no model, no database."""

    delivery_pk: int
    token: UUID | None
    delivery_id: str
    webhook_pk: int
    event_id: str
    event_type: str
    url: str
    body: bytes
    headers: dict[str, str]
    auth: tuple[str, str] | None
    timeout: int
    number: int
    tries: int
    lease_ends: float
    unhealthy: bool
    secrets: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, delivery: Delivery, lease_ends: float) -> "Job":
        webhook = delivery.webhook
        auth = webhook.basic_auth
        return cls(
            delivery_pk=delivery.pk,
            token=delivery.token,
            delivery_id=delivery.public_id,
            webhook_pk=webhook.pk,
            event_id=delivery.event.public_id,
            event_type=delivery.event.type,
            url=webhook.url,
            body=bytes(delivery.body.body),
            headers=dict(webhook.headers or {}),
            auth=(auth["username"], auth["password"]) if auth else None,
            timeout=webhook.timeout,
            number=delivery.attempts + 1,
            tries=delivery.attempts + 1 - delivery.lost_leases,
            lease_ends=lease_ends,
            unhealthy=webhook.failing_since is not None,
        )


@dataclass(slots=True)
class Result:
    """`outcome` is None when the lease was too short to begin."""

    job: Job
    started_at: datetime
    outcome: Outcome | None

    @property
    def success(self) -> bool:
        return self.outcome is not None and self.outcome.success

    @property
    def gone(self) -> bool:
        return self.outcome is not None and self.outcome.status == _GONE

    @property
    def throttled(self) -> float | None:
        """Seconds that the receiver asked us to stay away."""
        if self.outcome is None or self.outcome.status not in _THROTTLED:
            return None
        return self.outcome.retry_after


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


@transaction.atomic
def record(results: Sequence[Result]) -> None:
    """Attempts, states and health: one transaction, a statement or two for each kind.

    Only deliveries that are still ours count: a late result changes nothing.
    """
    pks = [result.job.delivery_pk for result in results]
    claimed = dict(
        Delivery.objects.select_for_update()
        .filter(pk__in=pks, state=State.CLAIMED)
        .order_by("pk")
        .values_list("pk", "token")
    )
    mine = [r for r in results if claimed.get(r.job.delivery_pk) == r.job.token]
    unsent = [result for result in mine if result.outcome is None]
    sent = [result for result in mine if result.outcome is not None]
    if unsent:
        _update(unsent, state=State.PENDING)
    if not sent:
        return
    Attempt.objects.bulk_create([_attempt(result) for result in sent])
    succeeded = [result for result in sent if result.success]
    failed = [result for result in sent if not result.success]
    if succeeded:
        _update(
            succeeded,
            state=State.SUCCEEDED,
            attempts=F("attempts") + 1,
            finished_at=Now(),
        )
    if failed:
        _record_failures(failed)
    _record_health(succeeded, failed)


def _update(results: Iterable[Result], **values: Any) -> None:
    Delivery.objects.filter(pk__in=[r.job.delivery_pk for r in results]).update(
        token=None, claimed_until=None, **values
    )


def _record_failures(failed: list[Result]) -> None:
    delays = {
        result.job.delivery_pk: None
        if result.gone
        else next_delay(
            result.job.tries, result.outcome.retry_after if result.outcome else None
        )
        for result in failed
    }
    final = [r for r in failed if delays[r.job.delivery_pk] is None]
    again = [r for r in failed if delays[r.job.delivery_pk] is not None]
    if final:
        _update(
            final,
            state=State.EXHAUSTED,
            attempts=F("attempts") + 1,
            finished_at=Now(),
        )
    if again:
        _update(
            again,
            state=State.PENDING,
            attempts=F("attempts") + 1,
            next_at=Case(
                *(
                    When(
                        pk=result.job.delivery_pk,
                        then=in_seconds(delays[result.job.delivery_pk] or 0.0),
                    )
                    for result in again
                ),
                output_field=DateTimeField(),
            ),
        )


def _record_health(succeeded: list[Result], failed: list[Result]) -> None:
    """The newest outcome of each webhook says how it is."""
    well = {result.job.webhook_pk for result in succeeded}
    if well:
        Webhook.objects.filter(pk__in=well).update(
            last_success_at=Now(), failing_since=None, consecutive_failures=0
        )
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
    for pk in {result.job.webhook_pk for result in failed if result.gone}:
        _switch_off(pk)


def _switch_off(pk: int) -> None:
    """410 Gone: the receiver says that it will never listen again."""
    Webhook.objects.filter(Q(pk=pk)).update(
        state=Webhook.State.OFF, state_reason=Value("410 Gone")
    )
    Delivery.objects.filter(webhook=pk, state=State.PENDING).update(state=State.HELD)


def _attempt(result: Result) -> Attempt:
    outcome = result.outcome or Outcome()
    error = outcome.error or ("" if outcome.success else f"http_{outcome.status}")
    excerpt = outcome.excerpt.decode("utf-8", "replace").replace("\x00", "\ufffd")
    return Attempt(
        delivery_id=result.job.delivery_pk,
        number=result.job.number,
        started_at=result.started_at,
        duration_ms=outcome.duration_ms,
        dns_ms=outcome.dns_ms,
        connect_ms=outcome.connect_ms,
        first_byte_ms=outcome.first_byte_ms,
        peer=outcome.peer,
        peer_public=outcome.peer_public,
        status=outcome.status,
        error=error,
        error_detail=outcome.detail[:500].replace("\x00", ""),
        response_excerpt=excerpt,
    )
