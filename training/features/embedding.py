"""Worker-side: each image through each trunk once, ever; features by the image's content.

A training run, a bake-off, an insight and the background all come through ``features_of``. What is in the store is
read; what is not is decoded, embedded by the light runtime in small batches, and put there before the next batch, so
that a kill loses at most one batch of work and memory does not grow with the number of images.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling.errors import CrowdtuneError
from labeling.files.imaging import pixels
from labeling.models import Image, Project
from training.errors import raise_if_store_fails
from training.learning.feature_store import FeatureStore
from training.learning.networks import weights
from training.learning.networks.keys import trunk_key
from training.models import EmbeddingCursor, ModelVersion, TrainingPolicy
from training.snapshots import traits
from training.zoo import catalogue, choosing

if TYPE_CHECKING:
    from training.learning.networks.trunk import Trunk

logger = logging.getLogger(__name__)

BATCH = 32
LEASE = timedelta(minutes=5)
# The background stops after so many images and comes back: other messages of the queue wait no longer than that.
BACKGROUND_IMAGES = 1_024


class Embedder(Protocol):
    """What pictures go through: ``learning.networks.trunk.Trunk``, on whatever device."""

    key: str
    dim: int
    size: int

    def embed(self, images: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Picture:
    """An image as embedding needs it: content hash and where its bytes are."""

    sha256: str
    original: str


def trunk_of(backbone_key: str, cut: str | None = None, *, waiting: Callable[[], None] | None = None) -> Trunk:
    """The backbone's trunk, exported first where this machine has not got it yet.

    Args:
        waiting: Called now and then while it is exported; may raise to stop.
    """
    # The light runtime costs half a second and 50 MB: web processes, which only send messages, must not import it.
    from training.learning.networks.trunk import ensure_trunk

    backbone = catalogue.backbone_of(backbone_key)
    found = weights.require(backbone, settings.KERAS_HOME)
    return load_trunk(str(ensure_trunk(backbone, found, trunks_folder(), cut, waiting=waiting)))


@functools.lru_cache(maxsize=4)
def load_trunk(folder: str) -> Trunk:
    from training.learning.networks.trunk import Trunk  # as above

    return Trunk(Path(folder))


def trunks_folder() -> Path:
    return settings.DATA_DIR / "trunks"


def features_folder() -> Path:
    return settings.DATA_DIR / "features"


def trunk_facts(backbone_key: str) -> dict[str, Any] | None:
    """``key``, ``dim`` and ``size`` of the backbone's trunk where this machine has it; loads no network."""
    backbone = catalogue.known(backbone_key)
    if backbone is None:
        return None
    found = weights.locate(backbone, settings.KERAS_HOME)
    # Not by its name alone: an operator may have imported another network, or layer of one, under it before.
    path = trunks_folder() / trunk_key(backbone, found.sha256) / "trunk.json"
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        return {name: facts[name] for name in ("key", "dim", "size")}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError):
        logger.warning("%s is damaged; the next run makes the trunk again", path)
        return None


def store_of(trunk: Embedder) -> FeatureStore:
    return open_store(trunk.key, trunk.dim)


def open_store(trunk_key: str, dim: int) -> FeatureStore:
    return FeatureStore(features_folder(), trunk_key, dim, max_bytes=settings.FEATURES_GB << 30)


def features_of(
    trunk: Embedder,
    pictures: Sequence[Picture],
    *,
    out: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Features in the order of the pictures.

    Args:
        out: float32 [n, dim], zeros, to write to: a table of many features lies in a file (``rows.blank``).
        progress: Called with (done, total) of the pictures that were not in the store; may raise to stop.

    Returns:
        float32 [n, dim]; bool [n], False where a picture could not be read (its row is zero); how many were embedded.
    """
    store = store_of(trunk)
    features, found = store.get([picture.sha256 for picture in pictures], out)
    missing = np.flatnonzero(~found)
    done = 0
    for places, rows in _embedded(trunk, store, pictures, missing):
        features[places], found[places] = rows, True
        done += len(places)
        if progress is not None:
            progress(min(done, len(missing)), len(missing))
    return features, found, done


def fill(
    trunk: Embedder, pictures: Sequence[Picture], *, progress: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """Have the features of all pictures in the store without reading those that are there: for large activations.

    Returns:
        bool [n], False where a picture could not be read. Of the others the store may have let the first go again,
        where it has no room for all.
    """
    store, done = store_of(trunk), 0
    found = store.has([picture.sha256 for picture in pictures])
    missing = np.flatnonzero(~found)
    for places, _rows in _embedded(trunk, store, pictures, missing):
        found[places] = True
        done += len(places)
        if progress is not None:
            progress(min(done, len(missing)), len(missing))
    return found


def _embedded(
    trunk: Embedder, store: FeatureStore, pictures: Sequence[Picture], missing: np.ndarray
) -> Iterator[tuple[list[int], np.ndarray]]:
    """(places in ``pictures``, their features), batch by batch; the next one is decoded while this one is embedded."""
    batches = [missing[start : start + BATCH].tolist() for start in range(0, len(missing), BATCH)]
    with ThreadPoolExecutor(4) as pool:
        decode = functools.partial(_pixels, size=trunk.size)
        ahead = [pool.submit(decode, pictures[place]) for place in batches[0]] if batches else []
        for number, places in enumerate(batches):
            waiting = ahead
            following = batches[number + 1] if number + 1 < len(batches) else []
            ahead = [pool.submit(decode, pictures[place]) for place in following]
            decoded = [future.result() for future in waiting]
            good = [place for place, image in zip(places, decoded, strict=True) if image is not None]
            if not good:
                continue
            rows = trunk.embed(np.stack([image for image in decoded if image is not None]))
            store.put([pictures[place].sha256 for place in good], rows)
            yield good, rows


def pixels_of(pictures: Sequence[Picture], size: int) -> np.ndarray:
    """The readable ones of the pictures as uint8 [n, size, size, 3]."""
    read = [image for image in (_pixels(picture, size) for picture in pictures) if image is not None]
    return np.stack(read) if read else np.empty((0, size, size, 3), np.uint8)


def _pixels(picture: Picture, size: int) -> np.ndarray | None:
    try:
        with default_storage.open(picture.original) as file:
            return pixels(file.read(), size)
    except Exception as error:  # noqa: BLE001 - one unreadable file must not end the run; it is counted and logged
        raise_if_store_fails(error)
        logger.warning("image %s cannot be read: %s", picture.sha256[:12], error)
        return None


def embed_new_images() -> int:
    """Embed what was uploaded since the last time, project by project; returns how many images were looked at.

    By the network that the next run takes, and then by the champion's, which is another one where somebody chose
    another, or where the last block was retrained: it can order, suggest and label only what has gone through its own
    trunk.
    """
    done = 0
    not_through: set[int] = set()
    for project in _with_new_images():
        try:
            key, _note = choosing.usable_backbone(TrainingPolicy.of(project).backbone, project)
            looked = _embed_project(project, trunk_of(key))
            done += looked
            if looked == BACKGROUND_IMAGES:
                not_through.add(project.pk)
        except CrowdtuneError as error:  # its next run will say so too; the other projects need not wait for it
            logger.warning("new images of %s are not embedded: %s", project.slug, error.message)
    for champion in _champions_behind():
        if champion.project_id in not_through:  # ahead of the other it would be taken for the furthest, which is enough
            continue
        try:
            trunk = load_trunk(str(trunks_folder() / champion.trunk))
            done += _embed_project(champion.project, trunk) if _has_room(champion.project, trunk) else 0
        except CrowdtuneError as error:  # the serving page tells of a trunk that is damaged
            logger.warning("images of %s do not reach its champion: %s", champion.project.slug, error.message)
    return done


def reached(versions: Iterable[ModelVersion]) -> dict[int, int]:
    """The newest image that has gone through each version's own trunk in the background, 0 before the first: by id."""
    cursors = EmbeddingCursor.objects.filter(project__in=[version.project_id for version in versions])
    last = {(one.project_id, one.trunk_key): one.last_image_id for one in cursors}
    return {version.pk: last.get((version.project_id, version.manifest.get("trunk_key")), 0) for version in versions}


def see_again(version: ModelVersion, image_id: int) -> None:
    """Let the background come once more to the images from this one on, for those whose features are gone."""
    cursors = EmbeddingCursor.objects.filter(project=version.project_id, trunk_key=version.manifest["trunk_key"])
    cursors.filter(last_image_id__gte=image_id).update(last_image_id=image_id - 1)


def _with_new_images() -> Iterable[Project]:
    """Projects whose newest image has not passed the furthest cursor yet."""
    newest = Image.objects.filter(project=OuterRef("pk")).order_by("-id").values("id")[:1]
    cursor = (
        EmbeddingCursor.objects.filter(project=OuterRef("pk")).order_by("-last_image_id").values("last_image_id")[:1]
    )
    rows = (
        Project.objects.at_work()
        .filter(image_count__gt=0)
        .annotate(newest=Subquery(newest), reached=Coalesce(Subquery(cursor), 0))
    )
    return rows.filter(newest__gt=F("reached")).order_by("id")


def _champions_behind() -> Iterable[Any]:
    """Champions whose own ``trunk``, its key, has not seen their project's newest image."""
    newest = Image.objects.filter(project=OuterRef("project")).order_by("-id").values("id")[:1]
    cursor = EmbeddingCursor.objects.filter(project=OuterRef("project"), trunk_key=OuterRef("trunk"))
    rows = (
        ModelVersion.objects.of_primary_question()
        .champions()
        .filter(project__in=Project.objects.at_work())
        .annotate(trunk=KT("manifest__trunk_key"), newest=Subquery(newest))
        .annotate(reached=Coalesce(Subquery(cursor.values("last_image_id")), 0))
    )
    return rows.filter(newest__gt=F("reached")).slim().select_related("project").order_by("project")


def _has_room(project: Project, trunk: Trunk) -> bool:
    """Whether the whole pool leaves half of the store to others: what stands before a retrained block may have a
    hundred thousand numbers an image, and would push out what every project's training and scoring read.
    """
    return 4 * trunk.dim * project.image_count <= settings.FEATURES_GB << 29


def _embed_project(project: Project, trunk: Trunk) -> int:
    """One lease at a time per project and trunk; a lost lease ends by its time."""
    EmbeddingCursor.objects.get_or_create(project=project, trunk_key=trunk.key)
    mine = EmbeddingCursor.objects.filter(project=project, trunk_key=trunk.key)
    # A lease that ends so much later than one that begins now is of a clock that was set back since.
    free = Q(busy_until__lte=timezone.now()) | Q(busy_until__gt=timezone.now() + 2 * LEASE)
    if not mine.filter(free).update(busy_until=timezone.now() + LEASE):
        return 0
    try:
        after = mine.values_list("last_image_id", flat=True).get()
        images = list(Image.objects.filter(project=project, id__gt=after).order_by("id")[:BACKGROUND_IMAGES])
        for start in range(0, len(images), 4 * BATCH):
            part = images[start : start + 4 * BATCH]
            traits.ensure_traits(project=project, image_ids=[image.pk for image in part])
            fill(trunk, [Picture(image.sha256, image.original) for image in part])
            mine.update(last_image_id=part[-1].pk, busy_until=timezone.now() + LEASE)
        return len(images)
    finally:
        mine.update(busy_until=timezone.now())
