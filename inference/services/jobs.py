"""Long work that a person starts here: predictions over many pictures, and downloads of a version."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import IO, Any, cast

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy

from inference import actors, batch
from inference.engine.routing import VersionRef, routes, version_ref
from inference.intake import limits
from labeling import jobs
from labeling.accounts import permissions
from labeling.errors import CrowdtuneError
from labeling.importing import archives, sources
from labeling.models import Job, Project
from labeling.text.words import gettext as _

jobs.KINDS.update(predict=gettext_lazy("Answers"), download=gettext_lazy("Making a download"))
DOWNLOADS = {"keras": "Keras", "saved_model": "TensorFlow SavedModel", "onnx": "ONNX", "litert": "LiteRT"}


def start_batch(
    *,
    project: Project,
    user: Any,
    output: str = "csv",
    excel: bool = False,
    stored: bool = False,
    files: Sequence[UploadedFile] = (),
    archive: UploadedFile | None = None,
    urls: Sequence[str] = (),
    prefix: str = "",
    s3: str = "",
    version: int | None = None,
    key: Any = None,
) -> Job:
    """Predict over one source: stored images, uploaded files, an archive, addresses, a storage prefix, or a bucket's.

    Whoever may ask the classifier may send many images at once. The answers for stored images tell the crowd's labels,
    and the last two are read with the platform's own rights: these three are for managers.

    Args:
        output: csv, jsonl or parquet.
        excel: The CSV begins with a byte-order mark, without which Excel takes names for another encoding's.
        stored: Every image of the project, with the crowd's label where there is one.
        prefix: Below ``inbox/<slug>/`` of the platform's storage (a folder, or an S3 bucket): nothing else is read.
        s3: ``s3://bucket/prefix``, of a bucket that the setting IMPORT_BUCKETS allows.
        version: Another version than the champion.
        key: What the request came with; the images count against its limits.

    Raises:
        CrowdtuneError: invalid, when not exactly one source is given or the format is unknown; no_champion.
        PermissionDenied, QuotaSpent: The source is not for this person; the key's limit is reached.
    """
    _check(output, stored=stored, files=files, archive=archive, urls=urls, prefix=prefix, s3=s3)
    job_id = uuid.uuid4()
    arguments: dict[str, Any] = {"format": output, "version": _version(project, version).number}
    if stored or prefix or s3:
        permissions.require(user, project, "manage")
    else:
        arguments["right"] = "predict"
        _spend(key, archive=archive, others=len(files) + len(urls))
    if stored:
        arguments["stored"] = True
    if excel:
        arguments["excel"] = True
    if prefix:
        arguments["prefix"] = _inbox(project, prefix)
    arguments |= sources.taken(job_id, files=files, archive=archive, urls=urls, s3=s3)
    return jobs.start(
        project=project,
        kind="predict",
        arguments=arguments,
        requested_by=user,
        actor=actors.predict_many,
        job_id=job_id,
        even_archived=True,
        once=stored,
    )


def _spend(key: Any, *, archive: UploadedFile | None, others: int) -> None:
    """Count the images against the key's limits before any work is done."""
    if not limits.is_limited(key):
        return
    count: int | None = others
    if archive is not None:
        archive.open()
        count = archives.count(cast("IO[bytes]", archive.file))
    if count is None:
        told = _(
            "This key's images are counted, and only at its end does this archive tell how many it has. Send a zip."
        )
        raise CrowdtuneError("invalid", told, field="archive")
    limits.spend(key, count)


def _check(output: str, **sources: Any) -> None:
    if sum(bool(value) for value in sources.values()) != 1:
        raise CrowdtuneError("invalid", _("Give exactly one of %(given)s.") % {"given": ", ".join(sources)})
    if output not in batch.WRITERS:
        raise CrowdtuneError(
            "invalid",
            _("The format is one of %(writers)s; got %(output)s.")
            % {"writers": ", ".join(batch.WRITERS), "output": repr(output)},
        )


def start_download(*, project: Project, user: Any, output: str, version: int | None = None) -> Job:
    """Make a download of a version in another framework's format; the job's result has its address.

    Raises:
        CrowdtuneError: invalid, an unknown format; no_champion; no_such_version.
    """
    if output not in DOWNLOADS:
        raise CrowdtuneError(
            "invalid",
            _("The format is one of %(downloads)s; got %(output)s.")
            % {"downloads": ", ".join(DOWNLOADS), "output": repr(output)},
        )
    arguments = {"format": output, "version": _version(project, version).number}
    return jobs.start(
        project=project,
        kind="download",
        arguments=arguments,
        requested_by=user,
        actor=actors.make_download,
        even_archived=True,
    )


def _version(project: Project, number: int | None) -> VersionRef:
    return version_ref(project.pk, number) if number is not None else routes.get(project.pk).standing()


def _inbox(project: Project, prefix: str) -> str:
    parts = PurePosixPath(prefix).parts
    if ".." in parts or prefix.startswith("/"):
        raise CrowdtuneError("invalid", _("The prefix is a path below the project's inbox, without `..`."))
    return f"inbox/{project.slug}/{'/'.join(part for part in parts if part != '.')}".rstrip("/")
