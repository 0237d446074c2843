"""What a mail is written to: no index twice, and long texts without delay."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from webhooks.tables import quickly_stored, without_prefix_indexes


class Migration(migrations.Migration):

    dependencies = [
        ('threads', '0013_console'),
    ]

    operations = [
        migrations.AlterField(
            model_name='attachment',
            name='message',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='threads.message'),
        ),
        migrations.AlterField(
            model_name='message',
            name='mailbox',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='threads.mailbox', verbose_name='mailbox'),
        ),
        migrations.AlterField(
            model_name='message',
            name='thread',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='threads.thread', verbose_name='thread'),
        ),
        migrations.AlterField(
            model_name='reference',
            name='mailbox',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='threads.mailbox'),
        ),
        migrations.AlterField(
            model_name='thread',
            name='assignee',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='threads', to=settings.AUTH_USER_MODEL, verbose_name='assignee'),
        ),
        migrations.AlterField(
            model_name='thread',
            name='mailbox',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='threads', to='threads.mailbox', verbose_name='mailbox'),
        ),
        migrations.AlterField(
            model_name='recipient',
            name='message',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='recipients', to='threads.message'),
        ),
        without_prefix_indexes('threads', 'Message', 'Attachment', 'IngestRecord', 'Thread', 'Original'),
        quickly_stored('threads', 'Message', 'body_text', 'body_html'),
    ]
