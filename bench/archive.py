"""Years of a busy desk, as rows: what `bench.pages` opens its pages on.

Every primary key is chosen here, so that rows can name each other before they exist;
PostgreSQL takes them by COPY, SQLite by `executemany`.
"""

import hashlib
import random
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

MESSAGES = 3
WORDS = [
    *("factuur", "bestelling", "levering", "retour", "lamp", "offerte", "korting"),
    *("betaling", "adres", "vraag", "klacht", "garantie", "afspraak", "monteur"),
    *("wachtwoord", "account", "order", "pakket", "btw", "nota"),
]
_MAILBOXES = ("support@shop.nl", "verkoop@shop.nl", "info@shop.nl")
_TEAM = ("anna", "bas", "carla", "daan", "eva")
_DAYS = 700
_QUARANTINED = 200
_BODY = b'{"actor":{"type":"customer","id":"k@x.nl","name":"Klant"}}'


class Archive:
    """`threads` threads of three messages, with their events and deliveries."""

    def __init__(self, threads: int, now: datetime) -> None:
        self.chance = random.Random(20418)
        self.threads = range(1, threads + 1)
        self.people = max(threads // 3, 10)
        self.first = now - timedelta(days=_DAYS)
        self.pace = timedelta(days=_DAYS) / threads
        self.texts = [
            " ".join(self.chance.choices(WORDS, k=80)).capitalize() for _ in range(500)
        ]

    def fill(self) -> None:
        from django.core.management.color import no_style  # noqa: PLC0415
        from django.db import connection, transaction  # noqa: PLC0415

        from threads import models  # noqa: PLC0415
        from webhooks import models as office  # noqa: PLC0415

        with transaction.atomic():
            self._furnish()
            if connection.vendor == "postgresql":
                # Rows that name each other are right: no need to ask each of them.
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL session_replication_role = replica")
            written = (
                (models.Customer, self._customers()),
                (models.Thread, self._threads()),
                (models.Message, self._messages()),
                (models.Thread.tags.through, self._tags()),
                (models.IngestRecord, self._records()),
                (office.Event, self._events()),
                (office.EventBody, self._bodies()),
                (office.Delivery, self._deliveries()),
                (office.Attempt, self._attempts()),
            )
            for model, rows in written:
                insert(connection, model, rows)
            few = (models.Mailbox, models.Source, models.User, models.Original)
            tables = [*few, models.Tag, office.Webhook, *(one for one, _ in written)]
            with connection.cursor() as cursor:
                for line in connection.ops.sequence_reset_sql(no_style(), tables):
                    cursor.execute(line)

    def _furnish(self) -> None:
        """The few rows that everything hangs from."""
        from threads import models  # noqa: PLC0415
        from webhooks.models import Webhook  # noqa: PLC0415

        for key, address in enumerate(_MAILBOXES, 1):
            mailbox = models.Mailbox.objects.create(
                pk=key, address=address, name=address.split("@")[0].title()
            )
            models.Source.objects.create(
                pk=key, mailbox=mailbox, kind="maildir", location=f"/mail/{key}"
            )
        for key, name in enumerate(_TEAM, 1):
            models.User.objects.create(
                pk=key, username=name, email=f"{name}@shop.nl", first_name=name.title()
            )
        models.Original.objects.create(pk=1, sha256="0" * 64, size=4, content=b"mail")
        models.Tag.objects.bulk_create(
            models.Tag(pk=key, name=word) for key, word in enumerate(WORDS, 1)
        )
        for key in (1, 2):
            Webhook.objects.create(
                pk=key, url=f"https://w{key}.shop.nl/", events=["thread.created"]
            )

    def _when(self, thread: int, turn: int = 0) -> datetime:
        return self.first + thread * self.pace + timedelta(minutes=turn)

    def _person(self, thread: int) -> dict[str, str]:
        number = thread * 7919 % self.people + 1
        address = f"klant{number}@bedrijf{number % 97}.nl"
        return {"address": address, "name": f"Klant {number}"}

    def _customers(self) -> Iterator[dict[str, Any]]:
        for number in range(1, self.people + 1):
            yield {
                "id": number,
                "domain": "shop.nl",
                "address": f"klant{number}@bedrijf{number % 97}.nl",
                "name": f"Klant {number}",
                "thread_count": 3,
            }

    def _threads(self) -> Iterator[dict[str, Any]]:
        choose = self.chance.choice
        for number in self.threads:
            yield {
                "id": number,
                "public_id": f"cthread{number:018}",
                "mailbox_id": number % len(_MAILBOXES) + 1,
                "subject": f"{' '.join(self.chance.sample(WORDS, 3)).capitalize()}"
                f" {number}",
                "status": choose(["open", *["closed"] * 8, "pending"]),
                "priority": choose([*["normal"] * 8, "high", "urgent"]),
                "assignee_id": choose([None, *range(1, len(_TEAM) + 1)]),
                "customer_id": number * 7919 % self.people + 1,
                "participants": [self._person(number)],
                "message_count": MESSAGES,
                "sequence": 1,
                "last_message_id": number * MESSAGES,
                "last_message_at": self._when(number, MESSAGES),
                "created_at": self._when(number),
                "updated_at": self._when(number, MESSAGES),
            }

    def _messages(self) -> Iterator[dict[str, Any]]:
        for number in self.threads:
            them = self._person(number)
            us = {"address": _MAILBOXES[number % len(_MAILBOXES)], "name": ""}
            for turn in range(1, MESSAGES + 1):
                ours = turn == 2
                name = f"{number}.{turn}@bench"
                text = self.chance.choice(self.texts)
                yield {
                    "id": (number - 1) * MESSAGES + turn,
                    "public_id": f"cmessage{number:016}{turn}",
                    "mailbox_id": number % len(_MAILBOXES) + 1,
                    "thread_id": number,
                    "direction": "outbound" if ours else "inbound",
                    "status": "sent" if ours else "received",
                    "dedupe_key": hashlib.sha256(name.encode()).hexdigest(),
                    "original_id": 1,
                    "message_id": name,
                    "sender": us["address"] if ours else them["address"],
                    "addresses": {
                        "from": [us if ours else them],
                        "to": [them if ours else us],
                        "cc": [],
                        "reply_to": [],
                    },
                    "subject": f"Vraag {number}",
                    "body_text": text,
                    "spans": {"reply": [[0, len(text)]], "quoted": [], "signature": []},
                    "received_at": self._when(number, turn),
                    "created_at": self._when(number, turn),
                    "why_rule": "new",
                    "why_evidence": "refers to nothing",
                }

    def _tags(self) -> Iterator[dict[str, Any]]:
        for number in self.threads[::2]:
            yield {
                "id": number,
                "thread_id": number,
                "tag_id": self.chance.randint(1, len(WORDS)),
            }

    def _records(self) -> Iterator[dict[str, Any]]:
        for number in self.threads:
            stopped = number > len(self.threads) - _QUARANTINED
            yield {
                "id": number,
                "public_id": f"crecord{number:018}",
                "source_id": number % len(_MAILBOXES) + 1,
                "ref": f"{number}.mail",
                "size": 4,
                "state": "quarantined" if stopped else "done",
                "original_id": 1,
                "message_id": None if stopped else number * MESSAGES,
                "last_error": "It has too many parts." if stopped else "",
            }

    def _events(self) -> Iterator[dict[str, Any]]:
        for number in self.threads:
            yield {
                "id": number,
                "public_id": f"cevent{number:019}",
                "type": "thread.created",
                "thread": f"cthread{number:018}",
                "mailbox": _MAILBOXES[number % len(_MAILBOXES)],
                "domain": "shop.nl",
                "sequence": 1,
                "position": number,
                "cause": f"bench:{number}",
                "created_at": self._when(number),
            }

    def _bodies(self) -> Iterator[dict[str, Any]]:
        for number in self.threads:
            yield {"id": number, "event_id": number, "format": "full", "body": _BODY}

    def _deliveries(self) -> Iterator[dict[str, Any]]:
        for number in self.threads:
            yield {
                "id": number,
                "public_id": f"cdelivery{number:016}",
                "event_id": number,
                "webhook_id": number % 2 + 1,
                "body_id": number,
                "state": self.chance.choice([*["succeeded"] * 20, "exhausted"]),
                "attempts": 1,
                "next_at": self._when(number),
                "created_at": self._when(number),
                "finished_at": self._when(number),
            }

    def _attempts(self) -> Iterator[dict[str, Any]]:
        for number in self.threads:
            yield {
                "id": number,
                "delivery_id": number,
                "number": 1,
                "started_at": self._when(number),
                "duration_ms": self.chance.randint(20, 900),
                "status": self.chance.choice([*[200] * 20, 503]),
            }


def insert(connection: Any, model: Any, rows: Iterable[dict[str, Any]]) -> None:
    """What a row does not say has the model's default, or the database's own."""
    options = model._meta  # noqa: SLF001 -- documented
    coming = iter(rows)
    first = next(coming)
    given = [field for field in options.concrete_fields if field.attname in first]
    silent = [
        field
        for field in options.concrete_fields
        if field not in given and not field.has_db_default()
    ]
    always = [
        field.get_db_prep_save(field.get_default(), connection) for field in silent
    ]
    names = ", ".join(f'"{field.column}"' for field in [*given, *silent])
    values = (
        [
            *(
                field.get_db_prep_save(row[field.attname], connection)
                for field in given
            ),
            *always,
        ]
        for row in chain([first], coming)
    )
    table = options.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for value in values:
                    copy.write_row(value)
        else:
            marks = ", ".join(["%s"] * (len(given) + len(silent)))
            cursor.executemany(
                f"INSERT INTO {table} ({names}) VALUES ({marks})",
                values,
            )
