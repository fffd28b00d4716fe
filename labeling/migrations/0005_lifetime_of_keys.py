from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.models import F


def from_dates(apps: Any, _schema_editor: Any) -> None:
    """Keys that end were made to last from then until then."""
    keys = apps.get_model("labeling", "ApiKey").objects.exclude(expires_at=None)
    keys.update(lifetime=F("expires_at") - F("created_at"))


class Migration(migrations.Migration):

    dependencies = [
        ('labeling', '0004_lease_price'),
    ]

    operations = [
        migrations.AddField(
            model_name='apikey',
            name='lifetime',
            field=models.DurationField(blank=True, help_text='How long it was made to last; one that replaces it lasts as long.', null=True),
        ),
        migrations.RunPython(from_dates, migrations.RunPython.noop),
    ]
