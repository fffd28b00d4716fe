"""Read-only: what the serving page and its API show. Sums over rows of the last days, plots out of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Count, F, Func, IntegerField, Q, QuerySet
from django.db.models.functions import TruncDay
from django.utils import timezone
from django.utils.translation import gettext as _

from inference.engine.metrics import BUCKETS
from inference.models import AutoLabel, Drift, Prediction, Reason, Sample, Traffic
from inference.monitoring.drift import FAR, LEAST, psi_alarm
from inference.monitoring.traffic import quantile
from labeling import charts
from labeling.accounts import languages
from labeling.models import Project
from training.models import ModelVersion

DAYS = 7
MOST_ROWS = 50_000
LEAST_RANDOM = 20  # images drawn at random and labeled, before the page says how often a version is right
MOST_LINES = 6  # of a plot
DRIFT_DAYS = 90


@dataclass
class VersionFigures:
    """One version's traffic of the last days, and how right it was on what the crowd labeled after it."""

    version: ModelVersion
    requests: int = 0
    images: int = 0
    compared: int = 0
    agreed: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    judged: int = 0
    correct: int = 0
    judged_random: int = 0
    correct_random: int = 0

    @property
    def p50(self) -> float | None:
        """Milliseconds within which half of the requests were answered; None without any."""
        return _milliseconds(quantile(self.latencies, 0.5))

    @property
    def p99(self) -> float | None:
        return _milliseconds(quantile(self.latencies, 0.99))

    @property
    def in_shadow(self) -> int:
        """Requests that the champion answered and this version was asked about beside it; their time counts."""
        return max(sum(self.latencies) - self.requests, 0)

    @property
    def agreement(self) -> float | None:
        """Share of the compared images on which the champion and the challenger say the same; None without any."""
        return self.agreed / self.compared if self.compared else None

    @property
    def accuracy(self) -> float | None:
        return self.correct / self.judged if self.judged else None

    @property
    def fair_accuracy(self) -> float | None:
        """On the images drawn at random: an estimate for the pool, which the uncertain ones alone are not."""
        return self.correct_random / self.judged_random if self.judged_random else None

    @property
    def is_random_enough(self) -> bool:
        return self.judged_random >= LEAST_RANDOM

    def as_json(self) -> dict[str, Any]:
        return {
            "version": self.version.number, "alias": self.version.alias, "requests": self.requests,
            "images": self.images, "p50_ms": self.p50, "p99_ms": self.p99, "compared": self.compared,
            "agreement": self.agreement, "judged": self.judged, "live_accuracy": self.accuracy,
            "judged_random": self.judged_random, "live_accuracy_random": self.fair_accuracy,
        }  # fmt: skip


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def by_version(project: Project) -> list[VersionFigures]:
    """Newest version first."""
    since = timezone.now() - timedelta(days=DAYS)
    figures = {
        version.pk: VersionFigures(version)
        for version in ModelVersion.objects.filter(project=project).slim().order_by("-number")
    }
    rows = Traffic.objects.filter(project=project, at__gte=since).order_by("-id")
    names = ("version_id", "requests", "images", "compared", "agreed", "latencies")
    for version_id, requests, images, compared, agreed, latencies in rows.values_list(*names)[:MOST_ROWS]:
        one = figures[version_id]
        one.requests, one.images = one.requests + requests, one.images + images
        one.compared, one.agreed = one.compared + compared, one.agreed + agreed
        one.latencies = [a + b for a, b in zip(one.latencies, latencies, strict=False)]
    _add_accuracy(project, figures)
    return list(figures.values())


def _add_accuracy(project: Project, figures: dict[int, VersionFigures]) -> None:
    right, random = Q(is_correct=True), Q(reason=Reason.RANDOM)
    judged = Prediction.objects.filter(project=project).exclude(is_correct=None).values("version_id")
    counts = judged.annotate(
        n=Count("id"), right=Count("id", filter=right), n_random=Count("id", filter=random),
        right_random=Count("id", filter=right & random),
    )  # fmt: skip
    for row in counts:
        one = figures[row["version_id"]]
        one.judged, one.correct = row["n"], row["right"]
        one.judged_random, one.correct_random = row["n_random"], row["right_random"]


def accuracy_plot(project: Project) -> charts.Chart:
    """Share of right answers a day, by version, on images that the crowd labeled afterwards."""
    rows = (
        Prediction.objects.filter(project=project)
        .exclude(is_correct=None)
        .annotate(day=TruncDay("judged_at", tzinfo=UTC))
        .values_list("version__number", "day")
        .annotate(n=Count("id"), right=Count("id", filter=Q(is_correct=True)))
        .order_by("version__number", "day")
    )
    lines: dict[int, list[tuple[Any, float]]] = defaultdict(list)
    for number, day, n, right in rows:
        lines[number].append((day, right / n))
    title = _("Live accuracy by version")
    if len({day for line in lines.values() for day, _share in line}) < 2:  # the table says what one day's dots would
        return charts.line([], title=title)
    return charts.line(
        _series(project, lines), title=title, x_label=_("Day (UTC)"), x_format="time", y_format="percent",
        y_low=0.0, y_high=1.0, months=languages.months(),
        description=_("On images that the crowd labeled after the version had answered."),
    )  # fmt: skip


def _series(project: Project, lines: Mapping[int, list[tuple[Any, float]]]) -> list[charts.Series]:
    """A line a version: of those that serve, and of the newest of the others."""
    serving = set(ModelVersion.objects.filter(project=project).exclude(alias="").values_list("number", flat=True))
    shown = sorted(lines, key=lambda number: (number in serving, number))[-MOST_LINES:]
    return [charts.Series(_("Version %d") % number, lines[number]) for number in sorted(shown)]


def latency_plot(figures: list[VersionFigures]) -> charts.Chart:
    """Requests by how long they took, of the versions that answered."""
    edges = [f"≤ {edge * 1000:.0f}" for edge in BUCKETS] + [f"> {BUCKETS[-1] * 1000:.0f}"]
    serving_first = sorted(figures, key=lambda one: not one.version.alias)
    used = [one for one in serving_first if sum(one.latencies)][:3]
    total = np.sum([one.latencies for one in used], axis=0) if used else np.zeros(len(edges))
    last = int(np.flatnonzero(total)[-1]) + 1 if total.any() else 0
    return charts.columns(
        edges[:last], [(_("Version %d") % one.version.number, one.latencies[:last]) for one in used],
        title=_("Latency"), x_label=_("Milliseconds"), y_label=_("Requests"),
    )  # fmt: skip


def drift_days(project: Project) -> list[dict[str, Any]]:
    """What ``drift_plots`` draws, oldest day first, and what the alarm is given by."""
    since = timezone.now().date() - timedelta(days=DRIFT_DAYS)
    return [_drift(row) for row in _days(Drift.objects.filter(project=project, day__gte=since))]


def drift_now() -> dict[str, dict[str, Any]]:
    """By project, of the last day on which its champion was asked; none where that is before yesterday."""
    since = timezone.now().date() - timedelta(days=1)
    rows = Drift.objects.filter(day__gte=since, version__in=ModelVersion.objects.champions(), project__deleted_at=None)
    return {row["project__slug"]: _drift(row) for row in _days(rows)}


def _days(rows: QuerySet[Drift]) -> Iterable[dict[str, Any]]:
    """Oldest first. How many categories a version has is counted in the database, where they may be thousands."""
    names = ("project__slug", "version__number", "day", "images", "feature_distance", "feature_limit", "class_psi",
             "novel_share", "novel_limit")  # fmt: skip
    classes = Func(F("version__categories"), function="jsonb_array_length", output_field=IntegerField())
    return rows.order_by("day", "version").values(*names, "is_alarm", classes=classes)


def _drift(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": row["version__number"], "day": row["day"].isoformat(), "images": row["images"],
        "input_drift": row["feature_distance"] / max(row["feature_limit"], 1e-9), "input_alarm": FAR,
        "novel_share": row["novel_share"], "novel_alarm": row["novel_limit"],
        "class_drift": row["class_psi"], "class_alarm": psi_alarm(row["classes"], row["images"]),
        "is_alarm": row["is_alarm"],
    }  # fmt: skip


def drift_plots(project: Project) -> list[charts.Chart]:
    """Distance of each day's requests from the training images, in units of what chance alone reaches; and how many are
    novel and how far the classes' shares have moved, in units of where the alarm is: of few images chance moves them
    further.

    Each version was trained on images of its own: their days make a line each.
    """
    distances: dict[int, list[tuple[Any, float]]] = defaultdict(list)
    novel: dict[int, list[tuple[Any, float]]] = defaultdict(list)
    shares: dict[int, list[tuple[Any, float]]] = defaultdict(list)
    for row in drift_days(project):
        if row["images"] >= LEAST:  # a few images say nothing: no alarm looks at them, either
            at = datetime.fromisoformat(row["day"]).replace(tzinfo=UTC)
            distances[row["version"]].append((at, row["input_drift"]))
            if row["novel_share"] is not None:
                novel[row["version"]].append((at, row["novel_share"] / row["novel_alarm"]))
            shares[row["version"]].append((at, row["class_drift"] / row["class_alarm"]))
    return [
        charts.line(
            _series(project, distances), title=_("Input drift"), x_label=_("Day (UTC)"), x_format="time", y_low=0.0,
            months=languages.months(), reference=(FAR, _("Alarm")),
            description=_(
                "How far the day's images are from the training images, on days with at least %d; 1 is what chance"
                " alone reaches."
            ) % LEAST,
        ),
        charts.line(
            _series(project, novel), title=_("Strangers among the images"), x_label=_("Day (UTC)"), x_format="time",
            y_low=0.0, months=languages.months(), reference=(1.0, _("Alarm")),
            description=_(
                "How many of the day's images are unlike all training images, on days with at least %d; 1 is where the"
                " alarm is. It finds a few strangers that change no mean."
            ) % LEAST,
        ),
        charts.line(
            _series(project, shares), title=_("Class drift"), x_label=_("Day (UTC)"), x_format="time", y_low=0.0,
            months=languages.months(), reference=(1.0, _("Alarm")),
            description=_(
                "How much the shares of the predicted classes have moved, on days with at least %d images; 1 is where"
                " the alarm is."
            ) % LEAST,
        ),
    ]  # fmt: skip


def kept(project: Project) -> dict[str, Any]:
    """Counts of what was kept and what the model labeled, and how images of requests are named."""
    samples = Sample.objects.filter(project=project)
    return {
        "samples": samples.count(),
        "of_requests": samples.exclude(reason=Reason.WRONG).exists(),
        "named": Sample.NAMED,
        "auto_labels": AutoLabel.objects.filter(project=project, is_audit=False).count(),
    }
