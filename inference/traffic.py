"""What was answered, counted in memory and written down every few seconds.

A request adds to counters under a lock; a timer writes one row per version and period. Nothing of a picture is kept:
counts of predicted categories, latencies in buckets, and sums of projected features for drift.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from django.db import DatabaseError, connection

from inference import metrics, references
from inference.drift import Moments
from inference.engine import Answer
from inference.models import Traffic
from inference.routing import VersionRef
from training.models import ModelVersion

logger = logging.getLogger(__name__)
BUCKETS = (0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds; the last is open
SECONDS = 5.0


@dataclass
class Counts:
    """One version's traffic since the last row."""

    version: VersionRef
    requests: int = 0
    images: int = 0
    compared: int = 0
    agreed: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    classes: Counter[str] = field(default_factory=Counter)
    moments: Moments = field(default_factory=Moments)


class Recorder:
    """This process's counters."""

    def __init__(self, seconds: float | None = SECONDS) -> None:
        """``seconds`` between rows; None writes only when ``flush`` is called."""
        self.seconds = seconds
        self._lock = threading.Lock()
        self._counts: dict[int, Counts] = {}
        self._timer: threading.Timer | None = None

    def answered(self, answer: Answer, slug: str) -> None:
        """One request was answered by one version."""
        labels = (slug, str(answer.version.number))
        metrics.LATENCY.labels(*labels).observe(answer.seconds)
        metrics.IMAGES.labels(*labels).inc(len(answer.probabilities))
        best = answer.probabilities.argmax(axis=1)
        reference = references.reference_of(answer.version)
        points = reference.project(answer.features) if reference else None
        with self._lock:
            counts = self._of(answer.version)
            counts.requests += 1
            counts.images += len(best)
            counts.latencies[int(np.searchsorted(BUCKETS, answer.seconds))] += 1
            counts.classes.update(answer.categories[index] for index in best)
            if points is not None:
                counts.moments.add(points)

    def compared(self, challenger: Answer, agreed: int) -> None:
        """The challenger answered in the shadow; so many of its answers were the champion's."""
        with self._lock:
            counts = self._of(challenger.version)
            counts.compared += len(challenger.probabilities)
            counts.agreed += agreed
            counts.latencies[int(np.searchsorted(BUCKETS, challenger.seconds))] += 1

    def _of(self, version: VersionRef) -> Counts:
        if self.seconds is not None and self._timer is None:
            self._timer = threading.Timer(self.seconds, self._tick)
            self._timer.daemon = True
            self._timer.start()
        return self._counts.setdefault(version.id, Counts(version))

    def _tick(self) -> None:
        try:
            self.flush()
        except DatabaseError:
            logger.warning("traffic of the last seconds could not be written", exc_info=True)
        finally:
            connection.close()

    def flush(self) -> int:
        """Write what was counted; returns how many rows."""
        with self._lock:
            waiting, self._counts, self._timer = list(self._counts.values()), {}, None
        # A version that was deleted meanwhile, with its project, takes nobody else's counts with it.
        there = set(
            ModelVersion.objects.filter(pk__in=[one.version.id for one in waiting]).values_list("pk", flat=True)
        )
        rows = [
            Traffic(
                project_id=counts.version.project_id,
                version_id=counts.version.id,
                requests=counts.requests,
                images=counts.images,
                latencies=counts.latencies,
                compared=counts.compared,
                agreed=counts.agreed,
                classes=dict(counts.classes),
                moments=counts.moments.as_json() if counts.moments.count else {},
            )
            for counts in waiting
            if counts.version.id in there
        ]
        Traffic.objects.bulk_create(rows)
        return len(rows)


def quantile(latencies: list[int], share: float) -> float | None:
    """Seconds that ``share`` of the requests stayed below, interpolated within its bucket; None without requests."""
    total = sum(latencies)
    if not total:
        return None
    wanted, seen = share * total, 0
    edges = (0.0, *BUCKETS, BUCKETS[-1] * 2)
    for number, count in enumerate(latencies):
        if count and seen + count >= wanted:
            return edges[number] + (edges[number + 1] - edges[number]) * (wanted - seen) / count
        seen += count
    return edges[-1]


recorder = Recorder()
