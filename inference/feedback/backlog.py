"""Worker-side: when the champion scores the images that wait for the crowd, and the order that follows."""

from __future__ import annotations

import logging
from datetime import timedelta

import numpy as np
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from inference.errors import BrokenVersion
from inference.feedback import challenger, predictions
from inference.feedback.pool import Pool, points, scored
from inference.feedback.scoring import MOST_CHOSEN, choose, joined
from inference.models import Deployment
from labeling.models import Image, Project, Task
from labeling.models.task import ASKED_BACK
from labeling.resilience.heartbeat import silent
from labeling.services import raise_priority
from training.features import background, embedding
from training.models import ModelVersion
from training.versions.champions import champion_of_question

logger = logging.getLogger(__name__)
CLAIM = timedelta(minutes=10)
NEXT_TIER = 20_000  # images behind the chosen ones whose order follows their value


def due_projects() -> list[int]:
    """Projects whose champion has not scored the pool, or has seen more of it since, or with a new challenger."""
    versions = ModelVersion.objects.of_primary_question()
    live = versions.champions().filter(project__in=Project.objects.at_work())
    champions = live.select_related("project")
    ids = [version.project_id for version in champions]
    deployments, reached = Deployment.objects.in_bulk(ids), background.reached(champions)
    rows = versions.challengers().filter(project__in=ids)
    challengers = dict(rows.values_list("project_id", "pk"))

    def is_due(version: ModelVersion) -> bool:
        deployment = deployments.get(version.project_id)
        beside = challengers.get(version.project_id)
        return _is_due(version, deployment, reached[version.pk]) or challenger.is_new(beside, deployment)

    return [version.project_id for version in champions if is_due(version)]


def _is_due(version: ModelVersion, deployment: Deployment | None, reached: int) -> bool:
    """What counts is what has gone through the trunk since: while a million images do, a pass comes seldom enough, and
    one that cannot be read calls for none.
    """
    if deployment is None or deployment.scored_version_id != version.pk or deployment.scored_at is None:
        return True
    if reached <= deployment.scored_to:
        return False
    new = Image.objects.filter(project=version.project_id, id__gt=deployment.scored_to, id__lte=reached).count()
    return new > 0 and (new >= version.project.image_count // 20 or timezone.now() - deployment.scored_at > CLAIM)


def withdraw_orders() -> int:
    """Take back the order of each pool whose project asks another question by now than the version that gave it.

    Until a version has learned that question every task is as good as the next. What was asked back goes as well: an
    audit and a wrong answer are of the question before. What a person of the project put first stays. Returns how many
    were moved.
    """
    rows = Deployment.objects.filter(project__in=Project.objects.at_work()).exclude(scored_version=None)
    ordered = dict(rows.values_list("scored_version_id", "project_id"))
    standing = ModelVersion.objects.of_primary_question().filter(pk__in=ordered).values_list("pk", flat=True)
    moved = 0
    for version_id in ordered.keys() - set(standing):
        project = Project(pk=ordered[version_id])
        with transaction.atomic():
            raised = _raised_before(project, ASKED_BACK)
            moved += raise_priority(project=project, priorities=dict.fromkeys(raised, 0.0))
            Deployment.objects.filter(pk=project.pk, scored_version=version_id).update(scored_version=None)
    return moved


def score_pool(project_id: int) -> int:
    """Score the project's pool with its champion and order its tasks; returns how many images were scored.

    Where only a challenger is new, it alone is asked, about the images that were chosen before.

    Claimed by a conditional UPDATE: two messages do the work once; the claim of a dead process ends after ten minutes.
    """
    version = champion_of_question(Project(pk=project_id))
    if version is None or not _claim(project_id):
        return 0
    try:
        reached = background.reached([version])[version.pk]
        deployment = Deployment.objects.get(pk=project_id)
        beside = challenger.running(deployment)
        is_due = _is_due(version, deployment, reached)
        if beside is not None and challenger.is_new(beside.pk, deployment) and not is_due:
            challenger.ask(version, beside)
            return 0
        pool = scored(version, reached)
        _order(version, pool)
        if deployment.scored_version_id != version.pk:
            reached = _reached_with(version, pool, reached)
        # What others than the challenger had said of the pool is forgotten by now: who challenges again is asked again.
        Deployment.objects.filter(pk=project_id).update(
            scored_version=version, scored_at=timezone.now(), scored_to=reached, compared_version=None
        )
        if beside is not None:
            challenger.ask(version, beside)
        logger.info("project %s: version %s scored %d images", project_id, version.number, len(pool.image_ids))
        return len(pool.image_ids)
    except BrokenVersion as error:  # tried again every few seconds; the serving page tells of it, too
        embedding.tell_once(f"project {project_id}: the pool is not scored: {error.message}")
        return 0
    finally:
        Deployment.objects.filter(pk=project_id).update(claimed_at=None)


def _claim(project_id: int) -> bool:
    Deployment.objects.get_or_create(project_id=project_id)
    now = timezone.now()
    free = Q(claimed_at=None) | silent("claimed_at", CLAIM, now)
    return bool(Deployment.objects.filter(free, pk=project_id).update(claimed_at=now))


def _reached_with(version: ModelVersion, pool: Pool, reached: int) -> int:
    """How far the pool has been seen; what the store has let go since, or a restore came without, is seen again.

    Once for each champion, since the store may have no room, and not for a few whose files cannot be read.
    """
    lost = np.concatenate(pool.lost) if pool.lost else np.empty(0, np.int64)
    if len(lost) <= (len(lost) + len(pool.image_ids)) // 20:
        return reached
    first = int(lost.min())
    background.see_again(version, first)
    return first - 1


def _order(version: ModelVersion, pool: Pool) -> None:
    """Turn scores into priorities: the chosen first, the next tier by value, everything else as imported."""
    ids = pool.image_ids
    if not len(ids):
        return
    scores = joined(pool.parts)
    deployment = Deployment.objects.get(pk=version.project_id)
    choice = choose(
        scores,
        lambda index: points(version, ids[index]),
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
    predictions.record_reasons(version, ids[choice.index], choice)
    predictions.forget_older(version)


def _wanted(pool: int) -> int:
    """How many of a pool are chosen: fewer of a small one, or everything in it would be, and no value would count."""
    return max(1, min(pool // 8, max(50, pool // 20), MOST_CHOSEN))


def _raised_before(project: Project, most: float = 2.0) -> list[int]:
    raised = Task.objects.filter(project=project, state=Task.State.OPEN, priority__gt=0, priority__lte=most)
    return list(raised.values_list("image_id", flat=True))


def _before_all(project: Project) -> list[int]:
    """Images that come before everything a model chose: of an audit, answered wrongly, or put first by a person."""
    rows = Task.objects.filter(project=project, state=Task.State.OPEN, priority__gt=2)
    return list(rows.values_list("image_id", flat=True))
