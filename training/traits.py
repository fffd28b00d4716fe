"""Worker-side: which images look alike, so that near-duplicates never stand on both sides of a split.

A difference hash (64 signs of horizontal brightness steps; N. Krawetz, "Kind of Like That", 2013) finds candidates, an
8 x 8 colour thumbnail confirms them: plain drawings share hashes by chance, their colours differ. The group is given
once, by the first image of its kind, and never changes: see ImageTrait.
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

MAX_HASH_DISTANCE = 6
MAX_MEAN_DIFFERENCE = 4.0
MAX_CELL_DIFFERENCE = 24
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
            rows.append(ImageTrait(image=image, project=project, dhash=0, look=b"", group=image.sha256))
            continue
        dhash, cells = dhash_of(look), cells_of(look)
        group = leaders.find(dhash, cells) or leaders.add(image.sha256, dhash, cells)
        rows.append(ImageTrait(image=image, project=project, dhash=dhash, look=cells.tobytes(), group=group))
    ImageTrait.objects.bulk_create(rows)
    return len(rows)


class _Leaders:
    """The first image of each group, as arrays: hashes int64 [n], looks uint8 [n, 192]."""

    def __init__(self, project: Project) -> None:
        rows = list(
            ImageTrait.objects.filter(project=project, group=F("image__sha256"))
            .exclude(look=b"")
            .values_list("group", "dhash", "look")
        )
        self.groups = [row[0] for row in rows]
        self.hashes = np.array([row[1] for row in rows], np.int64)
        self.looks = np.frombuffer(b"".join(bytes(row[2]) for row in rows), np.uint8).reshape(-1, 192)

    def find(self, dhash: int, cells: np.ndarray) -> str | None:
        if not self.groups:
            return None
        distance = np.bitwise_count(np.bitwise_xor(self.hashes, np.int64(dhash)).view(np.uint64))
        for index in np.flatnonzero(distance <= MAX_HASH_DISTANCE):
            difference = np.abs(self.looks[index].astype(np.int16) - cells.astype(np.int16))
            if difference.mean() <= MAX_MEAN_DIFFERENCE and difference.max() <= MAX_CELL_DIFFERENCE:
                return self.groups[index]
        return None

    def add(self, group: str, dhash: int, cells: np.ndarray) -> str:
        self.groups.append(group)
        self.hashes = np.append(self.hashes, np.int64(dhash))
        self.looks = np.concatenate([self.looks, cells[None]])
        return group


def dhash_of(look: np.ndarray) -> int:
    """uint8 [32, 36, 3] -> 64 bits, as a signed number: is each of 8 x 9 cells brighter than its right neighbour?"""
    grey = look.astype(np.float64).mean(axis=2).reshape(8, 4, 9, 4).mean(axis=(1, 3))
    bits = (grey[:, :-1] > grey[:, 1:] + 0.5).ravel()
    return int(np.packbits(bits).view(">i8")[0])


def cells_of(look: np.ndarray) -> np.ndarray:
    """uint8 [32, 36, 3] -> uint8 [192]: 8 x 8 colours."""
    return np.asarray(Pillow.fromarray(look).resize((8, 8), Pillow.Resampling.BOX), np.uint8).ravel()


def look_of(data: bytes) -> np.ndarray:
    """Image bytes -> uint8 [32, 36, 3]."""
    return np.asarray(decode_rgb(data, shortest=36).resize((36, 32), Pillow.Resampling.BOX), np.uint8)


def _look_of(image: Image) -> np.ndarray | None:
    try:
        with default_storage.open(image.thumbnail or image.original) as file:
            return look_of(file.read())
    except Exception as error:  # noqa: BLE001 - an unreadable thumbnail only loses its near-duplicates
        logger.warning("image %s has no readable thumbnail: %s", image.pk, error)
        return None
