"""Worker-side: what closes the loop between two trainings, a few seconds a project, again and again."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from inference.feedback import autolabel, predictions, sampling
from inference.models import Deployment, Drift, Traffic
from inference.monitoring import drift, stored_reference, traffic
from inference.monitoring.drift import Moments
from labeling.errors import CrowdtuneError
from labeling.models import Project
from labeling.text.words import gettext as _
from training.models import ModelVersion, TrainingRun
from training.services import report_drift
from training.versions.champions import champion_of

logger = logging.getLogger(__name__)
KEEP_TRAFFIC = timedelta(days=14)


def served_projects() -> list[int]:
    """Projects that have a champion."""
    live = ModelVersion.objects.champions().filter(project__deleted_at=None)
    return list(live.order_by("project_id").values_list("project_id", flat=True))


def close_all() -> None:
    """Each project in turn, whatever another one's comes to."""
    for project_id in served_projects():
        try:
            close(project_id)
        except Exception:
            logger.exception("project %s: its loop could not be closed", project_id)


def close(project_id: int) -> None:
    """Measure, label and audit, look for drift, forget. One part's refusal does not keep the others from theirs.

    Of an archived project what was kept from requests goes still when its time is over, and nothing else is done.

    Nothing where another worker is at it: two who draw an audit at once would each label what the other one has drawn.
    """
    with _alone(project_id) as is_mine:
        if not is_mine:
            return
        project = Project.objects.get(pk=project_id)
        rests = project.archived_at is not None
        for part in (_forget,) if rests else (_judge, autolabel.step, _look_for_drift, _forget):
            try:
                part(project)
            except CrowdtuneError as error:
                logger.warning("project %s: %s", project_id, error.message)


@contextmanager
def _alone(project_id: int) -> Iterator[bool]:
    """Whether nobody else holds the project's loop; a lock of the database's session, which ends with its process."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('inference.loop'), %s)", [project_id])
        is_mine = bool(cursor.fetchone()[0])
    try:
        yield is_mine
    finally:
        if is_mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtext('inference.loop'), %s)", [project_id])


def _judge(project: Project) -> None:
    predictions.judge(project.pk)


def _forget(project: Project) -> None:
    sampling.forget_old(project=project)
    Traffic.objects.filter(project=project, at__lt=timezone.now() - KEEP_TRAFFIC).delete()
    traffic.compact(project.pk, timezone.now())


def _look_for_drift(project: Project) -> None:
    """The champion's requests of today, against its training images. A day of drift brings one run nearer, not each."""
    version = champion_of(project)
    now = timezone.now()
    if version is None:
        return
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = Traffic.objects.filter(version=version, at__gte=midnight)
    if not rows.exists():
        return
    row = measure_drift(version, rows, now)
    deployment = Deployment.objects.filter(pk=project.pk).first()
    if row is None or not row.is_alarm or deployment is None or not deployment.drift_trains:
        return
    if not TrainingRun.objects.filter(project=project, cause="drift", created_at__gte=midnight).exists():
        report_drift(
            project=project,
            reason=_("The images asked about today are unlike those learned (%(count)s).") % {"count": row.images},
        )


def measure_drift(version: ModelVersion, rows: QuerySet[Traffic], now: datetime) -> Drift | None:
    """The day's row, computed anew where its traffic has grown; None without a summary of the training images.

    What chance reaches costs 200 draws, so it is taken over where it cannot be another: between two looks at a project
    that nobody asked, and beyond the images that a draw has at most.
    """
    reference = stored_reference.ensure_reference(version)
    if reference is None:
        return None
    today, classes = Moments(), Counter[str]()
    for moments, counts in rows.values_list("moments", "classes"):
        today.merge(Moments.from_json(moments))
        classes.update(counts)
    if not today.count:
        return None
    before = Drift.objects.filter(version=version, day=now.date()).first()
    if before is not None and before.images == today.count:
        return before
    training = Moments()
    training.add(reference.drawn)
    distance = drift.distance(today, training)
    if before is not None and before.images >= drift.MOST_DRAWN:
        limit = before.feature_limit
    else:
        limit = drift.chance_limit(reference.drawn, today.count)
    index = drift.psi(reference.class_shares.tolist(), [classes[key] for key in version.categories])
    novel = today.novel / today.looked if today.looked >= drift.LEAST else None
    novel_limit = drift.novel_limit(len(reference.points), today.looked)
    has_moved = (
        distance > drift.FAR * limit
        or (novel is not None and novel > novel_limit)
        or index > drift.psi_alarm(len(version.categories), today.count)
    )
    is_alarm = today.count >= drift.LEAST and has_moved
    row, _created = Drift.objects.update_or_create(
        version=version, day=now.date(),
        defaults={
            "project_id": version.project_id, "images": today.count, "feature_distance": distance,
            "feature_limit": limit, "novel_share": novel, "novel_limit": novel_limit, "class_psi": index,
            "is_alarm": is_alarm,
        },
    )  # fmt: skip
    return row
