import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('training', '0006_snapshot_once_per_question'),
    ]

    operations = [
        migrations.CreateModel(
            name='LearnedPictures',
            fields=[
                ('snapshot', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='training.snapshot')),
                ('hashes', models.BinaryField(help_text='The first 8 bytes of the SHA-256 of each.')),
            ],
            options={
                'verbose_name_plural': 'learned pictures',
            },
        ),
        migrations.RunSQL(
            "INSERT INTO training_learnedpictures (snapshot_id, hashes)"
            " SELECT snapshot_id, string_agg(decode(left(sha256, 16), 'hex'), ''::bytea) FROM training_snapshotitem"
            " WHERE split IN ('train', 'validation') GROUP BY snapshot_id",
            migrations.RunSQL.noop,
        ),
    ]
