"""Worker-side: which images look alike, so that near-duplicates never stand on both sides of a split.

Two images are near-duplicates when their 8 x 8 colour thumbnails are: after a resize or another compression cells move
by one or two steps of 255, between different pictures at least one cell differs by far more. Hashes of brightness steps
(dHash) were tried and do worse on drawings: on a plain ground their bits are noise. The group is given once, by the
first image of its kind, and never changes: see ImageTrait.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from PIL import Image as Pillow

from labeling.files.imaging import decode_rgb
from labeling.models import Image, Project
from training.errors import raise_if_store_fails
from training.models import ImageTrait

logger = logging.getLogger(__name__)

MAX_COLOUR_DIFFERENCE = 4.0
MAX_MEAN_DIFFERENCE = 4.0
MAX_CELL_DIFFERENCE = 24
CELLS = 8 * 8 * 3
BATCH = 256
PART = 4_096
AT_ONCE = 16  # looks that are compared together: what they could belong with is held in memory


def groups_of(*, project: Project, image_ids: Iterable[int]) -> dict[int, str]:
    """Image id -> its near-duplicate group, for some thousand images; traits that are missing are made first."""
    wanted = set(image_ids)
    rows = ImageTrait.objects.filter(project=project, image__in=wanted).values_list("image_id", "group")
    groups = dict(rows)
    if missing := wanted - groups.keys():
        ensure_traits(project=project, image_ids=missing)
        groups = dict(rows.all())
    return groups


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
    ids = [image.pk for image, _look in looks]
    # Held, so that none is deleted before its trait is there; whoever is deleting one has it alone.
    there = set(
        Image.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True)
    )
    there.difference_update(ImageTrait.objects.filter(image__in=ids).values_list("image_id", flat=True))
    fresh = [(image, look) for image, look in looks if image.pk in there]
    for start in range(0, len(fresh), AT_ONCE):
        ImageTrait.objects.bulk_create(_traits(project, fresh[start : start + AT_ONCE]))
    return len(fresh)


def _traits(project: Project, looks: list[tuple[Image, np.ndarray | None]]) -> list[ImageTrait]:
    leaders = _Leaders(project, [look for _image, look in looks if look is not None])
    rows = []
    for image, look in looks:
        if look is None:
            rows.append(ImageTrait(image=image, project=project, look=b"", group=image.sha256))
            continue
        group = leaders.find(look)
        bucket = None if group else leaders.add(image.sha256, look)
        row = ImageTrait(image=image, project=project, look=look.tobytes(), group=group or image.sha256, bucket=bucket)
        rows.append(row)
    return rows


def lead_again() -> int:
    """Let a group whose first image was deleted be found by another of its images; returns how many there were.

    Without one, the next copy of them would begin a group of its own, perhaps on the other side of the split.
    """
    leader = ImageTrait.objects.filter(project=OuterRef("project"), group=OuterRef("group"), bucket__isnull=False)
    followers = ImageTrait.objects.filter(bucket=None).exclude(look=b"").filter(~Exists(leader))
    heirs = list(followers.order_by("project", "group", "image").distinct("project", "group"))
    for heir in heirs:
        heir.bucket = bucket_of(np.frombuffer(bytes(heir.look), np.uint8))
    ImageTrait.objects.bulk_update(heirs, ["bucket"], batch_size=BATCH)
    return len(heirs)


class _Leaders:
    """The first images of the groups that any of ``looks`` could belong to: looks uint8 [n, 192], their averages."""

    def __init__(self, project: Project, looks: list[np.ndarray]) -> None:
        wanted = {bucket for look in looks for bucket in buckets_around(look)}
        found = ImageTrait.objects.filter(project=project, bucket__in=wanted).order_by("image_id")
        rows = list(found.values_list("group", "look"))
        self.groups = [group for group, _look in rows]
        # Room for those that this batch adds: an array is not copied for each of them.
        self.looks = np.empty((len(rows) + len(looks), CELLS), np.uint8)
        self.looks[: len(rows)] = np.frombuffer(b"".join(bytes(look) for _group, look in rows), np.uint8).reshape(
            -1, CELLS
        )
        self.averages = np.zeros((len(self.looks), len(PATTERNS)), np.float32)
        for start in range(0, len(rows), PART):
            part = self.looks[start : min(start + PART, len(rows))]
            self.averages[start : start + len(part)] = part.astype(np.float32) @ PATTERNS.T / CELLS

    def find(self, look: np.ndarray) -> str | None:
        """The group of an image that looks like this one, the most alike where there are several."""
        count = len(self.groups)
        apart = np.abs(self.averages[:count] - PATTERNS @ look.astype(np.float32) / CELLS)
        near = np.flatnonzero((apart <= MAX_MEAN_DIFFERENCE + 0.01).all(axis=1))  # exact below: float32 here
        if not len(near):
            return None
        found = self.looks[near]
        difference = np.abs(found.astype(np.int16) - look.astype(np.int16))
        mean = difference.mean(axis=1)
        alike = (
            (mean <= MAX_MEAN_DIFFERENCE)
            & (difference.max(axis=1) <= MAX_CELL_DIFFERENCE)
            & (np.abs(_colours(found) - _colours(look[None])).max(axis=1) <= MAX_COLOUR_DIFFERENCE)
        )
        return self.groups[near[int(np.where(alike, mean, np.inf).argmin())]] if alike.any() else None

    def add(self, group: str, look: np.ndarray) -> int:
        """The look leads a group of its own from now on; returns its bucket."""
        self.looks[len(self.groups)] = look
        self.averages[len(self.groups)] = PATTERNS @ look.astype(np.float32) / CELLS
        self.groups.append(group)
        return bucket_of(look)


def _patterns() -> np.ndarray:
    """float32 [8, 192]: brightness, left - right, top - bottom, middle - rim, red - blue, diagonals, and stripes."""
    cells, half = np.zeros((8, 8, 8, 3), np.float32), np.repeat(np.array([1, -1], np.float32), 4)
    stripes = np.repeat(np.array([1, -1, -1, 1], np.float32), 2)
    cells[0] = 1
    cells[1], cells[2] = half[None, :, None], half[:, None, None]
    cells[3], cells[3, 2:6, 2:6] = -1, 1
    cells[4, ..., 0], cells[4, ..., 2] = 1, -1
    cells[5] = (half[:, None] * half)[..., None]
    cells[6], cells[7] = stripes[None, :, None], stripes[:, None, None]
    return cells.reshape(8, CELLS)


PATTERNS = _patterns()
WIDTH = 4 * MAX_MEAN_DIFFERENCE


def bucket_of(look: np.ndarray) -> int:
    """Eight averages of the look, each in steps of WIDTH, as one number of 40 bits.

    Each average weighs cells by at most one, so it differs between near-duplicates by at most their mean difference:
    they lie in the same step or, half the time, in a neighbouring one, and 26 buckets on average (256 at most) hold all
    that an image could belong with: an index finds them where the mean colour alone left thousands of a million.
    """
    return _packed(np.floor(_averages(look) / WIDTH).astype(int))


def buckets_around(look: np.ndarray) -> list[int]:
    """Every bucket in which a near-duplicate of the look may lie."""
    averages = _averages(look)
    low = np.floor((averages - MAX_MEAN_DIFFERENCE) / WIDTH).astype(int)
    high = np.floor((averages + MAX_MEAN_DIFFERENCE) / WIDTH).astype(int)
    choices = [range(a, b + 1) for a, b in zip(low, high, strict=True)]
    return sorted({_packed(steps) for steps in itertools.product(*choices)})


def _averages(look: np.ndarray) -> np.ndarray:
    """float64 [8], -255..255; exact, so that the same look always has the same ones."""
    return (PATTERNS @ look.astype(np.float64)) / CELLS


def _packed(steps: Sequence[int] | np.ndarray) -> int:
    """Steps from -16 to 15 as five bits each."""
    number = 0
    for step in steps:
        number = (number << 5) | ((int(step) + 16) & 31)
    return number


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
        raise_if_store_fails(error)
        logger.warning("image %s has no readable thumbnail: %s", image.pk, error)
        return None
