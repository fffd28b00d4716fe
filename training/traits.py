"""Worker-side: which images look alike, so that near-duplicates never stand on both sides of a split.

Two images are near-duplicates when their 8 x 8 colour thumbnails are: after a resize or another compression cells move
by one or two steps of 255, between different pictures at least one cell differs by far more. Hashes of brightness steps
(dHash) were tried and do worse on drawings: on a plain ground their bits are noise. The group is given once, by the
first image of its kind, and never changes: see ImageTrait.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import F
from PIL import Image as Pillow

from labeling.imaging import decode_rgb
from labeling.models import Image, Project
from training.models import ImageTrait

logger = logging.getLogger(__name__)

MAX_COLOUR_DIFFERENCE = 4.0
MAX_MEAN_DIFFERENCE = 4.0
MAX_CELL_DIFFERENCE = 24
CELLS = 8 * 8 * 3
BATCH = 256


def groups_of(*, project: Project, image_ids: Iterable[int]) -> dict[int, str]:
    """Image id -> its near-duplicate group; traits that are missing are made first."""
    wanted = set(image_ids)
    missing = wanted - set(ImageTrait.objects.filter(project=project).values_list("image_id", flat=True))
    ensure_traits(project=project, image_ids=missing)
    rows = ImageTrait.objects.filter(project=project).values_list("image_id", "group")
    return {image_id: group for image_id, group in rows.iterator(10_000) if image_id in wanted}


def ensure_traits(*, project: Project, image_ids: Iterable[int]) -> int:
    """Make the traits of the images that have none, in the order of their ids; returns how many were made."""
    ids = sorted(image_ids)
    made = 0
    for start in range(0, len(ids), BATCH):
        images = Image.objects.filter(project=project, pk__in=ids[start : start + BATCH]).order_by("id")
        with ThreadPoolExecutor(4) as pool:
            made += _store(project, list(zip(images, pool.map(_look_of, images), strict=True)))
    return made


@transaction.atomic
def _store(project: Project, looks: list[tuple[Image, np.ndarray | None]]) -> int:
    """One project's groups are given one writer at a time: two copies of a picture must find each other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('training.traits'), %s)", [project.pk])
    known = set(
        ImageTrait.objects.filter(image__in=[image for image, _look in looks]).values_list("image_id", flat=True)
    )
    leaders = _Leaders(project)
    rows = []
    for image, look in looks:
        if image.pk in known:
            continue
        if look is None:
            rows.append(ImageTrait(image=image, project=project, look=b"", group=image.sha256))
            continue
        group = leaders.find(look) or leaders.add(image.sha256, look)
        rows.append(ImageTrait(image=image, project=project, look=look.tobytes(), group=group))
    ImageTrait.objects.bulk_create(rows)
    return len(rows)


class _Leaders:
    """The first image of each group, as arrays: looks uint8 [n, 192], their mean colours float32 [n, 3]."""

    def __init__(self, project: Project) -> None:
        rows = list(
            ImageTrait.objects.filter(project=project, group=F("image__sha256"))
            .exclude(look=b"")
            .values_list("group", "look")
        )
        self.groups = [group for group, _look in rows]
        self.looks = np.frombuffer(b"".join(bytes(look) for _group, look in rows), np.uint8).reshape(-1, CELLS)
        self.colours = _colours(self.looks)

    def find(self, look: np.ndarray) -> str | None:
        """The group of the first image that looks like this one; the mean colour rules most of them out."""
        apart = np.abs(self.colours - _colours(look[None])).max(axis=1, initial=0.0)
        for index in np.flatnonzero(apart <= MAX_COLOUR_DIFFERENCE):
            difference = np.abs(self.looks[index].astype(np.int16) - look.astype(np.int16))
            if difference.mean() <= MAX_MEAN_DIFFERENCE and difference.max() <= MAX_CELL_DIFFERENCE:
                return self.groups[index]
        return None

    def add(self, group: str, look: np.ndarray) -> str:
        self.groups.append(group)
        self.looks = np.concatenate([self.looks, look[None]])
        self.colours = np.concatenate([self.colours, _colours(look[None])])
        return group


def _colours(looks: np.ndarray) -> np.ndarray:
    """uint8 [n, 192] -> float32 [n, 3]."""
    return looks.reshape(len(looks), 64, 3).mean(axis=1, dtype=np.float32)


def look_of(data: bytes) -> np.ndarray:
    """Image bytes -> uint8 [192]: 8 x 8 colours."""
    return np.asarray(decode_rgb(data, shortest=32).resize((8, 8), Pillow.Resampling.BOX), np.uint8).ravel()


def _look_of(image: Image) -> np.ndarray | None:
    try:
        with default_storage.open(image.thumbnail or image.original) as file:
            return look_of(file.read())
    except Exception as error:  # noqa: BLE001 - an unreadable thumbnail only loses its near-duplicates
        logger.warning("image %s has no readable thumbnail: %s", image.pk, error)
        return None
