"""What a version says of pictures, and where it looked."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.engine import runtime
from inference.engine.engine import Answer
from inference.engine.routing import Route, VersionRef, routes
from inference.errors import BrokenVersion
from inference.explain import explaining
from inference.feedback import sampling
from inference.intake.features import features_of, original
from inference.intake.inputs import Inputs
from inference.monitoring import shadowing
from inference.monitoring.traffic import recorder
from labeling.models import Image, Project
from labeling.resilience import outside


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
    route = routes.get(project.pk)
    chosen = version or version_for(route, sticky or (content_key(inputs.pictures) if route.shares else ""))
    answer = runtime.engine().answer(chosen, features_of(version=chosen, inputs=inputs), started)
    recorder.answered(answer, project.slug)
    fresh = [(index, picture) for index, picture in enumerate(inputs.pictures) if isinstance(picture, bytes)]
    if route.shadow is not None and chosen == route.champion:
        shadowing.compare(answer, route.shadow, [picture for _index, picture in fresh])
    if route.sample_rate > 0:
        sampling.maybe_keep(project=project, answer=answer, pictures=fresh, share=route.sample_rate)
    return answer


def explain(
    *, project: Project, picture: bytes | Image, category: str | None = None, sticky: str = ""
) -> tuple[bytes, str, VersionRef]:
    """The heat map of the version that would answer, on one picture: PNG bytes, the category it is of, the version.

    Raises:
        NoChampion: Nothing is trained yet.
        BadPicture: It cannot be read, or the category is unknown.
    """
    version = version_for(routes.get(project.pk), sticky or content_key([picture]))
    if isinstance(picture, Image):
        with outside.stored():
            picture = original(picture, 0)
    png, explained = explaining.explain(runtime.engine(), version, picture, category)
    return png, explained, version


def version_for(route: Route, caller: str) -> VersionRef:
    """Who answers this caller: the champion, too, where the challenger cannot be loaded, for nobody asked for that one.

    Raises:
        NoChampion: Nothing is trained yet.
    """
    chosen = route.choose(caller)
    if chosen == route.champion:
        return chosen
    return route.standing() if fault_of(chosen) else chosen


def fault_of(version: VersionRef) -> str:
    """Why the version cannot answer, for people; nothing where it can, which takes it into memory."""
    engine = runtime.engine()
    try:
        engine.trunk_of(engine.classifier(version))
    except BrokenVersion as error:
        return error.message
    return ""


def content_key(pictures: Sequence[bytes | NDArray[np.uint8] | Image]) -> str:
    """What stands for a caller who gives no key: the same pictures meet the same version."""
    first = pictures[0]
    if isinstance(first, Image):
        return str(first.pk)
    return str(zlib.crc32(first if isinstance(first, bytes) else first.tobytes()))
