"""The challenger answers beside the champion; its answers are compared, never returned.

On a shared trunk that is one small matrix product. On a trunk of its own it runs afterwards on one thread, and requests
that come while it is busy are not compared: a shadow must not slow the light.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from inference.engine import runtime
from inference.engine.engine import Answer
from inference.engine.routing import VersionRef
from inference.errors import BrokenVersion, Busy
from inference.monitoring.traffic import recorder
from labeling.errors import CrowdtuneError

logger = logging.getLogger(__name__)
WAITING = 4
_pool = ThreadPoolExecutor(1, thread_name_prefix="shadow")
_places = threading.BoundedSemaphore(WAITING)


def compare(answer: Answer, challenger: VersionRef, pictures: list[bytes]) -> None:
    """Let the challenger answer too. ``pictures`` may be fewer than were answered: stored ones have features only."""
    try:
        engine = runtime.engine()
        same = engine.classifier(challenger).trunk_key == engine.classifier(answer.version).trunk_key
        if same:
            # As if it had answered: the pictures were read and embedded for it, too.
            _count(answer, engine.answer(challenger, answer.features, time.perf_counter() - answer.seconds))
        elif len(pictures) == len(answer.probabilities) and _places.acquire(blocking=False):
            _pool.submit(_later, answer, challenger, pictures)
    except BrokenVersion:
        return  # of which the engine has told, and the serving page tells
    except CrowdtuneError as error:
        logger.warning("the challenger %s cannot answer: %s", challenger.number, error.message)


def _later(answer: Answer, challenger: VersionRef, pictures: list[bytes]) -> None:
    try:
        _count(answer, runtime.engine().classify(challenger, pictures))
    except (CrowdtuneError, Busy) as error:
        logger.warning("the challenger %s cannot answer: %s", challenger.number, error)
    finally:
        _places.release()


def _count(answer: Answer, other: Answer) -> None:
    pairs = zip(answer.probabilities.argmax(axis=1), other.probabilities.argmax(axis=1), strict=True)
    recorder.compared(other, sum(answer.categories[a] == other.categories[b] for a, b in pairs))
