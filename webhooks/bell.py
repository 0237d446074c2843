"""Rings: django-q2 tasks that say "look at the rows", and carry nothing else.

Wipe the queue and nothing is lost: the minute's sweep finds what is due.
"""

from time import monotonic

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule
from django_q.tasks import async_task

DRAIN = "webhooks.tasks.drain"
AWAY_SECONDS = 30


class _Broker:
    """One that is not our database. While it is away nobody waits for it again."""

    def __init__(self) -> None:
        self._away_until = 0.0

    def call(self, path: str, name: str) -> None:
        if monotonic() < self._away_until:
            return
        called = False
        try:
            async_task(path, task_name=name, save=False)
            called = True
        finally:
            if not called:
                self._away_until = monotonic() + AWAY_SECONDS


_broker = _Broker()


def ring(path: str = DRAIN) -> None:
    """Call a task. With the database as broker the ring is part of our transaction."""
    name = path.rpartition(".")[2]
    if Conf.ORM:
        async_task(path, task_name=name, save=False)
    else:
        # What is committed stays so, also while nobody can be rung.
        transaction.on_commit(lambda: _broker.call(path, name), robust=True)


def answered(path: str) -> None:
    """Delete rings of `path` that no worker has taken: who runs now answers them."""
    if not Conf.ORM:
        return
    waiting = OrmQ.objects.filter(Q(lock__isnull=True) | Q(lock__lte=timezone.now()))
    pks = [row.pk for row in waiting.order_by("pk")[:200] if _calls(row, path)]
    if pks:
        OrmQ.objects.filter(pk__in=pks).delete()


def every_minute(schedules: dict[str, str]) -> None:
    """`{name: dotted path}`, each once a minute; safe to repeat, by many at once."""
    for name, path in schedules.items():
        known = Schedule.objects.filter(name=name).order_by("pk")
        wanted = {
            "func": path,
            "schedule_type": Schedule.MINUTES,
            "minutes": 1,
            "repeats": -1,
        }
        first = known.first() or Schedule.objects.create(name=name, **wanted)
        known.filter(pk=first.pk).update(**wanted)
        known.filter(pk__gt=first.pk).delete()


def _calls(row: OrmQ, path: str) -> bool:
    task = row.task
    return isinstance(task, dict) and task.get("func") == path
