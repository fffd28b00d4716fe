"""Worker-side stage: the version's folder: weights, manifest and model card, written whole or not at all."""

from __future__ import annotations

from collections import Counter

from training.learning.artifact import CARD, write_version
from training.runs.stages.work import Work
from training.snapshots.labels import LEFT_OUT
from training.versions.card import card_of
from training.zoo import catalogue


def run(work: Work) -> None:
    """Writes ``version_folder`` and sets ``manifest``."""
    assert work.trunk is not None
    run, snapshot = work.run, work.run.snapshot
    backbone = catalogue.backbone_of(run.backbone)
    extra = {
        "cut": work.trunk.cut,
        "project": run.project.slug,
        "question": snapshot.question.key,
        "run": str(run.pk),
        "snapshot": snapshot.digest,
        "counts": _counts(work),
        "left_out": snapshot.left_out,
        "certain": snapshot.items.filter(posterior={}).exclude(split=LEFT_OUT).count(),
        "gone": snapshot.item_count - len(work.items),
        "learned_validation": work.tail is None or work.held is not None,
        "augmentation": run.augmentation,
        "seed": run.seed,
        "options": run.options,
        "history": work.history,
        "backbone_title": backbone.title,
        "backbone_licence": backbone.licence,
    }
    work.manifest = write_version(
        work.version_folder,
        head=work.head if work.tail is None else None,
        tail=work.tail,
        tail_shape=work.trunk.shape if work.tail is not None else None,
        categories=work.categories,
        trunk_key=work.trunk.key,
        backbone=run.backbone,
        size=work.trunk.size,
        temperature=work.temperature,
        recipe=run.recipe,
        metrics=work.metrics,
        extra=extra,
    )
    (work.version_folder / CARD).write_text(card_of(work.manifest))


def _counts(work: Work) -> dict[str, dict[str, int]]:
    """As the snapshot's, but of what was really learned: images may have been deleted since, or not been readable."""
    return {
        side: dict(Counter(work.categories[label] for label in work.items.labels[work.items.side(side)].tolist()))
        for side in ("train", "validation", "test")
    }
