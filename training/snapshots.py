"""Worker-side: freeze the labels of this moment into a training set that never changes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable

from django.db import transaction

from labeling.models import Project, Question
from labeling.words import gettext as _
from training import labels, traits
from training.errors import NotEnoughLabels
from training.labels import Label
from training.learning.split import split_of
from training.models import Snapshot, SnapshotItem

# With fewer pictures to learn from, a category cannot be told from its single example.
LEAST_PER_CATEGORY = 2
LEFT_OUT = "left_out"


@transaction.atomic
def freeze_snapshot(*, project: Project, question: Question | None = None) -> Snapshot:
    """Freeze the labels that are final now; the same labels again give the snapshot that is there already.

    Raises:
        NotEnoughLabels: No two categories can be told apart, or nothing would be held out to measure with.
    """
    question = question or project.primary_question()
    if question is None:
        raise NotEnoughLabels(_("The survey has no question with one answer out of several to learn."))
    found = list(labels.labels_of(project=project, question=question))
    groups = traits.groups_of(project=project, image_ids=[label.image_id for label in found])
    sides = [_side(project, label, groups.get(label.image_id, label.sha256)) for label in found]
    categories = _categories(question, found, sides)
    items = [_item(label, side, categories) for label, side in zip(found, sides, strict=True)]
    _check(items, categories, question)
    return _store(project, question, categories, sorted(items, key=lambda item: item.sha256))


def _side(project: Project, label: Label, group: str) -> str:
    """Held-out pictures must be judged several times, where the project asks for that at all."""
    side: str = split_of(group)
    if side == "test" and label.judgments < min(2, project.judgments_min) and not label.is_certain:
        return LEFT_OUT
    return side


def _categories(question: Question, found: list[Label], sides: list[str]) -> list[str]:
    """The classes that the model can learn, in the owner's order."""
    trained = Counter(label.category for label, side in zip(found, sides, strict=True) if side == "train")
    return [key for key in labels.category_names(question) if trained[key] >= LEAST_PER_CATEGORY]


def _item(label: Label, side: str, categories: list[str]) -> SnapshotItem:
    known = {key: float(label.posterior.get(key, 0.0)) for key in categories} if label.posterior else {}
    total = sum(known.values())
    return SnapshotItem(
        image_id=label.image_id,
        sha256=label.sha256,
        label=label.category,
        posterior={key: round(p / total, 6) for key, p in known.items() if p} if total > 0 else {},
        confidence=round(label.confidence, 6),
        judgment_count=label.judgments,
        split=side if label.category in categories else LEFT_OUT,
    )


def _check(items: list[SnapshotItem], categories: list[str], question: Question) -> None:
    used = [item for item in items if item.split != LEFT_OUT]
    if len(categories) < 2:
        reason = _(
            "A classifier needs at least two categories with %(least)s labels each to learn from; %(found)s have them,"
            " of %(all)s. Let the crowd label more, then try again."
        )
        names = labels.category_names(question)
        raise NotEnoughLabels(reason % {"least": LEAST_PER_CATEGORY, "found": len(categories), "all": len(names)})
    if not any(item.split == "test" for item in used):
        reason = _(
            "None of the %(count)s labels is held out to measure with (about one image in six is, by its hash)."
            " Let the crowd label more, then try again."
        )
        raise NotEnoughLabels(reason % {"count": len(used)})


def digest_of(categories: list[str], items: Iterable[SnapshotItem]) -> str:
    """SHA-256 over the categories and every item, in the order of the images' hashes."""
    digest = hashlib.sha256(json.dumps(categories).encode())
    for item in items:
        row = [item.sha256, item.label, sorted(item.posterior.items()), item.confidence, item.split]
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def _store(project: Project, question: Question, categories: list[str], items: list[SnapshotItem]) -> Snapshot:
    digest = digest_of(categories, items)
    counts: dict[str, dict[str, int]] = {"train": {}, "validation": {}, "test": {}}
    left_out: Counter[str] = Counter()
    for item in items:
        if item.split == LEFT_OUT:
            left_out[item.label] += 1
        else:
            counts[item.split][item.label] = counts[item.split].get(item.label, 0) + 1
    snapshot, created = Snapshot.objects.get_or_create(
        project=project,
        digest=digest,
        defaults={
            "question": question,
            "categories": categories,
            "counts": counts,
            "item_count": len(items) - sum(left_out.values()),
            "left_out": dict(left_out),
        },
    )
    if created:
        for item in items:
            item.snapshot = snapshot
        SnapshotItem.objects.bulk_create(items, batch_size=5_000)
    return snapshot
