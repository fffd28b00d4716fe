"""Files that nothing refers to any more leave the storage in the background, however often that is killed. Worker-side.

What may go is written down in the transaction that deletes the rows; a file is looked at again when its turn comes,
since files are content-addressed and an image may have come back meanwhile, here or in another project. A line of the
list goes after its file, so a kill in between only means that a file which is gone already is deleted again.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from botocore.exceptions import ClientError
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from labeling.importing import sources
from labeling.models import CategoryExample, DiscardedFile, Image, Job, Project
from labeling.upkeep import purging

logger = logging.getLogger(__name__)
BATCH = 300
# An import stores a file some time before its row: what was deleted a moment ago may be on its way back.
GRACE = timedelta(minutes=10)
VARIANTS = ("original", "display", "thumbnail")


def note_images(images: Iterable[Image]) -> None:
    """Write down the files of images that the caller's transaction deletes."""
    due = timezone.now() + GRACE
    names = [(getattr(image, variant), image.sha256) for image in images for variant in VARIANTS]
    rows = [DiscardedFile(name=name, sha256=sha256, due_at=due) for name, sha256 in names]
    DiscardedFile.objects.bulk_create(rows, batch_size=2000)


def note_examples(examples: QuerySet[CategoryExample]) -> None:
    """Write down the files of example pictures that the caller's transaction deletes."""
    due = timezone.now() + GRACE
    names = examples.values_list("file", flat=True)
    DiscardedFile.objects.bulk_create([DiscardedFile(name=name, due_at=due) for name in names], batch_size=2000)


def note_project(project: Project) -> None:
    """Write down the files of a project whose deletion the caller begins, but its images': those go with their rows."""
    jobs = list(Job.objects.filter(project=project).values_list("pk", "result__file"))
    names = [f"{sources.spool_folder(pk)}/" for pk, _file in jobs] + [file for _pk, file in jobs if file]
    names += CategoryExample.objects.filter(category__project=project).values_list("file", flat=True)
    DiscardedFile.objects.bulk_create([DiscardedFile(name=name) for name in names], batch_size=2000)


def run() -> int:
    """Delete the rows of deleted projects, and what is due; returns how many files are gone. Several share the work."""
    purging.run()
    gone = 0
    while (found := _batch()) is not None:
        gone += found
    return gone


def _batch() -> int | None:
    with transaction.atomic():
        due = DiscardedFile.objects.filter(due_at__lte=timezone.now()).order_by("due_at", "id")
        rows = list(due.select_for_update(skip_locked=True)[:BATCH])
        if not rows:
            return None
        kept = _referred(rows)
        names = sorted({row.name for row in rows} - kept)
        _delete(names)
        _delete_empty_folders(names)
        DiscardedFile.objects.filter(pk__in=[row.pk for row in rows]).delete()
    logger.info("%s files discarded, %s kept that are in use", len(names), len(rows) - len(names))
    return len(names)


def _referred(rows: Sequence[DiscardedFile]) -> set[str]:
    """Files of the same content that an image of any project still has, and those that an example still shows.

    Rows of a deleted project may be there longer than the list of its files: another process deletes its images.
    """
    found = Image.objects.filter(sha256__in={row.sha256 for row in rows if row.sha256}).values_list(*VARIANTS)
    shown = CategoryExample.objects.filter(
        file__in={row.name for row in rows if not row.sha256}, category__project__deleted_at=None
    )
    return {name for names in found for name in names}.union(shown.values_list("file", flat=True))


def _delete(names: Iterable[str]) -> None:
    """Spools as folders, the rest as files: of a bucket all in one request, where the store knows how."""
    files = []
    for name in names:
        if name.endswith("/"):
            sources.clean(PurePosixPath(name).name)
        else:
            files.append(name)
    bucket = getattr(default_storage, "bucket", None)  # asking for the class would load the AWS library everywhere
    if files and bucket is not None:
        files = _left_in(bucket, files)
    for name in files:
        default_storage.delete(name)


def _left_in(bucket: Any, names: list[str]) -> list[str]:
    """Delete up to BATCH files of boto3's bucket at once; returns those that are still there, to go one by one.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html (at most 1,000 keys a request)
    """
    folder = PurePosixPath(getattr(default_storage, "location", ""))
    keys = {(folder / name).as_posix(): name for name in names}
    try:
        answer = bucket.delete_objects(Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
    except ClientError as error:  # Google's and some older stores do not know this request
        logger.info("The store deletes files one by one: %s", error)
        return names
    return [keys[failed["Key"]] for failed in answer.get("Errors", [])]


def _delete_empty_folders(names: Iterable[str]) -> None:
    """Once for each folder, the deepest first: many files lie in few."""
    if isinstance(default_storage, FileSystemStorage):
        files = [PurePosixPath(name) for name in names if not name.endswith("/")]
        folders = {folder for file in files for folder in list(file.parents)[:-1]}
        for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):  # it holds something else
                default_storage.delete(folder.as_posix())
