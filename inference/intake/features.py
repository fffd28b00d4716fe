"""Worker-side: features of a request's pictures, made for those that are new and read for those that are stored."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.engine import runtime
from inference.engine.routing import VersionRef
from inference.errors import BadPicture
from inference.intake.inputs import Inputs
from labeling.errors import CrowdtuneError
from labeling.files.storage import read_original
from labeling.models import Image
from labeling.resilience import outside
from labeling.text.words import gettext as _

logger = logging.getLogger(__name__)
PART = 32  # files that are in memory at a time: a photograph has megabytes


def features_of(*, version: VersionRef, inputs: Inputs) -> NDArray[np.float32]:
    """Features ``[n, dim]``: computed for pictures that came with the request, read for stored ones."""
    engine = runtime.engine()
    trunk = engine.trunk_of(engine.classifier(version))
    fresh = inputs.unknown
    new = [picture for picture in inputs.pictures if not isinstance(picture, Image)]
    if len(fresh) == len(inputs.pictures):
        return engine.embed(trunk, new)
    features = np.empty((len(inputs.pictures), trunk.dim), np.float32)
    if fresh:
        features[fresh] = engine.embed(trunk, new, fresh)
    known = [index for index, picture in enumerate(inputs.pictures) if isinstance(picture, Image)]
    images = [picture for picture in inputs.pictures if isinstance(picture, Image)]
    features[known] = stored_features(trunk.key, images, known, place=outside.stored)
    return features


def stored_features(
    trunk_key: str,
    images: Sequence[Image],
    positions: Sequence[int] | None = None,
    *,
    place: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
) -> NDArray[np.float32]:
    """Features of stored images, computed and kept where this is the first time that anyone asks.

    Args:
        positions: Where the images stand in the request, for errors that name one; 0, 1, 2 … where left out.
        place: Entered while files are read: a request must not wait for the store with all others.

    Raises:
        BadPicture: missing_file (404): an image's file is not in the storage any more.
    """
    at = range(len(images)) if positions is None else positions
    engine = runtime.engine()
    trunk = engine.trunk(trunk_key)
    store = runtime.feature_store(trunk.key, trunk.dim)
    features, found = store.get([image.sha256 for image in images])
    missing = np.flatnonzero(~found).tolist()
    if missing:
        for start in range(0, len(missing), PART):
            part = missing[start : start + PART]
            with place():
                originals = [original(images[index], at[index]) for index in part]
            features[part] = engine.embed(trunk, originals, [at[index] for index in part])
        try:
            store.put([images[index].sha256 for index in missing], features[missing])
        except CrowdtuneError as error:  # a full disk is no reason to keep the answer back
            logger.warning("features of %d stored images were not kept: %s", len(missing), error.message)
    return features


def original(image: Image, index: int) -> bytes:
    """A stored image's file.

    Raises:
        BadPicture: missing_file (404), it is not in the storage any more; names where it stands in the request.
    """
    try:
        return read_original(image)
    except (FileNotFoundError, NotADirectoryError) as error:
        message = _("The file of the stored image %(id)s is missing; upload it again.") % {"id": image.pk}
        raise BadPicture("missing_file", message, index, 404) from error
