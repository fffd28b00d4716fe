"""Worker-side: freeze the labels of this moment into a training set that never changes."""

from __future__ import annotations

import hashlib
import itertools
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import IO, Any

from django.conf import settings
from django.db import transaction

from labeling.models import Project, Question
from labeling.text.words import gettext as _
from training.errors import NotEnoughLabels
from training.learning.errors import not_written
from training.learning.split import split_of
from training.models import LearnedPictures, Snapshot, SnapshotItem
from training.snapshots import labels, traits
from training.snapshots.labels import LEFT_OUT, Label

# With fewer pictures to learn from, a category cannot be told from its single example.
LEAST_PER_CATEGORY = 2
PART = 2_000  # labels that are looked at together


@transaction.atomic
def freeze_snapshot(*, project: Project) -> Snapshot:
    """Freeze the labels that are final now; the same labels again give the snapshot that is there already.

    Labels pass by in parts: memory does not grow with their number.

    Raises:
        NotEnoughLabels: No two categories can be told apart, or nothing would be held out to measure with.
        LearningError: The labels cannot be written down while they are looked at (``disk_full``, ``not_written``).
    """
    question = project.primary_question()
    if question is None:
        raise NotEnoughLabels(_("The survey has no question with one answer out of several to learn."))
    try:
        with tempfile.TemporaryFile(dir=settings.DATA_DIR) as file:  # it has no name: a kill leaves nothing behind
            found = Found(file, project, question)
            categories = _categories(question, found.trained)
            tally = _tally(categories, found)
            _check(tally, question)
            return _store(project, question, tally, found)
    except OSError as error:
        told = _("The labels could not be written down in %(folder)s: %(error)s. %(advice)s")
        raise not_written(told, error, folder=settings.DATA_DIR) from error


class Found:
    """The labels of this moment with their sides of the split, in the order of the images' hashes.

    They are looked at several times and must not change between, so they are read once, into a file: a line of JSON
    each. ``trained`` counts those of each category that are trained on.
    """

    def __init__(self, file: IO[bytes], project: Project, question: Question) -> None:
        self._file, self.trained = file, Counter[str]()
        for part in parts_of(labels.labels_of(project=project, question=question)):
            groups = traits.groups_of(project=project, image_ids=[label.image_id for label in part])
            for label in part:
                side = _side(project, label, groups.get(label.image_id, label.sha256))
                self.trained[label.category] += side == "train"
                file.write(json.dumps([astuple(label), side]).encode() + b"\n")

    def __iter__(self) -> Iterator[tuple[Label, str]]:
        self._file.seek(0)
        for line in self._file:
            fields, side = json.loads(line)
            yield Label(*fields), side


def parts_of(rows: Iterable[Any]) -> Iterator[list[Any]]:
    """The rows in lists of PART."""
    rows = iter(rows)
    while part := list(itertools.islice(rows, PART)):
        yield part


def _side(project: Project, label: Label, group: str) -> str:
    """A tie is no label. Held-out pictures must be judged several times, where the project asks for that at all."""
    if label.is_tie:
        return LEFT_OUT
    side: str = split_of(group)
    if side == "test" and label.judgments < min(2, project.judgments_min) and not label.is_certain:
        return LEFT_OUT
    return side


def _categories(question: Question, trained: Counter[str]) -> list[str]:
    """The classes that the model can learn, in the owner's order."""
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


@dataclass
class Tally:
    """What a snapshot's row says of its items: the digest is a SHA-256 over the categories and every item."""

    categories: list[str]
    digest: str
    counts: dict[str, dict[str, int]]
    left_out: Counter[str]


def _tally(categories: list[str], found: Iterable[tuple[Label, str]]) -> Tally:
    digest = hashlib.sha256(json.dumps(categories).encode())
    tally = Tally(categories, "", {"train": {}, "validation": {}, "test": {}}, Counter())
    for label, side in found:
        item = _item(label, side, categories)
        row = [item.sha256, item.label, sorted(item.posterior.items()), item.confidence, item.split]
        digest.update(json.dumps(row).encode())
        if item.split == LEFT_OUT:
            tally.left_out[item.label] += 1
        else:
            tally.counts[item.split][item.label] = tally.counts[item.split].get(item.label, 0) + 1
    tally.digest = digest.hexdigest()
    return tally


def _check(tally: Tally, question: Question) -> None:
    names = labels.category_names(question)
    labeled = set(tally.categories) | {key for key in names if tally.left_out[key] >= LEAST_PER_CATEGORY}
    if len(tally.categories) < 2 <= len(labeled):
        reason = _(
            "The labels are there, but the images of %(held)s of %(count)s categories are all held out to measure with:"
            " near-duplicates (resized copies, pictures of one burst) count as one image and go to one side. Add other"
            " images, then try again."
        )
        held = len(labeled) - len(tally.categories)
        raise NotEnoughLabels(reason % {"held": held, "count": len(labeled)})
    if len(tally.categories) < 2:
        reason = _(
            "A classifier needs at least two categories with %(least)s labels each to learn from; %(found)s have them,"
            " of %(all)s. Let the crowd label more, then try again."
        )
        found = len(tally.categories)
        raise NotEnoughLabels(reason % {"least": LEAST_PER_CATEGORY, "found": found, "all": len(names)})
    if not tally.counts["test"]:
        reason = _(
            "None of the %(count)s labels is held out to measure with: about one image in seven is, by its hash, and"
            " near-duplicates (resized copies, pictures of one burst) count as one image. Add other images, or let the"
            " crowd label more, then try again."
        )
        raise NotEnoughLabels(reason % {"count": f"{_used(tally):,}"})


def _used(tally: Tally) -> int:
    return sum(sum(side.values()) for side in tally.counts.values())


def _store(project: Project, question: Question, tally: Tally, found: Iterable[tuple[Label, str]]) -> Snapshot:
    snapshot, created = Snapshot.objects.get_or_create(
        project=project,
        question=question,
        digest=tally.digest,
        defaults={
            "categories": tally.categories,
            "counts": tally.counts,
            "item_count": _used(tally),
            "left_out": dict(tally.left_out),
        },
    )
    # Images that were deleted have taken their items with them; here they are again, with the same labels.
    if created or snapshot.items.count() < _used(tally) + tally.left_out.total():
        learned = bytearray()
        for part in parts_of(_item(label, side, tally.categories) for label, side in found):
            for item in part:
                item.snapshot = snapshot
                if item.split in ("train", "validation"):
                    learned += bytes.fromhex(item.sha256)[:8]
            SnapshotItem.objects.bulk_create(part, ignore_conflicts=True)
        LearnedPictures.objects.update_or_create(snapshot=snapshot, defaults={"hashes": bytes(learned)})
    return snapshot
