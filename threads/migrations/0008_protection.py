# Whether a mail is encrypted or signed.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('threads', '0007_verdicts'),
    ]

    operations = [
        migrations.AddField(
            model_name='message',
            name='protection',
            field=models.CharField(blank=True, default='', max_length=9),
        ),
    ]
