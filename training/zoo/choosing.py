"""Worker-side: which backbone a run can use here and now."""

from __future__ import annotations

from django.conf import settings

from labeling.models import Project
from labeling.text.words import gettext as _
from training.learning.networks import weights
from training.zoo import catalogue

# What a run's first stage (training.runs.stages.weights) should try to fetch, and what to say should that fail.
WANTED, NOTE = "backbone_wanted", "backbone_note"


def usable_backbone(wanted: str, project: Project) -> tuple[str, dict[str, str]]:
    """The backbone that can be used here and now; where that is not the one that was wanted, what the run's first stage
    (training.runs.stages.weights) should try to fetch, and what to say.
    """
    if wanted == catalogue.CHAMPION:
        key, note = catalogue.going_on_from(project)
        return key, {NOTE: note}
    if wanted == "auto":
        return weights.best_available(settings.KERAS_HOME), {}
    backbone = catalogue.backbone_of(wanted)
    missing = weights.locate(backbone, settings.KERAS_HOME)
    if missing.usable:
        return wanted, {}
    if not backbone.weights_file:  # there is nothing to fetch
        told = _(
            "Nobody has published weights of %(title)s: it begins with random ones, like a network that has never seen"
            " a picture. Expect it to fall behind pretrained ones."
        )
        return wanted, {NOTE: told % {"title": backbone.title}}
    key = weights.best_available(settings.KERAS_HOME)
    note = _(
        "The weights of %(wanted)s are not on this machine (%(path)s would satisfy it; `manage.py weights fetch"
        " %(wanted)s` downloads it). Using %(key)s, the best that is here."
    ) % {"wanted": wanted, "path": missing.expected, "key": key}
    return key, {WANTED: wanted, NOTE: note}
