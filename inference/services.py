"""The verbs of the inference room."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference import explaining, runtime
from inference.engine import Answer
from inference.inputs import Inputs
from inference.routing import VersionRef, routes
from labeling.models import Image, Project
from labeling.storage import read_original


def predict(*, project: Project, inputs: Inputs, sticky: str = "", version: VersionRef | None = None) -> Answer:
    """What the project's champion (or the version asked for) says of each picture, in the order of the request.

    Args:
        project: Whose classifier answers.
        inputs: The pictures.
        sticky: Callers with the same text meet the same version while a challenger takes a share of the traffic.
        version: A certain version instead of the champion.

    Raises:
        NoChampion: Nothing is trained yet.
        BadPicture: One of the pictures cannot be read.
        Busy: Too much waits already.
    """
    started = time.perf_counter()
    chosen = version or routes.get(project.pk).choose(sticky or _content_key(inputs))
    return runtime.engine().answer(chosen, features_of(version=chosen, inputs=inputs), started)


def features_of(*, version: VersionRef, inputs: Inputs) -> NDArray[np.float32]:
    """Features ``[n, dim]``: computed for pictures that came with the request, read for stored ones."""
    engine = runtime.engine()
    trunk = engine.trunk(engine.classifier(version).trunk_key)
    fresh = inputs.unknown
    if len(fresh) == len(inputs.pictures):
        return engine.embed(trunk, [p for p in inputs.pictures if isinstance(p, bytes)])
    features = np.empty((len(inputs.pictures), trunk.dim), np.float32)
    if fresh:
        bytes_ = [p for p in inputs.pictures if isinstance(p, bytes)]
        features[fresh] = engine.embed(trunk, bytes_, fresh)
    known = [index for index, picture in enumerate(inputs.pictures) if isinstance(picture, Image)]
    features[known] = stored_features(trunk.key, [p for p in inputs.pictures if isinstance(p, Image)])
    return features


def stored_features(trunk_key: str, images: Sequence[Image]) -> NDArray[np.float32]:
    """Features of stored images, computed and kept where this is the first time that anyone asks."""
    engine = runtime.engine()
    trunk = engine.trunk(trunk_key)
    store = runtime.feature_store(trunk.key, trunk.dim)
    features, found = store.get([image.sha256 for image in images])
    missing = np.flatnonzero(~found).tolist()
    if missing:
        new = engine.embed(trunk, [read_original(images[index]) for index in missing])
        store.put([images[index].sha256 for index in missing], new)
        features[missing] = new
    return features


def explain(*, project: Project, data: bytes, category: str | None = None) -> tuple[bytes, str, VersionRef]:
    """The heat map of the champion on one picture: PNG bytes, the category it is of, and the version.

    Raises:
        NoChampion: Nothing is trained yet.
        BadPicture: It cannot be read, or the category is unknown.
    """
    version = routes.get(project.pk).choose(str(zlib.crc32(data)))
    png, explained = explaining.explain(runtime.engine(), version, data, category)
    return png, explained, version


def _content_key(inputs: Inputs) -> str:
    first = inputs.pictures[0]
    return str(first.pk) if isinstance(first, Image) else str(zlib.crc32(first))
