"""The staff's pages on a full database: milliseconds and statements of each.

    python -m bench.pages [THREADS]

Fills a database of its own (`DATABASE_URL`, or a new SQLite file) with 100,000 threads
of three messages each, their events and deliveries, from a fixed seed, and opens every
page with Django's test client: the median of five, after one to warm up. On a busy
machine the work (seconds of processor, ours and of the server's process that serves us)
says more than the clock on the wall. On a real PostgreSQL:

    python tests/postgres.py python -m bench.pages
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, process_time
from types import SimpleNamespace
from typing import Any

from bench.archive import Archive

ROUNDS = 5
SLOWEST_MS = 300
MOST_STATEMENTS = 12


def page(name: str, *args: Any) -> str:
    from django.urls import reverse  # noqa: PLC0415

    return reverse(f"admin:{name}", args=args)


def lists() -> Iterator[tuple[str, str]]:
    """Every page of the menu, and what one asks of the long ones."""
    from mailbelly.sidebar import navigation  # noqa: PLC0415
    from threads.models import Message, Thread, User  # noqa: PLC0415

    some = Thread.objects.order_by("-pk")[1000]
    named = Message.objects.order_by("-pk")[3000].message_id
    threads = page("threads_thread_changelist")
    customers = page("threads_customer_changelist")
    deliveries = page("webhooks_delivery_changelist")
    events = page("webhooks_event_changelist")
    merge = page("threads_thread_merge", some.public_id)
    everybody = SimpleNamespace(user=User.objects.get(username="bench"))
    for group in navigation(everybody):
        yield from ((str(item["title"]), str(item["link"])) for item in group["items"])
    yield "Threads, page 20", f"{threads}?p=20"
    for queue in ("mine", "unassigned", "waiting", "snoozed"):
        yield f"Threads, {queue}", f"{threads}?queue={queue}"
    yield "Threads, closed", f"{threads}?status__exact=closed"
    yield "Threads, spam (none)", f"{threads}?status__exact=spam"
    yield "Threads, urgent", f"{threads}?priority__exact=urgent"
    yield "Threads, a tag", f"{threads}?tags__id__exact=4"
    yield "Threads, a mailbox", f"{threads}?mailbox__id__exact=1"
    yield "Threads, a common word", f"{threads}?q=factuur"
    yield "Threads, one subject", f"{threads}?q={some.subject.split()[-1]}"
    yield "Threads, what is not there", f"{threads}?q=bestaat+niet"
    yield "Threads, an address", f"{threads}?q=klant77@bedrijf77.nl"
    yield "Threads, a Message-ID", f"{threads}?q={named}"
    yield "Merge, search", f"{merge}?q=garantie"
    yield "Customers, search", f"{customers}?q=klant99"
    yield "Deliveries, page 20", f"{deliveries}?p=20"
    yield "Deliveries, given up", f"{deliveries}?state__exact=exhausted"
    yield "Deliveries, of a webhook", f"{deliveries}?webhook__id__exact=1"
    yield "Deliveries, an event", f"{deliveries}?event=message.received"
    yield "Deliveries, of a thread", f"{deliveries}?q={some.public_id}"
    yield "Events, of a thread", f"{events}?q={some.public_id}"
    yield "Events, a kind", f"{events}?event=message.received"


def single() -> Iterator[tuple[str, str]]:
    """A page of each kind that shows one row, and the forms for a new one."""
    from django.urls import reverse  # noqa: PLC0415

    from threads.models import IngestRecord, Thread, User  # noqa: PLC0415

    some = Thread.objects.order_by("-pk")[1000]
    clerk = User.objects.get(username="anna").pk
    stopped = IngestRecord.objects.order_by("-pk")[0].pk
    yield "A thread", page("threads_thread_change", some.public_id)
    yield "Merge", page("threads_thread_merge", some.public_id)
    yield "A customer", page("threads_customer_change", some.customer_id)
    yield "A mailbox", page("threads_mailbox_change", 1)
    yield "New mailbox", page("threads_mailbox_add")
    yield "A source", page("threads_source_change", 1)
    yield "A webhook", page("webhooks_webhook_change", 1)
    yield "New webhook", page("webhooks_webhook_add")
    yield "New API key", page("api_apikey_add")
    yield "A delivery", page("webhooks_delivery_change", some.pk)
    yield "An event", page("webhooks_event_change", some.pk)
    yield "A quarantined mail", page("threads_ingestrecord_change", stopped)
    yield "A team member", page("threads_user_change", clerk)
    yield "A group", page("auth_group_change", 1)
    yield "My account", reverse("account")


def measure(client: Any, url: str) -> tuple[float, float, int]:
    """Milliseconds by the clock, and of work; statements."""
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    with CaptureQueriesContext(connection) as statements:
        answer = client.get(url)
    counted = len(statements)
    if answer.status_code == 302:  # no list, but the form below it
        return measure(client, answer.url)
    if answer.status_code != 200:
        raise SystemExit(f"{url} answers {answer.status_code}")
    took, worked = [], []
    for _ in range(ROUNDS):
        begun, busy = monotonic(), _work(connection)
        client.get(url)
        took.append((monotonic() - begun) * 1000)
        worked.append((_work(connection) - busy) * 1000)
    return statistics.median(took), statistics.median(worked), counted


def _work(connection: Any) -> float:
    """Seconds of processor: ours, and of the server's process that serves us."""
    if connection.vendor == "sqlite":
        return process_time()
    server = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    return process_time() + int(server.read_text().split()[0]) / 1e9


def main(threads: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/bench.sqlite3")
        os.environ.setdefault("ENV_FILE", "tests/environment.env")
        os.environ.setdefault("LOG_LEVEL", "ERROR")
        os.environ.update(DEBUG="true", DJANGO_SETTINGS_MODULE="mailbelly.settings")
        import django  # noqa: PLC0415

        django.setup()
        from django.conf import settings  # noqa: PLC0415
        from django.core.management import call_command  # noqa: PLC0415
        from django.db import connection, reset_queries  # noqa: PLC0415
        from django.test import Client  # noqa: PLC0415
        from django.utils import timezone  # noqa: PLC0415

        from threads.models import User  # noqa: PLC0415

        settings.DEBUG = False
        settings.ALLOWED_HOSTS = ["testserver"]
        call_command("migrate", verbosity=0)
        begun = monotonic()
        Archive(threads, timezone.now()).fill()
        client = Client()
        client.force_login(User.objects.create_superuser("bench", "bench@shop.nl"))
        with connection.cursor() as cursor:
            # As autovacuum leaves a database that has been in use for a while.
            cursor.execute(
                "ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE"
            )
        reset_queries()
        seconds = monotonic() - begun
        print(f"{connection.vendor}: {threads:,} threads, filled in {seconds:.0f} s")
        over = 0
        for name, url in (*lists(), *single()):
            ms, work, statements = measure(client, url)
            late = min(ms, work) > SLOWEST_MS or statements > MOST_STATEMENTS
            over += late
            print(
                f"{name:26} {statements:2} statements {ms:6.0f} ms, of work"
                f" {work:4.0f} ms{'  <--' if late else ''}",
                flush=True,
            )
        print(f"{over} over {SLOWEST_MS} ms or {MOST_STATEMENTS} statements")
        connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("threads", type=int, nargs="?", default=100_000)
    main(parser.parse_args().threads)
