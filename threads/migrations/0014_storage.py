"""What a mail is written to: no index twice, and long texts without delay."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from webhooks.tables import (
    quickly_stored,
    without_index,
    without_prefix_indexes,
)


class Migration(migrations.Migration):

    # A table at a time: who writes to several waits for one, and for no ring of them.
    atomic = False

    dependencies = [
        ('threads', '0013_console'),
    ]

    operations = [
        without_index(
            'threads_attachment', 'message_id', 'threads_attachment_message_id_fc5e276c',
            migrations.AlterField(
                model_name='attachment',
                name='message',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='threads.message'),
            ),
        ),
        without_index(
            'threads_message', 'mailbox_id', 'threads_message_mailbox_id_07fcc283',
            migrations.AlterField(
                model_name='message',
                name='mailbox',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='threads.mailbox', verbose_name='mailbox'),
            ),
        ),
        without_index(
            'threads_message', 'thread_id', 'threads_message_thread_id_5699fb10',
            migrations.AlterField(
                model_name='message',
                name='thread',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='threads.thread', verbose_name='thread'),
            ),
        ),
        without_index(
            'threads_reference', 'mailbox_id', 'threads_reference_mailbox_id_8f847e05',
            migrations.AlterField(
                model_name='reference',
                name='mailbox',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='threads.mailbox'),
            ),
        ),
        without_index(
            'threads_thread', 'assignee_id', 'threads_thread_assignee_id_06cd4e60',
            migrations.AlterField(
                model_name='thread',
                name='assignee',
                field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='threads', to=settings.AUTH_USER_MODEL, verbose_name='assignee'),
            ),
        ),
        without_index(
            'threads_thread', 'mailbox_id', 'threads_thread_mailbox_id_efe6944f',
            migrations.AlterField(
                model_name='thread',
                name='mailbox',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='threads', to='threads.mailbox', verbose_name='mailbox'),
            ),
        ),
        without_index(
            'threads_recipient', 'message_id', 'threads_recipient_message_id_795aa97b',
            migrations.AlterField(
                model_name='recipient',
                name='message',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='recipients', to='threads.message'),
            ),
        ),
        without_prefix_indexes('threads', 'Message', 'Attachment', 'IngestRecord', 'Thread', 'Original'),
        quickly_stored('threads', 'Message', 'body_text', 'body_html'),
    ]
