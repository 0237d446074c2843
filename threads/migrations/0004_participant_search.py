"""Threads are found by their people: addresses as they are compared, and indexes."""

from django.db import migrations, models

from threads.mail.addresses import normalise


def compare_alike(apps, schema_editor):
    """Each participant once, by the address that new ones are stored with."""
    threads = apps.get_model("threads", "Thread").objects.using(
        schema_editor.connection.alias
    )
    for thread in threads.only("participants").iterator(chunk_size=1000):
        people = {}
        for person in thread.participants:
            if address := normalise(person["address"]):
                people.setdefault(address, {**person, "address": address})
        if thread.participants != list(people.values()):
            threads.filter(pk=thread.pk).update(participants=list(people.values()))


def index_people(apps, schema_editor):
    """GET /threads?from=. SQLite has no index into JSON; it reads the column."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE INDEX thread_by_participant ON threads_thread"
            " USING gin (participants jsonb_path_ops)"
        )


def drop_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX thread_by_participant")


class Migration(migrations.Migration):
    dependencies = [("threads", "0003_safety")]

    operations = [
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["sender"], name="message_by_sender"),
        ),
        migrations.RunPython(compare_alike, migrations.RunPython.noop),
        migrations.RunPython(index_people, drop_index),
    ]
