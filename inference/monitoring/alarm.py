"""A drift alarm in words: since when, what has moved, and what it was before. Read-only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from inference.engine.routing import VersionRef
from inference.models import Drift, Traffic
from inference.monitoring import stored_reference
from inference.monitoring.drift import FAR, psi_alarm
from training.models import ModelVersion
from training.snapshots import labels


@dataclass(frozen=True)
class Alarm:
    """What the serving page says above the plots."""

    since: date  # the first of the days with requests that have all given the alarm
    is_of_images: bool  # the images look otherwise than those learned
    novel: float = 0.0  # of the last day's images, where these are more than chance brings
    category: str = ""  # whose share of the answers has grown most, where shares give the alarm
    share: float = 0.0  # of the last day
    learned: float = 0.0  # of the training images


def alarm_of(version: ModelVersion) -> Alarm | None:
    """None where the last day with requests gave no alarm."""
    days = list(Drift.objects.filter(version=version).order_by("-day")[:90])
    if not days or not days[0].is_alarm:
        return None
    last = days[0]
    unbroken = next((place for place, row in enumerate(days) if not row.is_alarm), len(days))
    since, is_of_images = days[unbroken - 1].day, last.feature_distance > FAR * last.feature_limit
    novel = last.novel_share if last.novel_share and last.novel_share > (last.novel_limit or 0.0) else 0.0
    reference = stored_reference.reference_of(VersionRef.of(version))
    shares = _shares(version, last.day)
    if last.class_psi <= psi_alarm(len(version.categories), last.images) or reference is None or shares is None:
        return Alarm(since, is_of_images, novel)
    learned = np.asarray(reference.class_shares, np.float64)
    most = int((shares - learned).argmax())
    names, key = labels.category_names(version.run.snapshot.question), version.categories[most]
    return Alarm(since, is_of_images, novel, names.get(key, key), float(shares[most]), float(learned[most]))


def _shares(version: ModelVersion, day: date) -> np.ndarray | None:
    """Of each category in the day's answers; None when they are forgotten."""
    midnight = datetime.combine(day, datetime.min.time(), UTC)
    rows = Traffic.objects.filter(version=version, at__gte=midnight, at__lt=midnight + timedelta(days=1))
    counts: Counter[str] = Counter()
    for classes in rows.values_list("classes", flat=True):
        counts.update(classes)
    found = np.array([counts[key] for key in version.categories], np.float64)
    return found / found.sum() if found.sum() else None
