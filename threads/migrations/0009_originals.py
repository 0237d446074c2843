# PostgreSQL stores originals as they are: compressing them cost it half its time at ingest,
# and most of their bytes are base64, which hardly gets smaller.

from django.db import migrations


def storage(kind):
    def alter(apps, schema_editor):
        if schema_editor.connection.vendor == 'postgresql':
            table = apps.get_model('threads', 'Original')._meta.db_table
            schema_editor.execute(
                f'ALTER TABLE "{table}" ALTER COLUMN "content" SET STORAGE {kind}'
            )

    return alter


class Migration(migrations.Migration):

    dependencies = [
        ('threads', '0008_protection'),
    ]

    operations = [
        migrations.RunPython(storage('EXTERNAL'), storage('EXTENDED')),
    ]
