"""Worker-side: what versions said of stored images: rows written many at a time, compared with the crowd, forgotten."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from django.db import connection, transaction
from django.utils import timezone
from numpy.typing import NDArray

from inference.engine import runtime
from inference.engine.routing import VersionRef
from inference.feedback.scoring import Choice, Scores, score
from inference.models import Deployment, Prediction, Reason
from inference.monitoring.reference import Reference
from labeling.models import Consensus, Project, Task
from training.models import ModelVersion

REASONS = (Reason.UNCERTAIN, Reason.NOVEL, Reason.RANDOM)  # by the numbers of inference.feedback.scoring


def scores_of(ref: VersionRef, reference: Reference | None, features: NDArray[np.float32]) -> Scores:
    """What the version says of the images with these features, ``[n, dim]``; without a summary nothing is novel."""
    probabilities = runtime.engine().answer(ref, features).probabilities
    novelty = reference.novelty(features) if reference else np.zeros(len(features), np.float32)
    return score(probabilities, novelty)


def write(version: ModelVersion, ids: NDArray[np.int64], scores: Scores) -> None:
    """One row an image and version, by COPY; an image that this version scored before keeps its row."""
    names = np.array(version.categories, dtype=object)[scores.category]
    now = timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE scored (image_id bigint, category text, probability float8, uncertainty float8,"
            " novelty float8) ON COMMIT DROP"
        )
        with cursor.copy("COPY scored FROM STDIN") as copy:  # psycopg's COPY, through Django's cursor
            columns = (scores.probability, scores.uncertainty, scores.novelty)
            for row in zip(ids.tolist(), names, *(column.tolist() for column in columns), strict=True):
                copy.write_row(row)
        cursor.execute(
            "INSERT INTO inference_prediction (project_id, image_id, version_id, category, probability, uncertainty,"
            " novelty, reason, created_at) SELECT %s, image_id, %s, category, probability, uncertainty, novelty, '', %s"
            " FROM scored s WHERE EXISTS (SELECT 1 FROM labeling_image i WHERE i.id = s.image_id)"
            " ON CONFLICT (image_id, version_id) DO NOTHING",
            [version.project_id, version.pk, now],
        )
        cursor.execute("DROP TABLE scored")


def record_reasons(version: ModelVersion, image_ids: NDArray[np.int64], choice: Choice) -> None:
    """Why the crowd is asked about these next.

    What an earlier pass has chosen, and nobody has begun to answer, is not asked next any more: what was drawn at
    random then would be answered where it is uncertain, and would measure the pool as worse than it is.
    """
    serving = ModelVersion.objects.filter(project=version.project_id).exclude(alias="").values_list("pk", flat=True)
    waiting = Prediction.objects.filter(
        version__in=list(serving), is_correct=None, image__tasks__state=Task.State.OPEN, image__tasks__judgment_count=0
    )
    waiting.exclude(reason="").exclude(image__in=image_ids.tolist()).update(reason="")
    for number, reason in enumerate(REASONS):
        chosen = image_ids[choice.reason == number].tolist()
        Prediction.objects.filter(version=version, image__in=chosen).update(reason=reason)


def forget_older(version: ModelVersion) -> None:
    """What older versions said of images that the crowd has not reached is of no use any more; a challenger's is.

    Rows of images that were deleted while they were scored go, too: no foreign key watches over them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM inference_prediction p WHERE p.version_id = %s"
            " AND NOT EXISTS (SELECT 1 FROM labeling_image i WHERE i.id = p.image_id)",
            [version.pk],
        )
        cursor.execute(
            "DELETE FROM inference_prediction p WHERE p.project_id = %s AND p.version_id <> %s AND p.is_correct IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM training_modelversion v WHERE v.id = p.version_id"
            " AND v.alias = 'challenger')"
            " AND EXISTS (SELECT 1 FROM labeling_task t WHERE t.image_id = p.image_id AND t.state = 'open')"
            # An audit compares the crowd's answer with what the version that was to label had said.
            " AND NOT EXISTS (SELECT 1 FROM inference_autolabel a WHERE a.image_id = p.image_id"
            " AND a.version_id = p.version_id AND a.is_audit)",
            [version.project_id, version.pk],
        )


def judge(project_id: int) -> int:
    """Compare what versions said of images with what the crowd has said since; returns of how many that is news.

    A label that is another one by now, as when a reviewer decides otherwise or its answer becomes known, is compared
    anew. Gold says nothing else: an owner has picked it, so how often a version is right there is not how often it is.
    """
    project = Project.objects.get(pk=project_id)
    question = project.primary_question()
    if question is None:
        return 0
    # What a version said of another question, the crowd has not been asked here.
    versions = list(ModelVersion.objects.of_primary_question().filter(project=project).values_list("pk", flat=True))
    started = timezone.now()
    since = Deployment.objects.filter(pk=project_id).values_list("judged_at", flat=True).first()
    asked, values = "", ()
    if question.show_if is not None:  # where other labels rule it out, the image has no label
        rows = Consensus.objects.filter(question=question).asked(project)
        asked, values = rows.values("pk").query.sql_with_params()
        asked = f"AND c.id IN ({asked})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE inference_prediction p
            SET is_correct = (p.category = said.category), judged_at = COALESCE(p.judged_at, now())
            FROM (
                SELECT t.image_id, t.retired_at, t.is_gold,
                       CASE c.answer WHEN 'true' THEN 'yes' WHEN 'false' THEN 'no' ELSE c.answer #>> '{{}}' END
                           AS category
                FROM labeling_consensus c JOIN labeling_task t ON t.id = c.task_id
                WHERE c.project_id = %s AND c.question_id = %s AND c.is_final {asked}
                  AND c.method <> 'model' AND (%s::timestamptz IS NULL OR c.updated_at > %s::timestamptz)
            ) said
            WHERE p.image_id = said.image_id AND p.version_id = ANY(%s)
              AND p.is_correct IS DISTINCT FROM (p.category = said.category) AND said.category IS NOT NULL
              AND p.created_at <= COALESCE(said.retired_at, now()) AND said.category <> 'cant_tell'
              AND (p.is_correct IS NOT NULL OR NOT said.is_gold)
            """,
            [project_id, question.pk, *values, since, since - timedelta(seconds=30) if since else None, versions],
        )
        count = cursor.rowcount
    Deployment.objects.filter(pk=project_id).update(judged_at=started)
    return count
