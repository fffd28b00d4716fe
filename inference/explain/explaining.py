"""Where a version looked: the heat map of one picture, by the way that suits the version."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from inference.engine.engine import Engine
from inference.engine.routing import VersionRef
from inference.errors import BadPicture
from inference.explain.picture import overlay
from labeling.errors import CrowdtuneError
from labeling.files.imaging import ImageRefused, decode_rgb, shrink, to_input
from labeling.text.words import gettext as _
from training.features.embedding import Embedder
from training.learning.artifact import Classifier
from training.learning.errors import LearningError
from training.learning.networks.layers import PooledMaps, heat_map

LONGEST = 640


def decoded(data: bytes, size: int) -> Picture.Image:
    """The upright picture, at least as large as the network's input and as the map is drawn."""
    try:
        return decode_rgb(data, shortest=size)
    except ImageRefused as error:
        raise BadPicture(error.code, _("Image 1: %(message)s") % {"message": error.message}, 0) from error


def explain(engine: Engine, version: VersionRef, data: bytes, category: str | None) -> tuple[bytes, str]:
    """The picture under the map of a category (the most probable where None), as PNG, and which category that is.

    Raises:
        BadPicture: It cannot be decoded.
        CrowdtuneError: no_such_category, when the version does not know it.
    """
    classifier = engine.classifier(version)
    trunk = engine.trunk(classifier.trunk_key)
    picture = decoded(data, trunk.size)
    with engine.admission.admit(1), engine.admission.lane():
        pixels = to_input(picture, trunk.size)
        features = trunk.embed(pixels[None])
        index = _index(classifier, features, category)
        heat = _heat(engine, classifier, pixels, features, index)
    return overlay(picture, heat, longest=LONGEST), classifier.categories[index]


def _index(classifier: Classifier, features: NDArray[np.float32], category: str | None) -> int:
    if category is None:
        return int(classifier.probabilities_from_features(features)[0].argmax())
    if category not in classifier.categories:
        known = ", ".join(classifier.categories[:20])
        raise CrowdtuneError(
            "no_such_category",
            _("This version knows %(known)s; not %(category)s.") % {"known": known, "category": repr(category)},
            field="category",
        )
    return classifier.categories.index(category)


def _heat(
    engine: Engine, classifier: Classifier, pixels: NDArray[np.uint8], features: NDArray[np.float32], index: int
) -> NDArray[np.floating]:
    trunk = engine.trunk(classifier.trunk_key)
    maps = None if classifier.head is None else _pooled_maps(engine, trunk, pixels)
    heat, _measured = heat_map(
        maps, classifier.head, pixels, features[0], index,
        lambda x: classifier.probabilities_from_features(trunk.embed(x))[:, index],
    )  # fmt: skip
    return heat


def _pooled_maps(engine: Engine, trunk: Embedder, pixels: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """``[h, w, channels]``: the maps that the trunk pools; None where it pools none."""
    path = engine.data_dir / "trunks" / trunk.key / "trunk.xml"

    def load() -> tuple[PooledMaps, int]:
        return PooledMaps(path, trunk.size), path.with_suffix(".bin").stat().st_size

    try:
        maps: NDArray[np.float32] = engine.cache.get(("maps", trunk.key), load)(pixels)
    except LearningError:
        return None
    return maps


def thumbnail(data: bytes, longest: int = LONGEST) -> bytes:
    """A JPEG of the picture for the page that asked."""
    return shrink(decoded(data, longest), longest, quality=85)
