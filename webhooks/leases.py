"""Leases on the database's clock, so that no machine's own clock matters."""

from datetime import datetime, timedelta
from time import monotonic
from uuid import uuid4

from django.db import connection, models
from django.db.models import Expression, ExpressionWrapper, Q, Value
from django.db.models.functions import Now
from django.utils import timezone

from webhooks.models import DrainLease

LEASE_SECONDS = 10


def in_seconds(seconds: float) -> Expression:
    """`Now() + seconds`, for a column that ends a lease or sets the next attempt."""
    return ExpressionWrapper(
        Now() + Value(timedelta(seconds=seconds)), output_field=models.DateTimeField()
    )


def clock() -> datetime:
    """The database's clock, for rows of plain values. SQLite's is this machine's."""
    if connection.vendor == "sqlite":
        now = timezone.now()
        # In its own precision: what is due now is due for `Now()` too.
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


class Lease:
    """A name that one process holds at a time; it lapses when nobody renews it."""

    def __init__(self, name: str, seconds: float = LEASE_SECONDS) -> None:
        self.name = name
        self.seconds = seconds
        self.token = uuid4()
        self._held_at: float | None = None

    def hold(self) -> bool:
        """Take it, or keep it; False while somebody else has it."""
        if self._held_at and monotonic() - self._held_at < self.seconds / 3:
            return True
        DrainLease.objects.bulk_create(
            [DrainLease(name=self.name)], ignore_conflicts=True
        )
        free = Q(token=self.token) | Q(token=None) | Q(until__lt=Now())
        held = DrainLease.objects.filter(free, name=self.name).update(
            token=self.token, until=in_seconds(self.seconds)
        )
        self._held_at = monotonic() if held else None
        return bool(held)

    def give_back(self) -> None:
        """`until` stays: it tells when somebody last worked."""
        self._held_at = None
        DrainLease.objects.filter(name=self.name, token=self.token).update(token=None)


def worked_within(seconds: float) -> bool:
    """Whether anybody, anywhere, held a lease so recently."""
    return DrainLease.objects.filter(
        until__gt=in_seconds(LEASE_SECONDS - seconds)
    ).exists()


def forget_old() -> None:
    """Names of clusters that are long gone."""
    DrainLease.objects.filter(until__lt=in_seconds(-86_400)).delete()
