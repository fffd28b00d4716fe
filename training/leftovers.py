"""What deleted projects and ended runs leave under DATA_DIR goes in the background, however often that is killed.

Worker-side. Labeling deletes a project and knows nothing of what training keeps for it, so that a project has versions
is written down with its first one, in a row that outlives the project and goes after its files. No version is deleted
for want of a row alone: a data folder that stands beside another database by mistake keeps its models. Checkpoints are
made again, so those of a run or comparison that is not under way any more go after a day.
"""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path

from django.conf import settings
from django.db.models import Exists, OuterRef

from labeling.models import Job, Project
from training import catalogue
from training.models import ProjectFiles, TrainingRun

logger = logging.getLogger(__name__)
DAY = 24 * 60 * 60


def note(project_id: int) -> None:
    """The project has files from now on; in the transaction that makes them."""
    ProjectFiles.objects.get_or_create(project_id=project_id)


def sweep() -> int:
    """Delete what nobody needs any more; returns how many folders are gone."""
    return _of_deleted_projects() + _checkpoints()


def _of_deleted_projects() -> int:
    gone = 0
    for row in ProjectFiles.objects.exclude(Exists(Project.objects.filter(pk=OuterRef("project_id")))):
        own = catalogue.folder().glob(f"{catalogue.CHAMPION}-{row.project_id}-*")
        if all(_delete(folder) for folder in (versions_folder(row.project_id), *own)):
            row.delete()
            gone += 1
    return gone


def _checkpoints() -> int:
    folder = settings.DATA_DIR / "runs"
    if not folder.is_dir():
        return 0
    runs = TrainingRun.objects.filter(state__in=["queued", "running"]).values_list("pk", flat=True)
    jobs = Job.objects.filter(kind="bake_off", state__in=["queued", "running"]).values_list("pk", flat=True)
    live = {*map(str, runs), *(f"bake-off-{pk}" for pk in jobs)}
    old = [path for path in folder.iterdir() if path.name not in live and path.stat().st_mtime < time.time() - DAY]
    return sum(_delete(path) for path in old)


def versions_folder(project_id: int) -> Path:
    return settings.DATA_DIR / "models" / str(project_id)


def _delete(folder: Path) -> bool:
    """Whether it is gone; what cannot be deleted now is tried again the next time."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
            logger.info("%s is gone", folder)
    except OSError as error:
        logger.warning("%s cannot be deleted: %s", folder, error)
        return False
    return True
