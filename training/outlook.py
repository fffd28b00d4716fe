"""Worker-side: what more labels would bring a version, measured after it is live, and said in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction

from labeling.text.words import gettext as _
from training.learning.artifact import CARD, record
from training.learning.heads.curve import learning_curve, too_little
from training.models import ModelVersion, Recipe
from training.runs.stages.fit import head_options
from training.suspects import MOST_IMAGES, features_of
from training.versions.card import card_of

KEY = "learning_curve"


def why_none(version: ModelVersion) -> str:
    """Why the version has no learning curve and what would bring one; "" where it can have one.

    Of fine-tuned versions there is none: it would take as many fine-tunings, and heads alone say nothing of them. Nor
    of more than MOST_IMAGES, which have long shown what more of them bring.
    """
    manifest = version.manifest
    if manifest.get("recipe") != Recipe.FEATURE_EXTRACTION:
        return _(
            "This is not measured for fine-tuned versions: it would take as many fine-tunings. A run by feature"
            " extraction on the same labels tells it."
        )
    if version.run.snapshot.item_count > MOST_IMAGES:
        told = _("This is not measured with more than %(most)s labeled images, where a few more change little.")
        return told % {"most": MOST_IMAGES}
    sides = {side: Counter(counts) for side, counts in manifest["counts"].items()}
    learned = sides["train"] + sides["validation"]
    return too_little({name: learned[name] for name in version.categories}, sides["test"].total())


def measure(version_id: int) -> None:
    """Write the learning curve into the version's metrics, manifest and card, once."""
    version = ModelVersion.objects.select_related("run__snapshot", "run__project").get(pk=version_id)
    manifest = version.manifest
    if KEY in version.metrics or why_none(version):
        return
    found = _curve(version)
    folder = settings.DATA_DIR / version.artifact
    if found is None or not folder.exists():  # deleted meanwhile
        return
    manifest = record(folder, "metrics", {**manifest["metrics"], KEY: found})
    (folder / CARD).write_text(card_of(manifest))
    with transaction.atomic():
        row = ModelVersion.objects.select_for_update().get(pk=version_id)
        row.metrics[KEY], row.manifest = found, manifest
        row.save(update_fields=["metrics", "manifest"])


def _curve(version: ModelVersion) -> dict[str, Any] | None:
    items, features = features_of(version)
    test = items.side("test")
    learned = np.flatnonzero(items.split != "test")  # the version's head learned the validation part, too
    fit = version.metrics.get("fit", {})
    options = head_options(version.run.options)
    chosen = {"strength": fit.get("strength"), "blend": fit.get("blend"), "epochs": fit.get("best_epoch") or 1}
    return learning_curve(
        features[learned],
        items.targets[learned],
        items.weights[learned],
        features[test].read(),
        items.labels[test],
        categories=version.categories,
        options=replace(options, **chosen),
        groups=items.groups[learned],
        seed=version.run.seed,
    )
