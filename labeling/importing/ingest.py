"""An import job: each file becomes an image and its task, once, however often the job is killed. Worker-side.

Files are decoded and stored in batches, outside of any transaction; then rows, counters, errors and the position
reached are written in one. A killed import goes on after the last batch, and a file that it had stored already has the
same content under the same name.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F

from labeling.collecting import marking, tasks
from labeling.consensus import fitting
from labeling.errors import CrowdtuneError, JobLost
from labeling.files import imaging, storage
from labeling.importing import labels, sources
from labeling.importing.said import Said
from labeling.jobs import Report
from labeling.models import Image, Job, Project
from labeling.text.words import gettext as _

OF_LABELS = {".json", ".jsonl", ".ndjson", ".xml", ".csv", ".txt", ".yaml", ".yml", ".parquet"}
BATCH = 24
BATCH_BYTES = 48 * 2**20
THREADS = 2
MOST_SAME = 100  # files whose images were there already: so many are told by name, of all it is told how many
# What this process does, with their ids, once somebody has imported images that the project had already: other rooms
# keep images for a while only, unless somebody wants them.
IMPORTED_AGAIN: list[Callable[[Sequence[int]], None]] = []


@dataclass(frozen=True)
class Ready:
    """A decoded and stored file, or why it was refused."""

    item: sources.Item
    image: Image | None
    error: CrowdtuneError | None = None


def run(job: Job, report: Report) -> dict[str, Any]:
    """The work of an import job; see ``labeling.jobs.run``."""
    arguments = job.arguments
    position = int(report.result.get("position", 0))
    counted = ("imported", "duplicates", *(("labels",) if "manifest" in arguments else ()))
    counts = {name: int(report.result.get(name, 0)) for name in counted}
    waiting = sources.items(arguments, position, str(report.result.get("cursor", "")))
    said = Said(job.pk, position if "manifest" in arguments else 0)
    try:
        total = sources.size(arguments)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="import") as pool:
            for batch in batches(waiting):
                ready = list(pool.map(lambda item: prepare(job.project_id, item), batch))
                position += len(batch)
                with transaction.atomic(), discarded_with_the_project(ready):
                    _write(job.project, ready, arguments, counts, report, said)
                    said.keep(position)
                    report.result.update(counts, position=position)
                    if batch[-1].cursor:
                        report.result["cursor"] = batch[-1].cursor
                    report.checkpoint(position / total if total else batch[-1].share, _files(position, total))
    except CrowdtuneError as error:  # the archive, the bucket or the list as a whole
        report.error(sources.called(arguments), error.code, error.message)
        if "s3" in arguments or (not counts["imported"] and not counts["duplicates"]):
            raise
    if counts.get("labels"):
        fitting.settle(job.project_id, report.progress)
    sources.clean(job.pk)
    if not position:
        raise sources.nothing_in(arguments)
    _report_gold(arguments, report)
    if not counts["imported"] and not counts["duplicates"]:
        told = _("None of the files could be taken: see what was refused, and why.")
        raise CrowdtuneError("nothing_taken", told)
    return {**counts, "refused": report.result.get("refused", 0)}


def _files(done: int, total: int | None) -> str:
    if total:
        return _("%(done)s of %(total)s files") % {"done": done, "total": total}
    return _("%(done)s files") % {"done": done}


def _name_in(gold: Mapping[str, Any], item: sources.Item) -> str:
    """The file's name, or the whole address or key that it came from, where ``gold`` knows it by that."""
    return item.where if item.where and marking.key_of(gold, item.where) else item.name


def _report_gold(arguments: dict[str, Any], report: Report) -> None:
    """Say which names of the gold list belonged to no file; a file that was refused is told of already."""
    came = set(report.result.pop("gold_files", ()))
    for name in sorted((arguments.get("gold") or {}).keys() - came):
        message = _("No file of this name came in: correct the name, and send the file with its answer again.")
        report.error(name, "unknown_image", message)


@contextlib.contextmanager
def discarded_with_the_project(ready: Iterable[Ready]) -> Iterator[None]:
    """Where the project was deleted meanwhile, the files of this batch have no row that would tell of them."""
    try:
        yield
    except Project.DoesNotExist as error:
        for image in (one.image for one in ready if one.image is not None):
            for name in (image.original, image.display, image.thumbnail):
                default_storage.delete(name)
        raise JobLost from error


def batches(items: Iterable[sources.Item]) -> Iterator[list[sources.Item]]:
    """At most BATCH items and about BATCH_BYTES of what they hold in memory; what breaks comes after what was whole."""
    batch: list[sources.Item] = []
    broken: CrowdtuneError | None = None
    try:
        for item in items:
            batch.append(item)
            if len(batch) >= BATCH or sum(one.size for one in batch) >= BATCH_BYTES:
                yield batch
                batch = []
    except CrowdtuneError as error:
        broken = error
    if batch:
        yield batch
    if broken is not None:
        raise broken


def prepare(project_id: int, item: sources.Item) -> Ready:
    """Read, decode and store one file."""
    try:
        data = item.read()
        prepared = imaging.prepare(data)
    except CrowdtuneError as error:
        is_of_labels = error.code == "not_an_image" and PurePosixPath(item.name).suffix.lower() in OF_LABELS
        return Ready(item, None, _no_picture() if is_of_labels else error)
    except FileNotFoundError:
        return Ready(item, None, CrowdtuneError("missing", _("The file is not there any more; send it again.")))
    sha256 = hashlib.sha256(data).hexdigest()
    names = {
        "original": storage.image_name(project_id, sha256, "original", prepared.extension),
        "display": storage.image_name(project_id, sha256, "display", "jpg"),
        "thumbnail": storage.image_name(project_id, sha256, "thumbnail", "jpg"),
    }
    for variant, content in (("original", data), ("display", prepared.display), ("thumbnail", prepared.thumbnail)):
        storage.put(names[variant], content)
    image = Image(
        project_id=project_id,
        sha256=sha256,
        name=item.name[-300:],
        width=prepared.width,
        height=prepared.height,
        byte_count=len(data),
        metadata=dict(item.metadata),
        **names,
    )
    return Ready(item, image)


def _no_picture() -> CrowdtuneError:
    """What is said of the labels that a data set has beside its pictures."""
    told = _("This is no picture. If it holds labels, send it, or its zip, on the Labels page under “Bring in labels”.")
    return CrowdtuneError("not_an_image", told)


def _write(
    project: Project,
    ready: Sequence[Ready],
    arguments: dict[str, Any],
    counts: dict[str, int],
    report: Report,
    said: Said,
) -> None:
    good: dict[str, Image] = {}
    same: list[tuple[str, str]] = []  # files that are images which another file brought in, by their hash
    for one in ready:
        if one.error is not None:
            report.error(one.item.where or one.item.name, one.error.code, one.error.message)
        elif one.image is not None and one.image.sha256 in good:
            same.append((one.item.name, one.image.sha256))
        elif one.image is not None:
            good[one.image.sha256] = one.image
    there = list(Image.objects.filter(project=project, sha256__in=list(good)).values_list("pk", flat=True))
    if there:
        # What is said of images that are there already is written to their tasks, and who deletes such an image, or
        # what another room keeps of it, holds its tasks: they come before the project's row.
        tasks.hold(images=there, project_id=project.pk)
    new = add_rows(project, list(good.values()))
    counts["imported"] += len(new)
    added = {image.sha256 for image in new}
    same += [(image.name, sha256) for sha256, image in good.items() if sha256 not in added]
    counts["duplicates"] += len(same)
    _name_same(project, same, report)
    if there:
        for tell in IMPORTED_AGAIN:
            tell(there)
    if gold := arguments.get("gold"):
        names = [_name_in(gold, one.item) for one in ready]
        came = {marking.key_of(gold, name) for name in names} - {None}
        report.result["gold_files"] = [*{*report.result.get("gold_files", ()), *came}]
        files = [(name, one.image.sha256) for name, one in zip(names, ready, strict=True) if one.image is not None]
        marking.mark_by_name(project=project, files=files, gold=gold, report=report.error)
    if "manifest" in arguments:
        told = [(one.item, one.image.sha256) for one in ready if one.image is not None]
        counts["labels"] += _write_told(project, told, arguments, report, said)


def _name_same(project: Project, same: list[tuple[str, str]], report: Report) -> None:
    """Tell of the first of these files, by name, which image each is: it was there already."""
    told = report.result.get("same", [])
    if shown := same[: max(MOST_SAME - len(told), 0)]:
        rows = Image.objects.filter(project=project, sha256__in=[sha256 for _name, sha256 in shown])
        there = {row.sha256: row for row in rows.only("pk", "sha256", "name")}
        found = [(name, there[sha256]) for name, sha256 in shown if sha256 in there]
        report.result["same"] = [*told, *({"file": name, "image": row.pk, "name": row.name} for name, row in found)]


def _write_told(
    project: Project,
    told: list[tuple[sources.Item, str]],
    arguments: dict[str, Any],
    report: Report,
    said: Said,
) -> int:
    """What the manifest says of these images, also of those that were there before; returns how many labels."""
    there = {row.sha256: row for row in Image.objects.filter(project=project, sha256__in=[key for _, key in told])}
    changed = []
    for item, sha256 in told:
        if item.metadata and there[sha256].metadata != item.metadata:
            there[sha256].metadata = dict(item.metadata)
            changed.append(there[sha256])
    Image.objects.bulk_update(changed, ["metadata"])
    labeled = [(item.where, there[sha256], item.label) for item, sha256 in told if item.label is not None]
    ready = labels.of_images(project, labeled, arguments["labels_as"], report, said)
    taken = labels.TAKES[arguments["labels_as"]](project, ready, arguments, report) if ready else {}
    return taken.get("imported", 0) + taken.get("added", 0)


def add_rows(project: Project, images: list[Image]) -> list[Image]:
    """Insert the images that the project does not have, each with its first task; returns them."""
    stage = tasks.first_stage(project)
    with transaction.atomic():
        # The project's row is the lock: two imports that bring the same bytes come one after the other.
        row = Project.objects.select_for_update().get(pk=project.pk)
        there = set(
            Image.objects.filter(project=project, sha256__in=[i.sha256 for i in images]).values_list(
                "sha256", flat=True
            )
        )
        new = Image.objects.bulk_create([image for image in images if image.sha256 not in there])
        made = tasks.open_for_all(images=new, project=row, stage=stage)
        if new:
            Project.objects.filter(pk=project.pk).update(
                image_count=F("image_count") + len(new), task_count=F("task_count") + made
            )
    return new
