"""Worker-side: the challenger is asked about the images that the crowd sees next, whose answers measure it."""

from __future__ import annotations

import logging

import numpy as np

from inference.engine import runtime
from inference.engine.routing import VersionRef
from inference.feedback import predictions
from inference.feedback.scoring import MOST_CHOSEN, joined
from inference.models import Deployment, Prediction
from inference.monitoring import stored_reference
from labeling.errors import CrowdtuneError
from labeling.models import Image, Task
from training.features import embedding
from training.features.embedding import Picture
from training.models import ModelVersion

logger = logging.getLogger(__name__)


def is_new(challenger: int | None, deployment: Deployment | None) -> bool:
    """Whether the challenger has not been asked about the images that the crowd sees next."""
    if challenger is None or deployment is None or deployment.challenger_mode == Deployment.Challenger.OFF:
        return False
    return deployment.compared_version_id != challenger


def running(deployment: Deployment) -> ModelVersion | None:
    """The one that runs beside the champion, if any does."""
    if deployment.challenger_mode == Deployment.Challenger.OFF:
        return None
    challengers = ModelVersion.objects.of_primary_question().challengers().filter(project=deployment.pk)
    return challengers.select_related("run", "project").first()


def ask(champion: ModelVersion, challenger: ModelVersion) -> None:
    """Write down what the challenger says of the images that the champion's scores have chosen for the crowd.

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
        trunk = engine.trunk(engine.classifier(ref).trunk_key)
        reference, most = stored_reference.ensure_reference(challenger), runtime.at_once(trunk.dim, MOST_CHOSEN)
        parts, there = [], []
        for start in range(0, len(images), most):
            pictures = [Picture(image.sha256, image.original) for image in images[start : start + most]]
            features, found, _made = embedding.features_of(trunk, pictures)
            parts.append(predictions.scores_of(ref, reference, features[found]))
            there.append(found)
    except CrowdtuneError as error:
        logger.warning("project %s: the challenger cannot answer: %s", champion.project_id, error.message)
        return
    ids = np.array([image.pk for image in images], np.int64)[np.concatenate(there)]
    predictions.write(challenger, ids, joined(parts))
    for reason in predictions.REASONS:
        same = [pk for pk in ids.tolist() if reasons[pk] == reason]
        Prediction.objects.filter(version=challenger, image__in=same).update(reason=reason)
