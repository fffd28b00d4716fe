"""Images come into a project through a background job, and leave it with all that hangs on them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Count, F

from labeling import audit, jobs
from labeling.actors import import_images as import_actor
from labeling.actors import import_judgments as judgments_actor
from labeling.actors import import_labels as labels_actor
from labeling.collecting import marking
from labeling.errors import CrowdtuneError
from labeling.importing import ingest, labels, sources
from labeling.importing.known import READERS
from labeling.models import Departure, Image, Job, Judgment, Membership, Project, Task
from labeling.text.words import gettext as _
from labeling.upkeep import discarding


def import_images(
    *,
    project: Project,
    user: Any,
    files: Sequence[UploadedFile] = (),
    archive: UploadedFile | None = None,
    urls: Sequence[str] = (),
    folder: Path | None = None,
    s3: str = "",
    manifest: UploadedFile | None = None,
    labels_as: str = "gold",
    source: str = "",
    gold: Mapping[str, Any] | None = None,
) -> Job:
    """Start importing from one source: uploaded files, an archive, addresses, a manifest, or a prefix of a bucket.

    Uploads are moved into storage before the job starts. ``folder`` is for commands, never for what a request says.

    Args:
        s3: ``s3://bucket/prefix``, of a bucket that the setting IMPORT_BUCKETS allows.
        manifest: CSV or JSON Lines, see ``labeling.importing.manifest``; files or a zip may come with it.
        labels_as: What the manifest's labels are taken as, and ``source`` whose they are: see ``import_labels``.
        gold: Known answers by file name, as ``labeling.collecting.marking.normal`` reads them.

    Raises:
        CrowdtuneError: invalid, when not exactly one source is given; bad_gold; bucket_not_allowed.
    """
    _check_sources(files=files, archive=archive, urls=urls, folder=folder, s3=s3, manifest=manifest)
    _check_labels_as(labels_as)
    job_id = uuid.uuid4()
    arguments: dict[str, Any] = {"gold": marking.check(project, gold)} if gold else {}
    if folder:
        arguments["folder"] = str(folder)
    if manifest is not None:
        arguments |= {"labels_as": labels_as, "source": source or "manifest"}
    arguments |= sources.taken(job_id, files=files, archive=archive, urls=urls, s3=s3, manifest=manifest)
    return jobs.start(
        project=project,
        kind="import_images",
        arguments=arguments,
        requested_by=user,
        actor=import_actor,
        job_id=job_id,
    )


def _check_sources(**sources: Any) -> None:
    """One source; only a manifest may bring files or an archive with it."""
    given = [name for name, value in sources.items() if value]
    beside = [name for name in given if name not in {"files", "archive"}] if "manifest" in given else given
    if len(beside) != 1 or len(given) > 2:
        came = ", ".join(given) or "nothing"
        raise CrowdtuneError(
            "invalid",
            _(
                "Send one of: files, an archive (zip or tar), urls, s3, or a manifest (with files or "
                "a zip); got %(came)s."
            )
            % {"came": came},
        )


def _check_labels_as(labels_as: str) -> None:
    if labels_as not in labels.TAKES:
        takes = ", ".join(labels.TAKES)
        raise CrowdtuneError(
            "invalid",
            _("labels_as is one of %(takes)s; got %(labels_as)s.")
            % {"takes": takes, "labels_as": f"{labels_as!r:.40}"},
            field="labels_as",
        )


def import_judgments(*, project: Project, file: UploadedFile, user: Any) -> Job:
    """Start importing judgments made elsewhere from a CSV or JSONL file; see ``labeling.importing.judgments``."""
    job_id = uuid.uuid4()
    return jobs.start(
        project=project,
        kind="import_judgments",
        arguments={"file": sources.spool(job_id, file)},
        requested_by=user,
        actor=judgments_actor,
        job_id=job_id,
    )


def import_labels(
    *, project: Project, file: UploadedFile, form: str, take_as: str, source: str, user: Any, question: str = ""
) -> Job:
    """Start importing labels that exist already, about images that are in the project.

    Args:
        form: A key of ``labeling.importing.known.READERS``.
        take_as: ``gold`` (known answers), ``suggestions`` (shown beside the question), or ``judgments`` of ``source``.
        source: Whose labels these are.
        question: Which question they answer, where that is not plain.

    Raises:
        CrowdtuneError: invalid.
    """
    if form not in READERS or take_as not in labels.TAKES:
        formats, takes = ", ".join(READERS), ", ".join(labels.TAKES)
        raise CrowdtuneError(
            "invalid", _("format is one of %(formats)s; as is one of %(takes)s.") % {"formats": formats, "takes": takes}
        )
    job_id = uuid.uuid4()
    arguments = {"file": sources.spool(job_id, file), "format": form, "as": take_as, "source": source or form}
    return jobs.start(
        project=project,
        kind="import_labels",
        arguments={**arguments, "question": question},
        requested_by=user,
        actor=labels_actor,
        job_id=job_id,
    )


def add_images(*, project: Project, images: Mapping[str, bytes]) -> list[Image]:
    """Add a few pictures at once, by name, without a job; returns those that are new.

    Raises:
        ImageRefused: The first picture that cannot be taken; none is added then.
    """
    return ingest.add_rows(project, store_images(project=project, images=images))


def store_images(*, project: Project, images: Mapping[str, bytes]) -> list[Image]:
    """The slow half of ``add_images``: decode the pictures and store their files; ``add_stored`` makes rows of them.

    Raises:
        ImageRefused: The first picture that cannot be taken.
    """
    ready = []
    for name, data in images.items():
        item = ingest.prepare(project.pk, sources.Item(name, partial(bytes, data)))
        if item.error is not None:
            raise item.error
        ready.append(item.image)
    return [image for image in ready if image is not None]


def add_stored(*, project: Project, images: list[Image]) -> list[Image]:
    """Add what ``store_images`` stored; returns those that are new."""
    return ingest.add_rows(project, images)


def drop_stored(*, images: Sequence[Image]) -> None:
    """Let the files of what ``store_images`` stored go, unless an image has them by then."""
    discarding.note_images(images)


def delete_images(*, project: Project, ids: Sequence[int], user: Any) -> int:
    """Delete images with their tasks and judgments; files that no other image refers to go in the background."""
    with transaction.atomic():
        row = Project.objects.get(pk=project.pk)
        tasks = Task.objects.filter(project=row, image_id__in=list(ids))
        list(tasks.order_by("pk").select_for_update().values_list("pk"))  # before the project, as an answer does
        # Looked at under locks: of two who delete an image at once, one has found it.
        images = list(Image.objects.filter(project=row, pk__in=list(ids)).order_by("pk").select_for_update())
        if not images:
            return 0
        said = Judgment.objects.filter(task__in=tasks, withdrawn_at=None).order_by("worker_id")
        by_worker = list(said.values_list("worker_id").annotate(Count("id")))
        retired = tasks.filter(state=Task.State.RETIRED).count()
        count = tasks.count()
        discarding.note_images(images)
        Image.objects.filter(pk__in=[image.pk for image in images]).delete()
        for worker_id, number in by_worker:  # what they did stays theirs; after their leases are gone
            for record in (Membership, Departure):
                rows: Any = record.objects.filter(project=row, user_id=worker_id)
                rows.update(deleted_count=F("deleted_count") + number)
        Project.objects.filter(pk=row.pk).update(
            image_count=F("image_count") - len(images),
            task_count=F("task_count") - count,
            retired_count=F("retired_count") - retired,
            judgment_count=F("judgment_count") - sum(number for _worker, number in by_worker),
            answers_version=F("answers_version") + 1,
        )
        marking.count(row)
        audit.write(project=row, user=user, action="images_deleted", changes={"count": len(images)})
    return len(images)
