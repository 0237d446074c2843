"""What became of attempts, written in bulk and fenced by the lease's token."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from random import uniform
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.db.models import Case, DateTimeField, F, When
from django.db.models.functions import Coalesce, Now

from webhooks import health, masking
from webhooks.leases import in_seconds
from webhooks.models import Attempt, Delivery, Secret, Webhook
from webhooks.outbox import publish
from webhooks.rows import insert
from webhooks.transport import EXCERPT_BYTES, Outcome
from webhooks.wording import kept

# Standard Webhooks' example: ten attempts, 76 hours in all. Seconds after the one
# before: at once, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
RETRY_SECONDS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
_GONE = 410
_TOO_MANY = 429
_THROTTLED = frozenset({_TOO_MANY, 503})
# For a 429 that does not say how long. A 503 that does not is a failure as any other:
# proxies answer so for a receiver that is gone, and nobody would ever be told.
_PAUSE_SECONDS = 60.0

State = Delivery.State


class Lane(Enum):
    """Which of the senders a delivery may use."""

    PROMPT = "prompt"
    UNKNOWN = "unknown"
    FAILING = "failing"


@dataclass(slots=True, kw_only=True)
class Job:
    """All that a sender thread needs; no model, no database."""

    COLUMNS: ClassVar = (
        "pk",
        "token",
        "public_id",
        "webhook_id",
        "event__public_id",
        "event__type",
        "event__mailbox",
        "event__domain",
        "event__position",
        "body__body",
        "attempts",
        "lost_leases",
    )

    delivery_pk: int
    token: UUID | None
    delivery_id: str
    webhook_pk: int
    event_id: str
    event_type: str
    mailbox: str
    domain: str
    # Sent to this webhook by hand, and part of no log.
    is_test: bool
    body: bytes
    number: int
    tries: int
    lease_ends: float
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | None = None
    timeout: int = 15
    lane: Lane = Lane.PROMPT
    # When a sender took it up, on the monotonic clock; 0 before.
    begun: float = 0.0
    secrets: list[str] = field(default_factory=list)
    # Why it can't even be tried: settings that no key opens, or that are no use.
    trouble: str = ""

    @classmethod
    def of(cls, row: Any, lease_ends: float) -> "Job":
        """A row with `COLUMNS`; where to and how comes by `aim`."""
        return cls(
            delivery_pk=row.pk,
            token=row.token,
            delivery_id=row.public_id,
            webhook_pk=row.webhook_id,
            event_id=row.event__public_id,
            event_type=row.event__type,
            mailbox=row.event__mailbox,
            domain=row.event__domain,
            is_test=row.event__position is None,
            body=bytes(row.body__body),
            number=row.attempts + 1,
            tries=row.attempts + 1 - row.lost_leases,
            lease_ends=lease_ends,
        )

    def fits(self, webhook: Webhook) -> bool:
        """Whether the webhook, as it is now, may be sent this."""
        return (
            webhook.deleted_at is None
            and webhook.state == Webhook.State.ACTIVE
            and (
                self.is_test or webhook.hears(mailbox=self.mailbox, domain=self.domain)
            )
        )

    def aim(self, webhook: Webhook, secrets: Iterable[Secret]) -> None:
        """Raises `KeyError`, `TypeError` or `ValueError` for settings of no use.

        And `UnreadableSecretError` for those that no key opens.
        """
        self.url = webhook.url
        self.timeout = webhook.timeout
        if webhook.failing_since is not None:
            self.lane = Lane.FAILING
        self.headers = dict(webhook.headers or {})
        auth = webhook.basic_auth
        self.auth = (auth["username"], auth["password"]) if auth else None
        self.secrets = [secret.value for secret in secrets]

    def confidential(self) -> list[str]:
        """What a receiver may echo and an attempt must not keep."""
        words = [*self.secrets, *masking.of_url(self.url)]
        for value in self.headers.values():
            # Also what follows "Bearer".
            words += [value, *value.split()]
        if self.auth:
            pair = ":".join(self.auth).encode()
            words += [self.auth[1], base64.b64encode(pair).decode()]
        return words


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
        unsaid = _PAUSE_SECONDS if self.outcome.status == _TOO_MANY else None
        return self.outcome.retry_after or unsaid


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

    Only deliveries that are still ours count: a late result changes nothing. Locks
    are taken as everywhere: webhooks by key, then deliveries.
    """
    webhooks = {
        webhook.pk: webhook
        for webhook in Webhook.objects.filter(
            pk__in={result.job.webhook_pk for result in results}
        )
        .order_by("pk")
        .select_for_update(no_key=True)
        .only(
            *("pk", "public_id", "url", "mailboxes", "domains", "state", "deleted_at")
        )
    }
    claimed = dict(
        Delivery.objects.select_for_update(no_key=True)
        .filter(pk__in=[r.job.delivery_pk for r in results], state=State.CLAIMED)
        .order_by("pk")
        .values_list("pk", "token")
    )
    mine = [r for r in results if claimed.get(r.job.delivery_pk) == r.job.token]
    sent = [result for result in mine if result.outcome is not None]
    succeeded = [result for result in sent if result.success]
    failed = [result for result in sent if not result.success]
    insert([_attempt(result) for result in sent])
    gone = {result.job.webhook_pk for result in failed if result.gone}
    _record_health(succeeded, failed)
    if succeeded:
        _update(
            succeeded,
            state=State.SUCCEEDED,
            attempts=F("attempts") + 1,
            finished_at=Now(),
        )
    if failed:
        _record_failures(failed)
    _release([result for result in mine if result.outcome is None])
    unfinished = [
        result.job.delivery_pk
        for result in mine
        if not result.success and not result.job.fits(webhooks[result.job.webhook_pk])
    ]
    if unfinished:
        Delivery.objects.filter(pk__in=unfinished).settle()
    told = [
        health.switch_off(webhook, error="http_410", reason=health.GONE)
        for pk, webhook in webhooks.items()
        if pk in gone and webhook.state != Webhook.State.OFF
    ]
    publish(told)


def _release(unsent: list[Result]) -> None:
    if unsent:
        _update(unsent, state=State.PENDING)


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


def _attempt(result: Result) -> Attempt:
    outcome = result.outcome or Outcome()
    error = outcome.error or ("" if outcome.success else f"http_{outcome.status}")
    excerpt = outcome.excerpt.decode("utf-8", "replace").replace("\x00", "\ufffd")
    if excerpt:
        is_cut = len(outcome.excerpt) >= EXCERPT_BYTES
        excerpt = masking.mask(excerpt, result.job.confidential(), is_cut=is_cut)
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
        error_words=[kept(outcome.detail)] if outcome.detail else [],
        response_excerpt=excerpt,
    )
