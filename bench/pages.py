"""The staff's pages on a full database: milliseconds and statements of each.

    python -m bench.pages [THREADS]

Fills a database of its own (`DATABASE_URL`, or a new SQLite file) with 100,000 threads
of three messages each, from a fixed seed, and opens every page with Django's test
client: the median of five, after one to warm up. On a busy machine the time spent in
this process (on SQLite that is all of it) says more than the clock on the wall.
"""

import argparse
import hashlib
import os
import random
import statistics
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic, process_time
from typing import Any

ROUNDS = 5
BATCH = 2_000
MESSAGES = 3
WORDS = [
    *("factuur", "bestelling", "levering", "retour", "lamp", "offerte", "korting"),
    *("betaling", "adres", "vraag", "klacht", "garantie", "afspraak", "monteur"),
    *("wachtwoord", "account", "order", "pakket", "btw", "nota"),
]


def fill(threads: int) -> None:
    from django.db.models import OuterRef, Subquery  # noqa: PLC0415 -- after setup
    from django.utils import timezone  # noqa: PLC0415

    from threads import models  # noqa: PLC0415

    chance = random.Random(20418)
    start = timezone.now() - timedelta(days=700)
    boxes = [
        models.Mailbox.objects.create(address=f"{name}@shop.nl", name=name.title())
        for name in ("support", "verkoop", "info")
    ]
    team = [
        models.User.objects.create(
            username=name, email=f"{name}@shop.nl", first_name=name.title()
        )
        for name in ("anna", "bas", "carla", "daan", "eva")
    ]
    models.User.objects.create_superuser("bench", "bench@shop.nl", "bench")
    models.Original.objects.create(pk=1, sha256="0" * 64, size=4, content=b"bench")
    tags = models.Tag.objects.bulk_create(models.Tag(name=word) for word in WORDS)
    people = models.Customer.objects.bulk_create(
        (
            models.Customer(
                domain="shop.nl", address=f"klant{n}@bedrijf{n % 97}.nl", name=f"K {n}"
            )
            for n in range(max(threads // 3, 10))
        ),
        batch_size=BATCH,
    )
    for first in range(0, threads, BATCH):
        _fill_batch(
            range(first, min(first + BATCH, threads)),
            chance=chance,
            start=start,
            boxes=boxes,
            team=team,
            tags=tags,
            people=people,
        )
    newest = models.Message.objects.filter(thread=OuterRef("pk")).order_by("-pk")
    models.Thread.objects.update(
        last_message=Subquery(newest.values("pk")[:1]),
        last_message_at=Subquery(newest.values("created_at")[:1]),
    )


def _fill_batch(
    numbers: range,
    *,
    chance: random.Random,
    start: Any,
    boxes: list[Any],
    team: list[Any],
    tags: list[Any],
    people: list[Any],
) -> None:
    from threads import models  # noqa: PLC0415
    from webhooks.models import Event, EventBody  # noqa: PLC0415

    rows = models.Thread.objects.bulk_create(
        models.Thread(
            mailbox=chance.choice(boxes),
            subject=f"{' '.join(chance.sample(WORDS, 3)).capitalize()} {number}",
            status=chance.choice(["open", *["closed"] * 8, "pending"]),
            priority=chance.choice([*["normal"] * 8, "high", "urgent"]),
            assignee=chance.choice([None, *team]),
            customer=chance.choice(people),
            message_count=MESSAGES,
            sequence=1,
        )
        for number in numbers
    )
    models.Message.objects.bulk_create(
        (
            _message(thread, turn, f"{number}.{turn}@bench", start=start, chance=chance)
            for number, thread in zip(numbers, rows, strict=True)
            for turn in range(MESSAGES)
        ),
        batch_size=BATCH // 2,  # PostgreSQL takes 65,535 parameters
    )
    models.Thread.tags.through.objects.bulk_create(
        models.Thread.tags.through(thread=thread, tag=chance.choice(tags))
        for thread in rows[::2]
    )
    events = Event.objects.bulk_create(
        Event(
            type="thread.created",
            thread=thread.public_id,
            mailbox=thread.mailbox.address,
            domain="shop.nl",
            sequence=1,
            position=number + 1,
            cause=f"bench:{number}",
        )
        for number, thread in zip(numbers, rows, strict=True)
    )
    body = b'{"actor":{"type":"customer","id":"k@x.nl","name":"Klant"}}'
    EventBody.objects.bulk_create(
        EventBody(event=event, format="full", body=body) for event in events
    )


def _message(
    thread: Any, turn: int, name: str, *, start: Any, chance: random.Random
) -> Any:
    from threads import models  # noqa: PLC0415

    ours = turn == 1
    text = " ".join(chance.choices(WORDS, k=80))
    them = {"address": thread.customer.address, "name": thread.customer.name}
    us = {"address": thread.mailbox.address, "name": ""}
    return models.Message(
        mailbox=thread.mailbox,
        thread=thread,
        direction="outbound" if ours else "inbound",
        status="sent" if ours else "received",
        dedupe_key=hashlib.sha256(name.encode()).hexdigest(),
        original_id=1,
        message_id=name,
        sender=us["address"] if ours else them["address"],
        addresses={
            "from": [us if ours else them],
            "to": [them if ours else us],
            "cc": [],
            "reply_to": [],
        },
        subject=thread.subject,
        body_text=text,
        spans={"reply": [[0, len(text)]], "quoted": [], "signature": []},
        created_at=start + timedelta(minutes=turn),
        why_rule="new",
        why_evidence="refers to nothing",
    )


def pages() -> Iterator[tuple[str, str]]:
    from django.urls import reverse  # noqa: PLC0415

    from threads.models import Message, Tag, Thread  # noqa: PLC0415

    threads = reverse("admin:threads_thread_changelist")
    some = Thread.objects.order_by("-pk")[1000]
    named = Message.objects.order_by("-pk")[3000].message_id
    tag = Tag.objects.order_by("pk")[3].pk
    yield "all threads", threads
    yield "all threads, page 20", f"{threads}?p=20"
    for queue in ("mine", "unassigned", "waiting", "snoozed"):
        yield queue, f"{threads}?queue={queue}"
    yield "closed", f"{threads}?status__exact=closed"
    yield "spam (none)", f"{threads}?status__exact=spam"
    yield "urgent", f"{threads}?priority__exact=urgent"
    yield "a tag", f"{threads}?tags__id__exact={tag}"
    yield "a mailbox", f"{threads}?mailbox__id__exact={some.mailbox_id}"
    yield "search a common word", f"{threads}?q=factuur"
    yield "search one subject", f"{threads}?q={some.subject.split()[-1]}"
    yield "search nothing", f"{threads}?q=bestaat+niet"
    yield "search an address", f"{threads}?q=klant77@bedrijf77.nl"
    yield "search a Message-ID", f"{threads}?q={named}"
    yield "a thread", reverse("admin:threads_thread_change", args=[some.public_id])
    merge = reverse("admin:threads_thread_merge", args=[some.public_id])
    yield "merge", merge
    yield "merge, search", f"{merge}?q=garantie"
    customers = reverse("admin:threads_customer_changelist")
    yield "customers", customers
    yield "customers, search", f"{customers}?q=klant99"
    yield (
        "a customer",
        reverse("admin:threads_customer_change", args=[some.customer_id]),
    )
    yield "tags", reverse("admin:threads_tag_changelist")


def measure(url: str) -> tuple[float, float, int]:
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    from threads.models import User  # noqa: PLC0415

    client = Client()
    client.force_login(User.objects.get(username="bench"))
    with CaptureQueriesContext(connection) as statements:
        answer = client.get(url)
    counted = len(statements)
    if answer.status_code != 200:
        raise SystemExit(f"{url} answers {answer.status_code}")
    took, worked = [], []
    for _ in range(ROUNDS):
        begun, busy = monotonic(), process_time()
        client.get(url)
        took.append((monotonic() - begun) * 1000)
        worked.append((process_time() - busy) * 1000)
    return statistics.median(took), statistics.median(worked), counted


def main(threads: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/bench.sqlite3")
        os.environ.setdefault("ENV_FILE", "tests/environment.env")
        os.environ.update(DEBUG="true", DJANGO_SETTINGS_MODULE="mailbelly.settings")
        import django  # noqa: PLC0415

        django.setup()
        from django.conf import settings  # noqa: PLC0415
        from django.core.management import call_command  # noqa: PLC0415
        from django.db import connection, reset_queries  # noqa: PLC0415

        settings.DEBUG = False
        settings.ALLOWED_HOSTS = ["testserver"]
        call_command("migrate", verbosity=0)
        begun = monotonic()
        fill(threads)
        reset_queries()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        seconds = monotonic() - begun
        print(f"{connection.vendor}: {threads:,} threads, filled in {seconds:.0f} s")
        for name, url in pages():
            ms, cpu, statements = measure(url)
            print(
                f"{name:24} {ms:7.0f} ms, of which {cpu:5.0f} ms in this process,"
                f" {statements:2} statements"
            )
        connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("threads", type=int, nargs="?", default=100_000)
    main(parser.parse_args().threads)
