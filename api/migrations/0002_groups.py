"""The two groups of docs/security.md, with their rights, in every room."""

from django.db import migrations

from threads.access import groups


def make(apps, schema_editor):
    groups.refresh(apps)


class Migration(migrations.Migration):
    dependencies = [
        ("api", "0001_initial"),
        ("threads", "0001_initial"),
        ("webhooks", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
