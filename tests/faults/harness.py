"""Kill a command at each step it passes, finish it, and compare what is left.

A run is a fork of the test process, so it needs no second to boot, and dies by a real
SIGKILL. The database is emptied between runs, not migrated anew.
"""

import json
import os
import re
import signal
import sys
import traceback
from datetime import datetime
from itertools import groupby
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, load_command_class
from django.db import connection, connections, transaction
from django_q.models import OrmQ

from threads.laws import LAWS
from threads.models import (
    Attachment,
    Customer,
    IngestRecord,
    Mailbox,
    Message,
    Original,
    Source,
    Thread,
)
from webhooks.models import Attempt, Delivery, Event, EventBody, Webhook

# As `make faults` runs them, for whoever has the time.
LONG = "FAULT_KILLS" in os.environ
# Once, and not anew in each fork.
load_command_class("threads", "ingest")
load_command_class("threads", "deliver")


def forked(work, fault=""):
    """Runs `work` in a process of its own; its exit code, or -9 when it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(begun(work, fault), 0)[1])


def begun(work, fault=""):
    """The same, under way: the process's id."""
    connections.close_all()
    pid = os.fork()
    if not pid:
        code = 70
        try:
            settings.FAULT_STEP = fault
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            work()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        except CommandError as error:
            code = error.returncode
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(code)
    return pid


def steps(work, log):
    """The names of the steps that an uninterrupted run passes, in order."""
    log.unlink(missing_ok=True)
    forked(work, f"log:{log}")
    return log.read_text().split()


def chosen(names):
    """`(number, name)` of each step worth a death: of a row of equals, the first.

    A short run dies at each kind of step once.
    """
    numbered = list(enumerate(names, start=1))
    if not LONG:
        first = {name: number for number, name in reversed(numbered)}
        return sorted((number, name) for name, number in first.items())
    return [next(row) for _, row in groupby(numbered, key=lambda step: step[1])]


def summary(door, kind, names, done):
    """For `make faults`: what was tried, when all of it has ended well."""
    print(
        f"door={door} database={connection.vendor} {kind} passed={len(names)}"
        f" tried={len(done)} lost=0 twice=0",
        file=sys.__stderr__,
    )


def killed(code):
    return code == -signal.SIGKILL


def healthy():
    assert [line for law in LAWS for line in law.broken()] == []


@transaction.atomic
def emptied():
    """A fresh database, of ours and of the queue."""
    tables = [model._meta.db_table for model in _models()] + [OrmQ._meta.db_table]
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'DELETE FROM "{table}"')


def _models():
    for label in ("api", "threads", "webhooks"):
        yield from apps.get_app_config(label).get_models(include_auto_created=True)


# --- What is left, ids, times and tokens apart ------------------------------------

_ID = re.compile(r"\bc[0-9a-z]{24}\b")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_ATTEMPTS = re.compile(r"(mail\.quarantined:[^:]+):[0-9a-f-]+")
# Of these the order of rows may differ, and a name of their own is known.
_NAMED = {
    Original: lambda row: row.sha256,
    IngestRecord: lambda row: row.ref,
    Customer: lambda row: row.address,
}
# In the order in which they are born: each by its row's place among its kind.
_NUMBERED = (Mailbox, Source, Webhook, Thread, Message, Attachment)
# What a second try may leave otherwise.
_FREE = {
    IngestRecord: {"attempts", "epoch"},
    Event: {"position"},
    Delivery: {"attempts", "lost_leases", "token"},
    # Of a folder that the server has made anew for each run.
    Source: {"owner", "uidvalidity"},
    Webhook: {"url"},
}
_TRACES = {Attempt}


class Labels:
    """Names for rows that two runs share, whatever their keys are."""

    def __init__(self):
        self.keys = {}
        self.ids = {}
        for model, name in _NAMED.items():
            for row in model.objects.all():
                self._add(row, name(row))
        for model in _NUMBERED:
            for number, row in enumerate(model.objects.order_by("pk")):
                self._add(row, number)
        for row in Event.objects.all():
            cause = self.text(row.cause)
            self._add(row, f"{self.text(row.thread)} {row.sequence} {row.type} {cause}")
        for row in EventBody.objects.all():
            self._add(row, f"{self.keys[Event, row.event_id]} {row.format}")
        for row in Delivery.objects.all():
            event = self.keys[Event, row.event_id]
            self._add(row, f"{event} {self.keys[Webhook, row.webhook_id]}")

    def _add(self, row, name):
        label = f"{type(row).__name__} {name}"
        self.keys[type(row), row.pk] = label
        if public := getattr(row, "public_id", ""):
            self.ids[public] = label

    def text(self, text):
        text = _ID.sub(lambda found: self.ids.get(found[0], "?"), text)
        return _ATTEMPTS.sub(r"\1", _TIME.sub("a moment", text))

    def value(self, field, value):
        if field.is_relation and value is not None:
            return self.keys.get((field.related_model, value), str(value))
        if isinstance(value, datetime | UUID):
            return f"some {type(value).__name__}"
        if isinstance(value, bytes | memoryview):
            return self.text(_sorted(bytes(value).decode("utf-8", "backslashreplace")))
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict | list):
            return self.text(json.dumps(value, sort_keys=True))
        return value


def _sorted(text):
    """JSON without the order of its keys: PostgreSQL gives them back in its own."""
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text


def state():
    """Every row of ours as text, by table."""
    labels = Labels()
    found = {}
    for model in _models():
        if model in _TRACES or model._meta.label in {
            "webhooks.Heartbeat",
            "webhooks.DrainLease",
            "webhooks.Secret",
            "api.RateWindow",
            "api.ApiKey",
            "api.IdempotencyKey",
        }:
            continue
        skipped = {"id", *_FREE.get(model, ())}
        rows = [
            {
                field.name: labels.value(field, getattr(row, field.attname))
                for field in model._meta.concrete_fields
                if field.name not in skipped
            }
            for row in model._default_manager.all()
        ]
        found[model._meta.label] = sorted(
            json.dumps(row, sort_keys=True, ensure_ascii=False) for row in rows
        )
    return found


def differences(one, other):
    """The rows that only one of two states has, to be read when a test fails."""
    return [
        f"{sign} {table}: {row}"
        for table in one
        for sign, here, there in (
            ("-", one[table], other[table]),
            ("+", other[table], one[table]),
        )
        for row in here
        if here.count(row) != there.count(row)
    ]
