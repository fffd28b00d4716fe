"""Pictures that came with requests and are kept on purpose, so that the crowd can say what they show.

Off until somebody turns it on. Of the share that may be kept, a random part is, and of the rest the uncertain and the
novel; a quota bounds the day, what nobody has labeled leaves after the retention, and anyone with the right can delete.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.utils import timezone

from inference.engine.engine import Answer
from inference.engine.routing import VersionRef
from inference.feedback.scoring import Scores, score
from inference.models import AutoLabel, Deployment, Prediction, Reason, Sample
from inference.monitoring import stored_reference
from inference.monitoring.reference import NOVEL
from labeling.collecting import tasks
from labeling.errors import CrowdtuneError
from labeling.importing.ingest import IMPORTED_AGAIN
from labeling.models import Image, Project, Task
from labeling.models.task import ASKED_BACK
from labeling.services import (
    add_images,
    add_stored,
    delete_images,
    drop_stored,
    open_task_for,
    raise_priority,
    store_images,
    withdraw_model_labels,
)
from labeling.text.words import gettext as _

logger = logging.getLogger(__name__)
RANDOM_SHARE = 0.2  # of what may be kept, whatever the answer was
UNSURE = 0.5  # uncertainty from which a kept request becomes a task
FIRST = ASKED_BACK  # priority of what a person said is wrong: before everything that a model chose


def maybe_keep(*, project: Project, answer: Answer, pictures: list[tuple[int, bytes]], share: float) -> list[Sample]:
    """Keep some of a request's pictures. ``pictures`` are (position in the answer, bytes) of what came with it."""
    kept = []
    drawn = [(index, data) for index, data in pictures if random.random() < share]
    try:
        for index, data in drawn:
            scores = _scores(answer, index)
            reason = _reason(scores)
            if reason is None or not _has_quota(project):
                continue
            name = f"{Sample.NAMED}{hashlib.sha256(data).hexdigest()[:12]}"
            # Before the lock: whoever asks meanwhile would wait for a slow store once for each that asked before.
            stored = store_images(project=project, images={name: data})
            with _alone(project):
                if _has_quota(project):
                    kept += _keep(project=project, stored=stored, answer=answer, scores=scores, reason=reason)
                else:
                    drop_stored(images=stored)
    except Exception:  # a full disk, a store that is away: whoever asked has the answer all the same
        logger.warning("project %s: pictures of a request could not be kept", project.pk, exc_info=True)
    return kept


def _scores(answer: Answer, index: int) -> Scores:
    reference = stored_reference.reference_of(answer.version)
    features = answer.features[index : index + 1]
    novelty = reference.novelty(features) if reference else np.zeros(1, np.float32)
    return score(answer.probabilities[index : index + 1], novelty)


def _reason(scores: Scores) -> Reason | None:
    """Of one picture. What is both novel and uncertain is kept as novel: a version is unsure of what it never saw."""
    # Drawn before it is looked at: the live accuracy is taken on these, so they must not be the sure ones alone.
    if random.random() < RANDOM_SHARE:
        return Reason.RANDOM
    if scores.novelty[0] > NOVEL:
        return Reason.NOVEL
    if scores.uncertainty[0] > UNSURE:
        return Reason.UNCERTAIN
    return None


@contextlib.contextmanager
def _alone(project: Project) -> Iterator[None]:
    """Rows of kept pictures are written one at a time, or requests at once would keep more than the quota."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('inference.samples'), %s)", [project.pk])
        yield


def _has_quota(project: Project) -> bool:
    """Whether one more may be kept today; none in a project that is archived, though it answers."""
    if not Project.objects.at_work().filter(pk=project.pk).exists():  # this one may have been read before
        return False
    deployment = Deployment.of(project.pk)
    since = timezone.now() - timedelta(days=1)
    kept = Sample.objects.filter(project=project, created_at__gt=since).exclude(reason=Reason.WRONG)  # a person's wish
    return kept.count() < deployment.sample_quota


def _keep(*, project: Project, stored: list[Image], answer: Answer, scores: Scores, reason: Reason) -> list[Sample]:
    new = add_stored(project=project, images=stored)
    if not new:
        return []  # the project has these bytes already
    image = new[0]
    with transaction.atomic():
        sample = Sample.objects.create(project=project, image=image, version_id=answer.version.id, reason=reason)
        Prediction.objects.get_or_create(
            image=image,
            version_id=answer.version.id,
            defaults={
                "project": project, "category": answer.categories[int(scores.category[0])], "reason": reason,
                "probability": float(scores.probability[0]), "uncertainty": float(scores.uncertainty[0]),
                "novelty": float(scores.novelty[0]),
            },
        )  # fmt: skip
        raise_priority(project=project, priorities={image.pk: 1.0 + float(scores.value[0])})
    return [sample]


def keep_wrong(*, project: Project, data: bytes, user: Any, version: VersionRef) -> tuple[Image, bool]:
    """A person said that the version's answer to this picture is wrong: it becomes a task, before everything a model
    chose.

    A label that a model has given it by itself is withdrawn.

    Returns:
        The image, and whether the project did not have it before.
    """
    new = add_images(project=project, images={f"reported-by-{user}": data})
    image = new[0] if new else Image.objects.get(project=project, sha256=hashlib.sha256(data).hexdigest())
    with transaction.atomic():
        if new:  # what the project had before is not ours to forget
            Sample.objects.create(project=project, image=image, version_id=version.id, reason=Reason.WRONG)
        reopened = withdraw_model_labels(project=project, images=[image.pk])
        AutoLabel.objects.filter(project=project, image__in=reopened, is_audit=False).delete()
        if not image.tasks.exists():
            open_task_for(image=image)
        raise_priority(project=project, priorities={image.pk: FIRST})
    return image, bool(new)


def forget_old(*, project: Project) -> int:
    """Delete kept pictures that nobody has labeled within the retention; returns how many."""
    deployment = Deployment.of(project.pk)
    before = timezone.now() - timedelta(days=deployment.retention_days)
    old = Sample.objects.filter(project=project, created_at__lt=before)
    unlabeled = old.exclude(image__tasks__judgment_count__gt=0).exclude(image__tasks__state=Task.State.RETIRED)
    ids = list(unlabeled.values_list("image_id", flat=True)[:1000])
    with transaction.atomic():
        tasks.hold(images=ids, project_id=project.pk)
        # Whoever was at one of them meanwhile, with an answer or an import, has kept it.
        ids = list(unlabeled.filter(image__in=ids).values_list("image_id", flat=True))
        return delete_images(project=project, ids=ids, user=None) if ids else 0


def delete_sample(*, project: Project, image_id: int, user: Any) -> None:
    """Delete one kept picture, because somebody asks for it.

    Raises:
        CrowdtuneError: 404, no kept picture has this id.
    """
    if not Sample.objects.filter(project=project, image=image_id).exists():
        raise CrowdtuneError("not_found", _("No kept image of this project has this id."), 404)
    delete_images(project=project, ids=[image_id], user=user)


def _leave(image_ids: Sequence[int]) -> None:
    """Whoever imports a picture wants it: it is the project's own from then on, and does not leave with the others."""
    Sample.objects.filter(image__in=image_ids).delete()


IMPORTED_AGAIN.append(_leave)
