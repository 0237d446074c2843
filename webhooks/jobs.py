"""What a sender needs to know: of a delivery, and of the webhook it goes to."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from math import inf
from typing import Any
from uuid import UUID

from django.db import transaction

from webhooks import dialect, masking, signing
from webhooks.fields import UnreadableSecretError, decrypt
from webhooks.models import Delivery, Webhook
from webhooks.models.webhook import meant_for
from webhooks.transport import Outcome
from webhooks.wording import Sentence
from webhooks.wording import marked as _

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
class Target:
    """A webhook as its senders see it; the same for all that goes there."""

    url: str
    timeout: int
    max_in_flight: int
    is_failing: bool
    is_active: bool
    mailboxes: list[str]
    domains: list[str]
    headers: dict[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | None = None
    secrets: list[str] = field(default_factory=list)
    # Why nothing can be sent there: settings that no key opens, or that are no use.
    trouble: str = ""

    def hears(self, *, mailbox: str, domain: str) -> bool:
        return meant_for(self, mailbox=mailbox, domain=domain)

    def open(
        self, headers: str | None, auth: str | None, secrets: Iterable[str]
    ) -> None:
        """Decrypt what it is sent with; what can't be is its trouble."""
        try:
            self.headers = dict((decrypt(headers) if headers else None) or {})
            found = decrypt(auth) if auth else None
            self.auth = (found["username"], found["password"]) if found else None
            self.secrets = [decrypt(secret) for secret in secrets]
            if not self.secrets:
                # Nobody is sent what he can't verify.
                self.trouble = Sentence(_("It has no secret to sign with."))
        except UnreadableSecretError:
            self.trouble = Sentence(
                _("Its stored settings can't be decrypted: ENCRYPTION_KEYS.")
            )
        except (KeyError, TypeError, ValueError) as error:
            self.trouble = Sentence(
                _("Its stored settings are of no use: %(error)s"), error=repr(error)
            )

    def confidential(self) -> list[str]:
        """What a receiver may echo and an attempt must not keep."""
        words = [*self.secrets, *masking.of_url(self.url)]
        # Many a receiver knows them so.
        words += [secret.removeprefix(signing.PREFIX) for secret in self.secrets]
        for value in self.headers.values():
            # Also what follows "Bearer".
            words += [value, *value.split()]
        if self.auth:
            pair = ":".join(self.auth).encode()
            words += [self.auth[1], base64.b64encode(pair).decode()]
        return words


@dataclass(slots=True, kw_only=True)
class Job:
    """A claimed delivery: all that a sender thread needs; no model, no database."""

    delivery_pk: int
    token: UUID
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
    # On the monotonic clock.
    lease_ends: float
    target: Target
    lane: Lane = Lane.PROMPT
    # When a sender took it up, on the monotonic clock; 0 before.
    begun: float = 0.0
    # Where the webhook has a rate limit: its slot, on the monotonic clock.
    not_before: float = 0.0
    not_after: float = inf

    def fits(self, webhook: Webhook | Target) -> bool:
        """Whether the webhook, as it is now, may be sent this."""
        return webhook.is_active and (
            self.is_test or webhook.hears(mailbox=self.mailbox, domain=self.domain)
        )


@dataclass(slots=True)
class Result:
    """`outcome` is None when it was too late to begin: for its lease, or its slot."""

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


# What is claimed is little, and has an index of its own: no statement looks further.
_CLAIMED = """
SELECT d.id, d.public_id, d.webhook_id, e.public_id, e.type, e.mailbox, e.domain,
    e.position IS NULL, b.body, d.attempts, d.lost_leases
FROM webhooks_delivery d
JOIN webhooks_event e ON e.id = d.event_id
JOIN webhooks_eventbody b ON b.id = d.body_id
WHERE d.state = 'claimed' AND d.token = %s
ORDER BY d.next_at, d.id
"""
_TARGETS = """
SELECT w.id, w.url, w.timeout, w.max_in_flight, w.failing_since IS NOT NULL,
    w.state = 'active' AND w.deleted_at IS NULL, w.mailboxes, w.domains,
    w.headers, w.basic_auth, s.value
FROM webhooks_webhook w
LEFT JOIN webhooks_secret s
    ON s.webhook_id = w.id AND (s.expires_at IS NULL OR s.expires_at > {now})
WHERE {among}
ORDER BY s.id DESC
"""


class Targets:
    """Webhooks as they are now. Each version of one is opened once."""

    def __init__(self) -> None:
        self._opened: dict[int, tuple[tuple[Any, ...], Target]] = {}

    def of(self, pks: Iterable[int]) -> dict[int, Target]:
        sql = _TARGETS.format(now=dialect.now(), among=dialect.among("w.id"))
        found: dict[int, tuple[Any, ...]] = {}
        for pk, *values, secret in dialect.fetch(sql, dialect.keys(pks)):
            # A row for each live secret.
            *_same, secrets = found.get(pk, ((),))
            found[pk] = (*values, (*secrets, secret) if secret else secrets)
        return {pk: self._target(pk, version) for pk, version in found.items()}

    def _target(self, pk: int, version: tuple[Any, ...]) -> Target:
        known = self._opened.get(pk)
        if known is not None and known[0] == version:
            return known[1]
        url, timeout, most, is_failing, is_active, mailboxes, domains, *sealed = version
        target = Target(
            url=url,
            timeout=timeout,
            max_in_flight=most,
            is_failing=bool(is_failing),
            is_active=bool(is_active),
            mailboxes=json.loads(mailboxes),
            domains=json.loads(domains),
        )
        target.open(*sealed)
        self._opened[pk] = (version, target)
        return target


def load(token: UUID, lease_ends: float, targets: Targets) -> list[Job]:
    """What was claimed under `token`, aimed at its webhooks as they are now."""
    rows = dialect.fetch(_CLAIMED, dialect.plain(token))
    if not rows:
        return []
    aimed = targets.of({row[2] for row in rows})
    found = [_job(row, token, lease_ends, aimed[row[2]]) for row in rows]
    jobs = [job for job in found if job.fits(job.target)]
    if len(jobs) < len(found):
        _put_back(token, found, jobs)
    return jobs


def _job(row: tuple[Any, ...], token: UUID, lease_ends: float, target: Target) -> Job:
    pk, public_id, webhook, event, kind, mailbox, domain, is_test, body, *counts = row
    attempts, lost_leases = counts
    return Job(
        delivery_pk=pk,
        token=token,
        delivery_id=public_id,
        webhook_pk=webhook,
        event_id=event,
        event_type=kind,
        mailbox=mailbox,
        domain=domain,
        is_test=bool(is_test),
        body=bytes(body),
        number=attempts + 1,
        tries=attempts + 1 - lost_leases,
        lease_ends=lease_ends,
        target=target,
        lane=Lane.FAILING if target.is_failing else Lane.PROMPT,
    )


@transaction.atomic
def _put_back(token: UUID, found: list[Job], jobs: list[Job]) -> None:
    """Their webhooks changed after the claim: unsent, and to what becomes of them."""
    unfit = {job.delivery_pk for job in found} - {job.delivery_pk for job in jobs}
    mine = Delivery.objects.filter(
        pk__in=unfit, token=token, state=Delivery.State.CLAIMED
    )
    mine.update(state=Delivery.State.PENDING, token=None, claimed_until=None)
    Delivery.objects.filter(pk__in=unfit).settle()
