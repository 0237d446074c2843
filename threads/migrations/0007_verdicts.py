# What a mail is taken for and why; how answers find their thread.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('threads', '0006_error_words'),
    ]

    operations = [
        migrations.AddField(
            model_name='mailbox',
            name='body_marker',
            field=models.BooleanField(db_default=False, default=False, help_text='A line [ref:…] that recognises an answer whose mail program keeps the quote and loses the headers.', verbose_name='a reference below each reply'),
        ),
        migrations.AddField(
            model_name='mailbox',
            name='by_subject',
            field=models.BooleanField(db_default=False, default=False, help_text='Also when it answers an earlier message.', verbose_name='a changed subject begins a thread'),
        ),
        migrations.AddField(
            model_name='mailbox',
            name='reply_addresses',
            field=models.BooleanField(db_default=False, default=False, help_text='Replies ask for answers at support+…@example.com. Only for a mailbox whose mail server delivers such addresses to it.', verbose_name='an answer address for each thread'),
        ),
        migrations.AddField(
            model_name='message',
            name='about',
            field=models.CharField(blank=True, db_default='', default='', max_length=25),
        ),
        migrations.AddField(
            model_name='message',
            name='complaint',
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name='message',
            name='parsed_by',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=12),
        ),
        migrations.AddField(
            model_name='message',
            name='reasons',
            field=models.JSONField(blank=True, db_default=[], default=list),
        ),
        migrations.AddField(
            model_name='message',
            name='token_key',
            field=models.CharField(editable=False, max_length=26, null=True),
        ),
        migrations.AddField(
            model_name='message',
            name='warnings',
            field=models.JSONField(blank=True, db_default=[], default=list),
        ),
        migrations.AddField(
            model_name='source',
            name='sent',
            field=models.BooleanField(db_default=False, default=False, help_text="The folder in which the team's own mail programs keep what they sent.", verbose_name='sent mail'),
        ),
        migrations.AlterField(
            model_name='mailbox',
            name='strict',
            field=models.BooleanField(default=False, help_text='A stranger who answers a message of ours gets a thread apart.', verbose_name='strict threads'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('token_key__isnull', False)), fields=['mailbox', 'token_key'], name='message_by_token'),
        ),
    ]
