"""What an event is written to: no index twice, and bodies without delay."""

import django.db.models.deletion
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
        ('webhooks', '0007_pace'),
    ]

    operations = [
        without_index(
            'webhooks_delivery', 'event_id', 'webhooks_delivery_event_id_b6f5af91',
            migrations.AlterField(
                model_name='delivery',
                name='event',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='webhooks.event', verbose_name='event'),
            ),
        ),
        without_index(
            'webhooks_delivery', 'webhook_id', 'webhooks_delivery_webhook_id_27345d75',
            migrations.AlterField(
                model_name='delivery',
                name='webhook',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='webhooks.webhook', verbose_name='webhook'),
            ),
        ),
        without_index(
            'webhooks_eventbody', 'event_id', 'webhooks_eventbody_event_id_56a0b932',
            migrations.AlterField(
                model_name='eventbody',
                name='event',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='bodies', to='webhooks.event'),
            ),
        ),
        without_index(
            'webhooks_attempt', 'delivery_id', 'webhooks_attempt_delivery_id_bb1708b1',
            migrations.AlterField(
                model_name='attempt',
                name='delivery',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='attempt_set', to='webhooks.delivery'),
            ),
        ),
        without_prefix_indexes('webhooks', 'Event', 'Delivery'),
        quickly_stored('webhooks', 'EventBody', 'body'),
    ]
