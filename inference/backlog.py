"""Worker-side: the pool of images that wait for the crowd, scored by the champion, and the order that follows.

Only features that are stored already are read, so a million images cost seconds of arithmetic and not hours of forward
passes. The pool streams through in chunks; what stays in memory is a few numbers an image.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import numpy as np
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from inference import references, runtime
from inference.models import Deployment, Prediction, Reason
from inference.reference import Reference
from inference.routing import VersionRef
from inference.scoring import Choice, Scores, choose, joined, score
from labeling.errors import CrowdtuneError
from labeling.models import Gold, Image, Project, Task
from labeling.services import raise_priority, suggest_answers
from training import embedding
from training.embedding import Picture
from training.learning.trunk import Trunk
from training.models import ModelVersion

logger = logging.getLogger(__name__)
CHUNK = 20_000
CLAIM = timedelta(minutes=10)
REASONS = (Reason.UNCERTAIN, Reason.NOVEL, Reason.RANDOM)
MOST_CHOSEN = 2_000
NEXT_TIER = 20_000  # images behind the chosen ones whose order follows their value
Floats = NDArray[np.float32]


@dataclass
class Pool:
    """What one pass has seen: ids in the order of the scores."""

    ids: list[NDArray[np.int64]] = field(default_factory=list)
    parts: list[Scores] = field(default_factory=list)
    waiting: int = 0  # images whose features are not there yet

    @property
    def image_ids(self) -> NDArray[np.int64]:
        return np.concatenate(self.ids) if self.ids else np.empty(0, np.int64)


def due_projects() -> list[int]:
    """Projects whose champion has not scored the pool, or whose pool has grown since, or with a new challenger."""
    live = ModelVersion.objects.filter(alias=ModelVersion.Alias.CHAMPION, project__deleted_at=None)
    champions = live.select_related("project")
    ids = [version.project_id for version in champions]
    deployments = Deployment.objects.in_bulk(ids)
    challengers = ModelVersion.objects.filter(alias=ModelVersion.Alias.CHALLENGER, project__in=ids)
    known = dict(challengers.values_list("project_id", "pk"))

    def is_due(version: ModelVersion) -> bool:
        deployment = deployments.get(version.project_id)
        return _is_due(version, deployment) or _is_new(known.get(version.project_id), deployment)

    return [version.project_id for version in champions if is_due(version)]


def _is_due(version: ModelVersion, deployment: Deployment | None) -> bool:
    if deployment is None or deployment.scored_version_id != version.pk or deployment.scored_at is None:
        return True
    grown = version.project.image_count - deployment.scored_images
    return grown > 0 and (grown >= deployment.scored_images // 20 or timezone.now() - deployment.scored_at > CLAIM)


def _is_new(challenger: int | None, deployment: Deployment | None) -> bool:
    """Whether the challenger has not been asked about the images that the crowd sees next."""
    if challenger is None or deployment is None or deployment.challenger_mode == Deployment.Challenger.OFF:
        return False
    return deployment.compared_version_id != challenger


def score_pool(project_id: int) -> int:
    """Score the project's pool with its champion and order its tasks; returns how many images were scored.

    Where only a challenger is new, it alone is asked, about the images that were chosen before.

    Claimed by a conditional UPDATE: two messages do the work once; the claim of a dead process ends after ten minutes.
    """
    version = ModelVersion.objects.filter(project=project_id, alias="champion").select_related("run", "project").first()
    if version is None or not _claim(project_id):
        return 0
    images = version.project.image_count
    try:
        deployment = Deployment.objects.get(pk=project_id)
        challenger = _challenger(deployment)
        if challenger is not None and _is_new(challenger.pk, deployment) and not _is_due(version, deployment):
            _ask_challenger(version, challenger)
            return 0
        pool = _score(version)
        choice = _apply(version, pool)
        Deployment.objects.filter(pk=project_id).update(
            scored_version=version, scored_at=timezone.now(), scored_images=images - pool.waiting
        )
        if challenger is not None:
            _ask_challenger(version, challenger)
        logger.info("project %s: version %s scored %d images", project_id, version.number, len(pool.image_ids))
        return len(pool.image_ids) if choice is not None else 0
    finally:
        Deployment.objects.filter(pk=project_id).update(claimed_at=None)


def _claim(project_id: int) -> bool:
    Deployment.objects.get_or_create(project_id=project_id)
    now = timezone.now()
    free = Q(claimed_at=None) | Q(claimed_at__lt=now - CLAIM)
    return bool(Deployment.objects.filter(free, pk=project_id).update(claimed_at=now))


def _score(version: ModelVersion) -> Pool:
    reference = references.ensure_reference(version)
    ref, pool = VersionRef.of(version), Pool()
    for ids, shas in _chunks(Task.objects.filter(project=version.project, state=Task.State.OPEN, is_gold=False)):
        features, found = _features(ref, shas)
        pool.waiting += int((~found).sum())
        if not found.any():
            continue
        known = features[found]
        probabilities = runtime.engine().answer(ref, known).probabilities
        novelty = reference.novelty(known) if reference else np.zeros(len(known), np.float32)
        pool.ids.append(ids[found])
        pool.parts.append(score(probabilities, novelty))
        _write(version, pool.ids[-1], pool.parts[-1])
        _suggest(version, pool.ids[-1], pool.parts[-1].category)
    if version.project.show_suggestions:
        _suggest_beside_gold(version, ref)
    return pool


def _suggest(version: ModelVersion, ids: NDArray[np.int64], category: NDArray[Any]) -> None:
    labels = {int(image): version.categories[index] for image, index in zip(ids, category, strict=True)}
    suggest_answers(project=version.project, labels=labels, source=f"model {version.number}")


def _suggest_beside_gold(version: ModelVersion, ref: VersionRef) -> None:
    """Hidden gold is no part of the pool, but would be known by a suggestion that is missing."""
    hidden = Task.objects.filter(project=version.project, is_gold=True, gold__use=Gold.Use.HIDDEN)
    for ids, shas in _chunks(hidden):
        features, found = _features(ref, shas)
        if found.any():
            answer = runtime.engine().answer(ref, features[found])
            _suggest(version, ids[found], answer.probabilities.argmax(axis=1))


def _chunks(tasks: QuerySet[Task]) -> Iterator[tuple[NDArray[np.int64], list[str]]]:
    """The images of these tasks: (ids, content hashes), in chunks."""
    rows = tasks.order_by("id")
    last = 0
    while True:
        part = list(rows.filter(id__gt=last).values_list("id", "image_id", "image__sha256")[:CHUNK])
        if not part:
            return
        last = part[-1][0]
        seen = {image_id: sha256 for _task_id, image_id, sha256 in part}
        yield np.array(list(seen), np.int64), list(seen.values())


def _features(ref: VersionRef, shas: list[str]) -> tuple[Floats, NDArray[np.bool_]]:
    engine = runtime.engine()
    trunk = engine.trunk(engine.classifier(ref).trunk_key)
    return runtime.feature_store(trunk.key, trunk.dim).get(shas)


def _write(version: ModelVersion, ids: NDArray[np.int64], scores: Scores) -> None:
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


def _apply(version: ModelVersion, pool: Pool) -> Choice | None:
    """Turn scores into priorities: the chosen first, the next tier by value, everything else as imported."""
    ids = pool.image_ids
    if not len(ids):
        return None
    scores = joined(pool.parts)
    deployment = Deployment.objects.get(pk=version.project_id)
    choice = choose(
        scores,
        lambda index: _points(version, ids[index]),
        count=_wanted(len(ids)),
        random_share=deployment.random_share,
        seed=version.pk,
    )
    value = scores.value
    priorities = dict.fromkeys(_raised_before(version.project), 0.0)
    tier = np.argsort(-value, kind="stable")[:NEXT_TIER]
    priorities.update(zip(ids[tier].tolist(), np.round(value[tier], 3).astype(float).tolist(), strict=True))
    priorities.update(zip(ids[choice.index].tolist(), choice.priority.astype(float).tolist(), strict=True))
    for image_id in _before_all(version.project):
        priorities.pop(image_id, None)
    raise_priority(project=version.project, priorities=priorities)
    _record_reasons(version, ids[choice.index], choice)
    _forget_older(version)
    return choice


def _wanted(pool: int) -> int:
    """How many of a pool are chosen: fewer of a small one, or everything in it would be, and no value would count."""
    return max(1, min(pool // 8, max(50, pool // 20), MOST_CHOSEN))


def _raised_before(project: Project) -> list[int]:
    raised = Task.objects.filter(project=project, state=Task.State.OPEN, priority__gt=0, priority__lte=2)
    return list(raised.values_list("image_id", flat=True))


def _before_all(project: Project) -> list[int]:
    """Images that come before everything a model chose: of an audit, or said to be answered wrongly by a person."""
    rows = Task.objects.filter(project=project, state=Task.State.OPEN, priority__gt=2)
    return list(rows.values_list("image_id", flat=True))


def _challenger(deployment: Deployment) -> ModelVersion | None:
    """The one that runs beside the champion, if any does."""
    if deployment.challenger_mode == Deployment.Challenger.OFF:
        return None
    challengers = ModelVersion.objects.filter(project=deployment.pk, alias=ModelVersion.Alias.CHALLENGER)
    return challengers.select_related("run", "project").first()


def _ask_challenger(champion: ModelVersion, challenger: ModelVersion) -> None:
    """What the challenger says of the images that the crowd sees next: its live accuracy comes of their answers.

    The images are few, so those without features on its trunk are embedded here. One that cannot answer is not asked
    again until the pool is scored anew.
    """
    Deployment.objects.filter(pk=champion.project_id).update(compared_version=challenger)
    chosen = Prediction.objects.filter(version=champion, image__tasks__state=Task.State.OPEN).exclude(reason="")
    reasons = dict(chosen.order_by("-uncertainty").values_list("image_id", "reason")[:MOST_CHOSEN])
    images = list(Image.objects.filter(pk__in=reasons).only("sha256", "original").order_by("pk"))
    if not images:
        return
    try:
        ref, engine = VersionRef.of(challenger), runtime.engine()
        trunk = cast("Trunk", engine.trunk(engine.classifier(ref).trunk_key))  # on whatever device
        pictures = [Picture(image.sha256, image.original) for image in images]
        features, found, _made = embedding.features_of(trunk, pictures)
        reference = references.ensure_reference(challenger)
        known = features[found]
        novelty = reference.novelty(known) if reference else np.zeros(len(known), np.float32)
        scores = score(engine.answer(ref, known).probabilities, novelty)
    except CrowdtuneError as error:
        logger.warning("project %s: the challenger cannot answer: %s", champion.project_id, error.message)
        return
    ids = np.array([image.pk for image in images], np.int64)[found]
    _write(challenger, ids, scores)
    for reason in REASONS:
        same = [pk for pk in ids.tolist() if reasons[pk] == reason]
        Prediction.objects.filter(version=challenger, image__in=same).update(reason=reason)


def _points(version: ModelVersion, image_ids: NDArray[np.int64]) -> Floats:
    """Where the candidates lie, in the projection of the training images (or by raw features without one)."""
    shas = dict(Image.objects.filter(pk__in=image_ids.tolist()).values_list("pk", "sha256"))
    ref = VersionRef.of(version)
    features, _found = _features(ref, [shas.get(int(pk), "0" * 64) for pk in image_ids])
    reference: Reference | None = references.reference_of(ref)
    return reference.project(features) if reference else features


def _record_reasons(version: ModelVersion, image_ids: NDArray[np.int64], choice: Choice) -> None:
    for number, reason in enumerate(REASONS):
        chosen = image_ids[choice.reason == number].tolist()
        Prediction.objects.filter(version=version, image__in=chosen).update(reason=reason)


def _forget_older(version: ModelVersion) -> None:
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
    """Compare what versions said of images with what the crowd has said since; returns how many were compared."""
    project = Project.objects.get(pk=project_id)
    question = project.primary_question()
    if question is None:
        return 0
    started = timezone.now()
    since = Deployment.objects.filter(pk=project_id).values_list("judged_at", flat=True).first()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE inference_prediction p SET is_correct = (p.category = said.category), judged_at = now()
            FROM (
                SELECT t.image_id, t.retired_at,
                       CASE c.answer WHEN 'true' THEN 'yes' WHEN 'false' THEN 'no' ELSE c.answer #>> '{}' END
                           AS category
                FROM labeling_consensus c JOIN labeling_task t ON t.id = c.task_id
                WHERE c.project_id = %s AND c.question_id = %s AND c.is_final AND NOT t.is_gold
                  AND c.method <> 'model' AND (%s::timestamptz IS NULL OR c.updated_at > %s::timestamptz)
            ) said
            WHERE p.image_id = said.image_id AND p.is_correct IS NULL AND said.category IS NOT NULL
              AND p.created_at <= COALESCE(said.retired_at, now()) AND said.category <> 'cant_tell'
            """,
            [project_id, question.pk, since, since - timedelta(seconds=30) if since else None],
        )
        count = cursor.rowcount
    Deployment.objects.filter(pk=project_id).update(judged_at=started)
    return count
