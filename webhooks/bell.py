"""Rings: django-q2 tasks that say "look at the rows", and carry nothing else.

Wipe the queue and nothing is lost: the minute's sweep finds what is due.
"""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule
from django_q.tasks import async_task

DRAIN = "webhooks.tasks.drain"


def ring(path: str = DRAIN) -> None:
    """Call a task. With the database as broker the ring is part of our transaction."""
    name = path.rpartition(".")[2]
    if Conf.ORM:
        async_task(path, task_name=name, save=False)
    else:
        transaction.on_commit(lambda: async_task(path, task_name=name, save=False))


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
