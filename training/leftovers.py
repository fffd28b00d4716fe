"""What deleted projects and ended runs leave under DATA_DIR goes in the background, however often that is killed.

Worker-side. Labeling deletes a project and knows nothing of what training keeps for it, so that a project has versions
is written down with its first one, in a row that outlives the project and goes after its files. No version is deleted
for want of a row alone: a data folder that stands beside another database by mistake keeps its models. Checkpoints are
made again, so those of a run or comparison that is not under way any more go after a day, and so does what a killed
process has left half written. What a layer sees in an image shows the image, so it goes with it.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import shutil
import time
from pathlib import Path

from django.conf import settings
from django.db.models import Exists, OuterRef

from labeling.models import Image, Job, Project
from training.models import ModelVersion, ProjectFiles, TrainingRun
from training.zoo import catalogue

logger = logging.getLogger(__name__)
DAY = 24 * 60 * 60
# What ``learning.files`` and the feature store write before they rename it.
HALF_WRITTEN = (
    "features/*/.*.tmp",
    "trunks/.*.tmp",
    "trunks/.*.old",
    "trunks/*/.*.tmp",
    "trunks/*/.*.old",
    "backbones/.*.tmp",
    "models/*/*/.*.tmp",
    "models/*/*/.*.old",
    "insights/*/*/*/.*.tmp",
)


def note(project_id: int) -> None:
    """The project has files from now on; in the transaction that makes them."""
    ProjectFiles.objects.get_or_create(project_id=project_id)


def sweep() -> int:
    """Delete what nobody needs any more; returns how many folders are gone."""
    return _of_deleted_projects() + _checkpoints() + _half_written() + _seen_in_deleted_images()


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
    runs = TrainingRun.objects.live().values_list("pk", flat=True)
    jobs = Job.objects.live().filter(kind="bake_off").values_list("pk", flat=True)
    live = {*map(str, runs), *(f"bake-off-{pk}" for pk in jobs)}
    return sum(_delete(path) for path in folder.iterdir() if path.name not in live and _is_old(path))


def _half_written() -> int:
    found = itertools.chain.from_iterable(settings.DATA_DIR.glob(pattern) for pattern in HALF_WRITTEN)
    return sum(_delete(path) for path in found if _is_old(path))


def _seen_in_deleted_images() -> int:
    """Of images and versions that are gone, in folders by trunk, image and version (training.features.insights)."""
    gone = 0
    for folder in list((settings.DATA_DIR / "insights").glob("*/*")):
        projects = Image.objects.filter(sha256=folder.name).values("project")
        alive = {str(pk) for pk in ModelVersion.objects.filter(project__in=projects).values_list("pk", flat=True)}
        gone += sum(_delete(path) for path in folder.iterdir() if path.name not in alive)
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()
    return gone


def _is_old(path: Path) -> bool:
    try:
        return path.stat().st_mtime < time.time() - DAY
    except FileNotFoundError:  # it got its name meanwhile
        return False


def versions_folder(project_id: int) -> Path:
    return settings.DATA_DIR / "models" / str(project_id)


def _delete(folder: Path) -> bool:
    """Whether it is gone; what cannot be deleted now is tried again the next time."""
    try:
        if folder.is_file():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
            logger.info("%s is gone", folder)
    except OSError as error:
        logger.warning("%s cannot be deleted: %s", folder, error)
        return False
    return True
