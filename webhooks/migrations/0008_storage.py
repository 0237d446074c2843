"""What an event is written to: no index twice, and bodies without delay."""

import django.db.models.deletion
from django.db import migrations, models

from webhooks.tables import quickly_stored, without_prefix_indexes


class Migration(migrations.Migration):

    dependencies = [
        ('webhooks', '0007_pace'),
    ]

    operations = [
        migrations.AlterField(
            model_name='delivery',
            name='event',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='webhooks.event', verbose_name='event'),
        ),
        migrations.AlterField(
            model_name='delivery',
            name='webhook',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='webhooks.webhook', verbose_name='webhook'),
        ),
        migrations.AlterField(
            model_name='eventbody',
            name='event',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='bodies', to='webhooks.event'),
        ),
        migrations.AlterField(
            model_name='attempt',
            name='delivery',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='attempt_set', to='webhooks.delivery'),
        ),
        without_prefix_indexes('webhooks', 'Event', 'Delivery'),
        quickly_stored('webhooks', 'EventBody', 'body'),
    ]
