"""What was answered, counted in memory and written down every few seconds.

A request adds to counters under a lock; a timer writes one row per version and period, and of an hour that is over one
row is left. What a database that is away does not take is added to the next period: sums, which no outage makes large.
Nothing of a picture is kept, only counts of predicted categories, latencies in buckets, and for drift how many pictures
are novel and sums of projected features.
"""

from __future__ import annotations

import functools
import logging
import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import prometheus_client
from django.db import Error, IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Count, QuerySet
from django.db.models.functions import TruncHour
from numpy.typing import NDArray

from inference.engine import metrics
from inference.engine.engine import Answer
from inference.engine.metrics import BUCKETS
from inference.engine.routing import VersionRef
from inference.models import Traffic
from inference.monitoring import stored_reference
from inference.monitoring.drift import Moments
from inference.monitoring.reference import NOVEL
from training.models import ModelVersion

logger = logging.getLogger(__name__)
SECONDS = 5.0
TOGETHER = 64  # pictures whose features are projected at once: alone each would fetch the directions from memory anew
LOOKED = 128  # pictures of a period that are compared with the training images, 50 µs each: stored ones take no more


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
    features: list[NDArray[np.float32]] = field(default_factory=list)  # not projected yet
    waiting: int = 0  # rows of them

    def saw(self, features: NDArray[np.float32]) -> None:
        """Features ``[n, dim]`` of a request, for drift."""
        self.features.append(features)
        self.waiting += len(features)
        if self.waiting >= TOGETHER:
            self.project()

    def add(self, later: Counts) -> None:
        """What was counted of the version since."""
        self.requests, self.images = self.requests + later.requests, self.images + later.images
        self.compared, self.agreed = self.compared + later.compared, self.agreed + later.agreed
        self.latencies = [a + b for a, b in zip(self.latencies, later.latencies, strict=True)]
        self.classes.update(later.classes)
        self.moments.merge(later.moments)
        for features in later.features:
            self.saw(features)

    def project(self) -> None:
        """Add what waits to the moments; nothing where the version has no summary of its training images yet."""
        waiting, self.features, self.waiting = self.features, [], 0
        reference = stored_reference.reference_of(self.version) if waiting else None
        if reference is not None:
            features = np.concatenate(waiting)
            self.moments.add(reference.project(features))
            some = features[: max(LOOKED - self.moments.looked, 0)]
            self.moments.looked += len(some)
            self.moments.novel += int((reference.novelty(some) > NOVEL).sum())


@functools.lru_cache(maxsize=1000)
def _series(project: str, version: int) -> tuple[prometheus_client.Histogram, prometheus_client.Counter]:
    labels = (project, str(version))
    return metrics.LATENCY.labels(*labels), metrics.IMAGES.labels(*labels)


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
        latency, images = _series(slug, answer.version.number)
        latency.observe(answer.seconds)
        images.inc(len(answer.probabilities))
        best = answer.probabilities.argmax(axis=1).tolist()
        with self._lock:
            counts = self._of(answer.version)
            counts.requests += 1
            counts.images += len(best)
            counts.latencies[bisect_left(BUCKETS, answer.seconds)] += 1
            for index in best:
                counts.classes[answer.categories[index]] += 1
            counts.saw(answer.features)

    def compared(self, challenger: Answer, agreed: int) -> None:
        """The challenger answered in the shadow; so many of its answers were the champion's."""
        with self._lock:
            counts = self._of(challenger.version)
            counts.compared += len(challenger.probabilities)
            counts.agreed += agreed
            counts.latencies[bisect_left(BUCKETS, challenger.seconds)] += 1

    def _of(self, version: VersionRef) -> Counts:
        self._wind()
        return self._counts.setdefault(version.id, Counts(version))

    def _wind(self) -> None:
        if self.seconds is not None and self._timer is None:
            self._timer = threading.Timer(self.seconds, self._tick)
            self._timer.daemon = True
            self._timer.start()

    def _tick(self) -> None:
        try:
            self.flush()
        except Error as error:
            logger.warning("traffic waits for the database: %s", str(error).strip().partition("\n")[0])
        finally:
            connection.close()

    def flush(self) -> int:
        """Write what was counted; returns how many rows. What could not be written is there for the next time."""
        with self._lock:
            waiting, self._counts, self._timer = self._counts, {}, None
        try:
            return _write(list(waiting.values()))
        except (OperationalError, InterfaceError, IntegrityError):  # away, or a version has gone this very moment
            self._keep(waiting)
            raise

    def _keep(self, waiting: dict[int, Counts]) -> None:
        with self._lock:
            for version_id, later in self._counts.items():
                waiting.setdefault(version_id, Counts(later.version)).add(later)
            self._counts = waiting
            self._wind()


def _write(waiting: list[Counts]) -> int:
    for counts in waiting:
        counts.project()
    # A version that was deleted meanwhile, with its project, takes nobody else's counts with it.
    there = set(ModelVersion.objects.filter(pk__in=[one.version.id for one in waiting]).values_list("pk", flat=True))
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


def compact(project_id: int, now: datetime) -> int:
    """Of the hours that are over one row a version is left, their sum; returns how many rows went.

    A row every five seconds of each process would be half a million in the two weeks that they are kept.
    """
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    rows = Traffic.objects.filter(project=project_id, at__lt=this_hour)
    hours = rows.annotate(hour=TruncHour("at", tzinfo=UTC)).order_by().values_list("version_id", "hour")
    gone = 0
    for version_id, hour, _count in hours.annotate(count=Count("id")).filter(count__gt=1):
        gone += _sum_up(rows.filter(version=version_id, at__gte=hour, at__lt=hour + timedelta(hours=1)))
    return gone


def _sum_up(rows: QuerySet[Traffic]) -> int:
    with transaction.atomic():
        found = list(rows.select_for_update().order_by("id"))
        if len(found) < 2:
            return 0  # somebody else was there first
        first, *others = found
        moments, classes = Moments.from_json(first.moments), Counter(first.classes)
        for row in others:
            first.requests, first.images = first.requests + row.requests, first.images + row.images
            first.compared, first.agreed = first.compared + row.compared, first.agreed + row.agreed
            first.latencies = [a + b for a, b in zip(first.latencies, row.latencies, strict=True)]
            classes.update(row.classes)
            moments.merge(Moments.from_json(row.moments))
        first.classes, first.moments = dict(classes), moments.as_json() if moments.count else {}
        first.save()
        return Traffic.objects.filter(pk__in=[row.pk for row in others]).delete()[0]


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
