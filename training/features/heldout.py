"""What a version says of the images that it was measured on: those behind a cell of its confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.cache import cache

from labeling.models import Image
from training.features import answers
from training.features.embedding import Picture
from training.models import ModelVersion, SnapshotItem

MOST = 2_000  # images of one label that a page looks through
KEPT_SECONDS = 86_400  # a version and what it was measured on never change


@dataclass(frozen=True)
class Said:
    """An image of the test side, and how sure the version is of what it says of it."""

    image: Image
    probability: float


def behind(version: ModelVersion, label: str, said: str) -> list[Said]:
    """The images with this label that the version takes for ``said``, the surest first; of very many labels some.

    Raises:
        LearningError: The version's files, or those of its network, are missing or damaged.
    """
    key = f"heldout:{version.pk}:{version.categories.index(label)}"
    found: list[tuple[int, str, float]] | None = cache.get(key)
    if found is None:
        found = _answered(version, label)
        cache.set(key, found, KEPT_SECONDS)
    chosen = {image_id: probability for image_id, best, probability in found if best == said}
    images = Image.objects.filter(pk__in=chosen).in_bulk()
    return [
        Said(images[pk], probability)
        for pk, probability in sorted(chosen.items(), key=lambda row: (-row[1], row[0]))
        if pk in images
    ]


def _answered(version: ModelVersion, label: str) -> list[tuple[int, str, float]]:
    """(image, the best category, its probability) of each image of the label that can be read."""
    items = SnapshotItem.objects.filter(snapshot=version.run.snapshot, split="test", label=label).order_by("pk")
    images = [item.image for item in items.select_related("image").only("image__sha256", "image__original")[:MOST]]
    probabilities, readable = answers.answers_of(version, [Picture(image.sha256, image.original) for image in images])
    return [
        (image.pk, version.categories[int(row.argmax())], float(row.max()))
        for image, row, is_readable in zip(images, probabilities, readable, strict=True)
        if is_readable
    ]
