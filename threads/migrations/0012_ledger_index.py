# A second index on a column that leads the unique one: SQLite took it to look up mails, and
# read all of a source for each 500 of them. Dropped as it is: no table is copied for that.

import django.db.models.deletion
from django.db import migrations, models

NAME = 'threads_ingestrecord_source_id_8c91df2d'


class Migration(migrations.Migration):

    dependencies = [
        ('threads', '0011_imap'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f'DROP INDEX IF EXISTS "{NAME}"',
                    f'CREATE INDEX "{NAME}" ON "threads_ingestrecord" ("source_id")',
                ),
            ],
            state_operations=[
                migrations.AlterField(
                    model_name='ingestrecord',
                    name='source',
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name='records',
                        to='threads.source',
                        verbose_name='source',
                    ),
                ),
            ],
        ),
    ]
