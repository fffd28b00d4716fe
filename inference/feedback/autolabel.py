"""Worker-side: the champion labels what it is sure of, within an error bound, under an audit that can stop it.

The threshold comes from images of the champion's own snapshot that it never saw. One in twenty of the images above it
goes to the crowd instead. Each of these that the crowd has not answered yet stands for twenty labels that nobody has
vouched for: at most one batch of labels runs ahead of the audit, and more are given as its answers come.

When the crowd disagrees more often than was to be expected, which may be chance, labeling by the model pauses: no label
is given, and what it is sure of is asked of the crowd until that is settled. When the crowd disagrees more often than
the bound allows, it stops and says why, and the labels of the version that failed are withdrawn: their tasks are open
to the crowd again. An owner who turned this on for at most two wrong labels in a hundred wants none of a version that
gives ten, and could not tell which those are; training never learned from them, but exports had them. What a person has
answered or decided since stays. Labels of a version whose audit has not failed stay too, also when an owner turns
labeling by the model off.
"""

from __future__ import annotations

import logging
import math
import random

import numpy as np
from django.db import transaction
from django.db.models import OuterRef, Subquery
from numpy.typing import NDArray

from inference.engine import runtime
from inference.engine.routing import VersionRef, routes
from inference.feedback.audits import Audit, audits_of, is_paused, waiting
from inference.feedback.guarantee import least_held_out, threshold
from inference.models import AutoLabel, Deployment, Prediction, Reason
from labeling import audit
from labeling.models import Project, Task
from labeling.services import label_by_model, raise_priority, withdraw_model_labels
from labeling.text.words import gettext as _
from training.models import ModelVersion, SnapshotItem
from training.snapshots.labels import category_names
from training.versions.champions import champion_of_question

logger = logging.getLogger(__name__)
AUDIT_SHARE = 0.05
AUDIT_PRIORITY = 2.5
BATCH = 500


def step(project: Project) -> int:
    """Judge the audit, stop where it failed, else label as many as it allows; returns how many labels were given."""
    deployment = Deployment.objects.filter(pk=project.pk).first()
    if deployment is None or not deployment.auto_label:
        return 0
    _judge_audit(project)
    found = audits_of(project, deployment)
    if failed := [each for each in found if each.has_failed]:
        _stop(project, failed)
        return 0
    given = _go_on(project, deployment)
    if any(each.fails_at_last for each in found):
        asked = waiting(project)
        if failed := [each for each in found if each.fails_at_last and each.version not in asked]:
            _stop(project, failed)
    return given


def _go_on(project: Project, deployment: Deployment) -> int:
    """Label and draw for the audit; where that is in doubt, only draw. At most what the audit can vouch for: a batch,
    less what its open questions stand for.
    """
    version = champion_of_question(project)
    most = max(BATCH - round(sum(waiting(project).values()) / AUDIT_SHARE), 0)
    if version is None or not most:
        return 0
    probability, is_correct = held_out(version)
    limit = threshold(probability, is_correct, deployment.error_bound)
    why = _why_none(project, version, len(probability), limit, deployment.error_bound)
    if deployment.auto_label_waits != why:
        Deployment.objects.filter(pk=project.pk).update(auto_label_waits=why)
    if limit is None:
        return 0
    if is_paused(project, deployment):
        return _label(project, version, limit, math.ceil(most * AUDIT_SHARE), audited=1.0)
    return _label(project, version, limit, most, audited=AUDIT_SHARE)


def _why_none(project: Project, version: ModelVersion, images: int, limit: float | None, bound: float) -> str:
    """What an owner reads who has turned it on and sees no label; empty where it labels."""
    if project.is_spent:
        return _("No label while the budget is spent: nobody would check them.")
    if limit is not None:
        return ""
    if images < least_held_out(bound):
        told = _(
            "No label yet: how sure version %(version)s must be is found out on images that it has not learned. That"
            " takes at least %(least)s, and there are %(images)s."
        )
        return told % {"version": version.number, "least": least_held_out(bound), "images": images}
    told = _(
        "No label yet: of %(images)s images that version %(version)s has not learned, it differs from the label too"
        " often even where it is surest, for at most %(most).1f %% wrong labels. Wrong labels of the crowd count"
        " against it: settle disputed tasks, train again, or allow more."
    )
    return told % {"version": version.number, "images": images, "most": 100 * bound}


def held_out(version: ModelVersion) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """How sure the version is of images of its snapshot that it never saw, and whether it is right.

    The validation part is not among them: a version learns it too, once it has said how long (training.runs.stages).
    """
    held = SnapshotItem.objects.filter(snapshot=version.run.snapshot_id).exclude(split__in=("train", "validation"))
    engine, ref = runtime.engine(), VersionRef.of(version)
    trunk = engine.trunk(engine.classifier(ref).trunk_key)
    rows = list(held.order_by("sha256").values_list("sha256", "label")[: runtime.at_once(trunk.dim, 20_000)])
    features, found = runtime.feature_store(trunk.key, trunk.dim).get([sha256 for sha256, _label in rows])
    if not found.any():
        return np.empty(0), np.empty(0, bool)
    answer = engine.answer(ref, features[found])
    best = answer.probabilities.argmax(axis=1)
    labels = np.array([label for _sha256, label in rows], dtype=object)[found]
    is_correct = np.array(answer.categories, dtype=object)[best] == labels
    return answer.probabilities.max(axis=1), is_correct


@transaction.atomic
def _label(project: Project, version: ModelVersion, limit: float, most: int, *, audited: float) -> int:
    """All or nothing: a label that nobody has noted would stay when its version's audit fails."""
    question = project.primary_question()
    if question is None:
        return 0
    sure = Prediction.objects.filter(
        project=project, version=version, is_correct=None, probability__gte=limit, novelty__lte=1.0,
        image__tasks__state=Task.State.OPEN, image__tasks__judgment_count=0, image__tasks__is_gold=False,
        image__tasks__priority__lte=2,  # else a person wants people's word on it, who called the model wrong, say
        category__in=list(category_names(question)),  # one that the version learned may have left the survey since
    )  # fmt: skip
    # Of the images drawn at random the crowd answers all: without the sure ones they would be no measure of the pool.
    sure = sure.exclude(reason=Reason.RANDOM)
    sure = sure.exclude(image__in=AutoLabel.objects.filter(project=project).values("image_id")).order_by("id")
    rows = list(sure[:most])
    drawn = {row.image_id for row in rows if random.random() < audited}
    rest = {row.image_id: (row.category, row.probability) for row in rows if row.image_id not in drawn}
    # Before the labels, which hold the project: whoever answers one of these may wait for that.
    raise_priority(project=project, priorities=dict.fromkeys(drawn, AUDIT_PRIORITY))
    labeled = set(label_by_model(project=project, labels=rest))
    kept = [row for row in rows if row.image_id in labeled or row.image_id in drawn]
    AutoLabel.objects.bulk_create(
        [
            AutoLabel(
                project=project, image_id=row.image_id, version=version, category=row.category,
                probability=row.probability, is_audit=row.image_id not in labeled,
            )
            for row in kept
        ],
        ignore_conflicts=True,
    )  # fmt: skip
    return len(labeled)


def _judge_audit(project: Project) -> None:
    """The crowd's word on the images that were drawn for the audit, also where it is another one by now."""
    said = Prediction.objects.filter(image=OuterRef("image_id"), version=OuterRef("version_id"))
    audits = AutoLabel.objects.filter(project=project, is_audit=True)
    audits = audits.annotate(said=Subquery(said.values("is_correct")))
    for word in (True, False):
        audits.filter(said=word).exclude(is_correct=word).update(is_correct=word)


def _stop(project: Project, failed: list[Audit]) -> None:
    """Give up labeling by the model, take back what the versions labeled that failed, and say why."""
    first = failed[0]
    withdrawn = sum(_withdraw(project, each.version) for each in failed)
    told = _(
        "The audit found %(wrong)s of %(total)s labels wrong; at most %(most).1f %% were allowed. Withdrawn, and"
        " left to the crowd again: %(withdrawn)s labels by the model."
    )
    reason = told % {
        "wrong": first.wrong, "total": first.total, "most": 100 * first.bound, "withdrawn": withdrawn,
    }  # fmt: skip
    Deployment.objects.filter(pk=project.pk).update(auto_label=False, auto_label_stopped=reason)
    audit.write(project=project, user=None, action="auto_label_stopped", changes={"reason": reason})
    routes.forget(project.pk)
    logger.warning("project %s: %s", project.pk, reason)


@transaction.atomic
def _withdraw(project: Project, version_id: int) -> int:
    """Take back what the version labeled, but for what people have answered since; returns how many labels."""
    given = AutoLabel.objects.filter(project=project, version=version_id, is_audit=False)
    ids = withdraw_model_labels(project=project, images=list(given.values_list("image_id", flat=True)))
    given.filter(image__in=ids).delete()
    return len(ids)
