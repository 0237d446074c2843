# Mail that an MTA hands over; sources for several mailboxes; catch-all mailboxes.


from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('threads', '0009_originals'),
    ]

    operations = [
        migrations.AddField(
            model_name='mailbox',
            name='catch_all',
            field=models.BooleanField(db_default=False, default=False, help_text='It takes the mail for every address of its domain that no mailbox and no alias has.', verbose_name='catch-all'),
        ),
        migrations.AddField(
            model_name='source',
            name='by_recipient',
            field=models.BooleanField(db_default=False, default=False, help_text='Each mail goes to the mailbox that it was delivered to: the first of Delivered-To, X-Original-To, To and Cc that is one of ours.', verbose_name='for several mailboxes'),
        ),
        migrations.AlterField(
            model_name='source',
            name='kind',
            field=models.CharField(choices=[('maildir', 'Maildir'), ('imap', 'IMAP'), ('files', 'files'), ('stdin', 'pipe'), ('lmtp', 'LMTP')], max_length=8, verbose_name='kind'),
        ),
        migrations.AddConstraint(
            model_name='mailbox',
            constraint=models.UniqueConstraint(condition=models.Q(('catch_all', True)), fields=('domain',), name='mailbox_catch_all_once'),
        ),
    ]
