"""Within MailBelly: so many threads of three messages each, and a key to read them.

    python -m bench.ours.many THREADS

One thread is stored by the product itself; the others are its copies, made by the
database (PostgreSQL). Prints the key.
"""

import sys

import django

django.setup()

from django.db import connection, models  # noqa: E402 -- after django.setup

from api.models import ApiKey  # noqa: E402
from threads.models import Customer, Mailbox, Message, Original, Thread  # noqa: E402

MESSAGES = 3


def copies(model: type[models.Model], count: str, **values: str) -> str:
    """INSERT … SELECT the one row `o` for `n` in 1 … count, with these columns anew."""
    columns = [field.column for field in model._meta.concrete_fields]  # noqa: SLF001
    table = model._meta.db_table  # noqa: SLF001
    picked = ", ".join(values.get(column, f'o."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    return (
        f'INSERT INTO "{table}" ({names}) SELECT {picked}'
        f' FROM generate_series(1, {count}) AS n, (SELECT * FROM "{table}"'
        " ORDER BY id LIMIT 1) AS o"
    )


threads = int(sys.argv[1])
mailbox = Mailbox.objects.create(address="support@shop.nl")
customer = Customer.objects.create(
    domain=mailbox.domain, address="klant@bedrijf.nl", name="Klant", thread_count=1
)
original = Original.objects.create(sha256="0" * 64, size=1, content=b"x")
person = {"address": customer.address, "name": customer.name}
thread = Thread.objects.create(
    mailbox=mailbox,
    customer=customer,
    subject="Vraag over factuur",
    participants=[person],
    message_count=MESSAGES,
)
Message.objects.create(
    mailbox=mailbox,
    thread=thread,
    direction=Message.Direction.INBOUND,
    original=original,
    dedupe_key="0",
    sender=customer.address,
    addresses={"from": [person], "to": [{"address": mailbox.address, "name": ""}]},
    subject=thread.subject,
    body_text="Hallo, ik heb een vraag over de factuur. " * 20,
    why_rule="new",
    why_evidence="refers to nothing",
)
unique = "'c' || lpad(n::text, 24, '0')"
first = Thread.objects.get().pk
begun = Message.objects.get().pk
with connection.cursor() as cursor:
    later = "o.created_at + n * interval '1 second'"
    cursor.execute(
        copies(
            Thread,
            str(threads),
            id=f"{first} + n",
            public_id=unique,
            subject="o.subject || ' ' || n",
            last_message_at=later,
            created_at=later,
            updated_at=later,
        )
    )
    cursor.execute(
        copies(
            Message,
            str(threads * MESSAGES),
            id=f"{begun} + n",
            public_id=unique,
            thread_id=f"{first} + 1 + (n - 1) % {threads}",
            dedupe_key="n::text",
            message_id="n::text",
        )
    )
    Message.objects.filter(pk=begun).delete()
    Thread.objects.filter(pk=first).delete()
    cursor.execute(
        f'UPDATE "{Thread._meta.db_table}" SET last_message_id ='  # noqa: SLF001
        f" {begun} + {threads * (MESSAGES - 1)} + id - {first}"
    )
    cursor.execute("VACUUM (FULL, ANALYZE)")
key, plain = ApiKey.objects.issue("bench")
key.rate_limit = 2**31 - 1
key.save()
print(plain)
