from __future__ import annotations

from django.db import migrations

# What nobody says any more of a task of which somebody took an answer back: labels that only that answer had spoken of
# once stayed. Known answers, a person's word and a model's are nobody's judgment.
FORGET = """
DELETE FROM labeling_consensus c USING labeling_question q
WHERE q.id = c.question_id AND c.decided_by_id IS NULL AND c.judgment_count > 0
    AND c.method NOT IN ('gold', 'person', 'model')
    AND c.task_id IN (SELECT task_id FROM labeling_judgment WHERE withdrawn_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM labeling_judgment j WHERE j.task_id = c.task_id AND j.withdrawn_at IS NULL
                    AND jsonb_exists(j.answers, q.key))
"""


class Migration(migrations.Migration):

    dependencies = [
        ('labeling', '0017_gold_check'),
    ]

    operations = [migrations.RunSQL(FORGET, migrations.RunSQL.noop)]
