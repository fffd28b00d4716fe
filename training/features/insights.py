"""Worker-side: what a version sees in an image: nearest labeled neighbours, and its layers' pictures.

The pictures are made when they are first looked at and kept by content: one trunk and one image give the same ones for
ever. Making them opens the light runtime (a second, no Keras), which the serving pages of a web process do too.
"""

from __future__ import annotations

import functools
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Pillow

from labeling.files import storage
from labeling.files.imaging import pixels
from labeling.models import Image
from labeling.resilience import outside
from labeling.resilience.turns import Crowded
from labeling.text.words import gettext as _
from training.features import answers, embedding
from training.learning.errors import LearningError
from training.learning.feature_store import FeatureStore
from training.learning.files import write_atomic
from training.models import ModelVersion, SnapshotItem
from training.snapshots.labels import LEFT_OUT

if TYPE_CHECKING:
    from training.learning.networks.layers import Layers

NEIGHBOURS = 12
AT_ONCE = 8_192


@dataclass(frozen=True)
class Neighbour:
    """A labeled image and how alike it is: the cosine of the two feature vectors."""

    image: Image
    label: str
    likeness: float


def neighbours_of(version: ModelVersion, image: Image) -> list[Neighbour]:
    """The labeled images of the version's snapshot that look most alike to its trunk; reads only what is cached."""
    store = store_of(version)
    if store is None:
        return []
    mine, found = store.get([image.sha256])
    if not found[0]:
        return []
    rows = list(
        SnapshotItem.objects.filter(snapshot=version.run.snapshot)
        .exclude(split=LEFT_OUT)
        .exclude(image=image)
        .order_by("sha256")
        .values_list("image_id", "sha256", "label")
    )
    likeness = _likeness(store, [sha256 for _image, sha256, _label in rows], mine[0])
    best = np.argsort(-likeness, kind="stable")[:NEIGHBOURS]
    images = Image.objects.in_bulk([rows[place][0] for place in best])
    return [
        Neighbour(images[rows[place][0]], rows[place][2], float(likeness[place]))
        for place in best
        if np.isfinite(likeness[place]) and rows[place][0] in images
    ]


def store_of(version: ModelVersion) -> FeatureStore | None:
    """The pooled features of the version's backbone, if this machine has its trunk; opens no network."""
    facts = embedding.trunk_facts(version.run.backbone)
    return None if facts is None else embedding.open_store(facts["key"], facts["dim"])


def _likeness(store: FeatureStore, shas: list[str], mine: np.ndarray) -> np.ndarray:
    """float [n]; -inf where an image's features are not cached. In parts, so that memory stays flat."""
    parts = []
    for start in range(0, len(shas), AT_ONCE):
        features, found = store.get(shas[start : start + AT_ONCE])
        norms = np.linalg.norm(features, axis=1) * np.linalg.norm(mine)
        parts.append(np.where(found, features @ mine / np.maximum(norms, 1e-12), -np.inf))
    return np.concatenate(parts) if parts else np.empty(0)


def layer_pictures(version: ModelVersion, image: Image) -> dict[str, Any] | None:
    """What the layers of the version's backbone see: ``{"filters", "maps": [{name, place, depth, shape}], "heat"}``.

    Names are those that ``picture`` takes. None where this machine has not got the trunk.

    Raises:
        LearningError: The image cannot be read, the network has no convolution, or the version's files are damaged.
    """
    facts = embedding.trunk_facts(version.run.backbone)
    if facts is None:
        return None
    folder = pictures_folder() / facts["key"] / image.sha256 / str(version.pk)
    found = _drawn(folder)
    if found is None:
        found = _draw(version, image, facts, folder)
        write_atomic(folder / "index.json", json.dumps(found).encode())
    return found


def _drawn(folder: Path) -> dict[str, Any] | None:
    """What was drawn before; None where not all of it is there."""
    try:
        found: dict[str, Any] = json.loads((folder / "index.json").read_text())
        names = [found["filters"], *(row["name"] for row in found["maps"]), *(["heat"] if found["heat"] else [])]
        return found if all((folder / f"{name}.png").is_file() for name in names) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def picture(version: ModelVersion, image: Image, name: str) -> bytes | None:
    """One of the PNGs that ``layer_pictures`` has made."""
    facts = embedding.trunk_facts(version.run.backbone)
    path = pictures_folder() / (facts or {"key": "none"})["key"] / image.sha256 / str(version.pk) / f"{name}.png"
    return path.read_bytes() if path.is_file() else None


def pictures_folder() -> Path:
    return embedding.trunks_folder().parent / "insights"


def _draw(version: ModelVersion, image: Image, facts: dict[str, Any], folder: Path) -> dict[str, Any]:
    # The light runtime, by the same reason and at the same price as in training.features.embedding.
    from training.learning.networks.layers import tiled_maps

    layers = _layers(str(embedding.trunks_folder() / facts["key"] / "trunk.xml"), facts["size"])
    shown = _shown(image, facts["size"])
    seen = layers.see(shown)
    _write(folder, "filters", layers.filters(), smooth=False)
    rows = []
    for number, layer in enumerate(seen):
        _write(folder, f"maps-{number}", tiled_maps(layer.maps), smooth=False)
        shape = " × ".join(map(str, layer.maps.shape))
        rows.append({"name": f"maps-{number}", "place": layer.name, "depth": layer.depth, "shape": shape})
    return {"filters": "filters", "maps": rows, "heat": _draw_heat(version, shown, seen[-1].maps, folder)}


def _shown(image: Image, size: int) -> np.ndarray:
    """The image as the network would see it."""
    try:
        with outside.stored():
            return pixels(storage.read_original(image), size)
    except Crowded:
        raise
    except Exception as error:  # whatever the store or the decoder calls it
        told = _("%(name)s cannot be read, so that no layer can look at it.")
        raise LearningError(told % {"name": image.name}, "unreadable_image") from error


def _draw_heat(version: ModelVersion, shown: np.ndarray, maps: np.ndarray, folder: Path) -> dict[str, Any] | None:
    """Why the version says what it says: by its head's slope where its features are these maps' average, else measured.

    None for a fine-tuned version: its tail is a network of its own, and fifty answers of it are too dear for a page.
    """
    from training.learning.networks.layers import heat_map  # as in _draw

    head = answers.classifier_of(version).head
    if head is None:
        return None
    trunk = answers.trunk_of(version)
    features = trunk.embed(shown[None])
    said = head.probabilities(features)[0]
    top = int(said.argmax())
    heat, measured = heat_map(maps, head, shown, features[0], top, lambda x: head.probabilities(trunk.embed(x))[:, top])
    _write(folder, "heat", overlaid(shown, heat), smooth=True)
    return {"category": head.categories[top], "probability": float(said.max()), "measured": measured}


@functools.lru_cache(maxsize=2)
def _layers(path: str, size: int) -> Layers:
    from training.learning.networks.layers import Layers  # as above

    return Layers(Path(path), size)


def overlaid(shown: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """uint8 [s, s, 3] and float [h, w] in 0..1 -> uint8 [s, s, 3]: what counted stays bright, the rest is dimmed."""
    size = shown.shape[0]
    mask = Pillow.fromarray(np.rint(heat * 255).astype(np.uint8)).resize((size, size), Pillow.Resampling.BICUBIC)
    weight = np.asarray(mask, np.float32)[..., None] / 255
    return np.rint(shown * (0.25 + 0.75 * weight)).astype(np.uint8)


def _write(folder: Path, name: str, pixels_: np.ndarray, *, smooth: bool) -> None:
    drawn = Pillow.fromarray(pixels_)
    scale = max(1, 320 // max(drawn.size))
    way = Pillow.Resampling.BICUBIC if smooth else Pillow.Resampling.NEAREST
    buffer = io.BytesIO()
    drawn.resize((drawn.width * scale, drawn.height * scale), way).save(buffer, "PNG")
    write_atomic(folder / f"{name}.png", buffer.getvalue())
