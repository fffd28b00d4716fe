"""Worker-side: many pictures through one version, into one file. Claimed and reported by ``labeling.jobs``.

The version is fixed when the job starts, so a promotion meanwhile does not split the file. Features of stored images
are read, not made again.
"""

from __future__ import annotations

import csv
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from django.core.files.storage import default_storage

from inference.engine import runtime
from inference.engine.routing import VersionRef, version_ref
from inference.errors import BadPicture, Busy
from inference.feedback.uncertainty import margin, uncertainty
from inference.intake.features import stored_features
from labeling.errors import CrowdtuneError
from labeling.files import storage
from labeling.importing import sources
from labeling.jobs import Report
from labeling.models import Image, Job
from labeling.text.cells import plain
from labeling.text.words import gettext as _

BATCH = 32
PAUSE = 0.2  # seconds
Row = dict[str, Any]
Columns = list[tuple[str, str]]  # name, and what Arrow calls its kind
Features = np.ndarray[Any, np.dtype[np.float32]]


def run(job: Job, report: Report) -> dict[str, Any]:
    """The work of a ``predict`` job; see ``labeling.jobs.run``."""
    version = version_ref(job.project_id, int(job.arguments["version"]))
    report.errors.clear()  # a second attempt begins anew
    report.result.clear()
    writer = WRITERS[job.arguments["format"]]
    total = _total(job)
    counts = {"images": 0}

    def counted() -> Iterator[Row]:
        for rows in _batches(job, version, report):
            counts["images"] += len(rows)
            done = counts["images"] / total if total else 0.5
            report.progress(min(done, 0.99), _("%(done)s images") % {"done": counts["images"]})
            yield from rows

    with storage.drafts(job.pk) as folder:
        path = folder / "predictions"
        writer(path, counted(), _columns(version))
        if {"s3", "archive"} & set(job.arguments) and not counts["images"] and not report.errors:
            raise sources.nothing_in(job.arguments)  # a prefix that is not spelled right, say
        name = storage.put_path(f"exports/{job.id}/predictions.{job.arguments['format']}", path)
    if "files" in job.arguments or "archive" in job.arguments:
        sources.clean(job.pk)
    return {"file": name, "url": storage.file_url(name), "images": counts["images"], "model_version": version.number}


def _total(job: Job) -> int | None:
    if "stored" in job.arguments:
        return Image.objects.filter(project=job.project_id).count()
    return None if {"prefix", "s3"} & set(job.arguments) else sources.size(job.arguments)


def _batches(job: Job, version: VersionRef, report: Report) -> Iterator[list[Row]]:
    if "stored" in job.arguments:
        yield from _stored(job, version, report)
    else:
        items = _items(job.arguments)
        while batch := list(itertools.islice(items, BATCH)):
            yield _answered(batch, version, report)


def _items(arguments: dict[str, Any]) -> Iterator[sources.Item]:
    """Named so that who asked can tell them apart: of many addresses the last part is often the same."""
    if "prefix" in arguments:
        return prefix_items(arguments["prefix"])
    items = sources.items(arguments)
    return (replace(item, name=item.where) for item in items) if "urls" in arguments else items


def _stored(job: Job, version: VersionRef, report: Report) -> Iterator[list[Row]]:
    """Every image of the project, by id."""
    trunk_key = runtime.engine().classifier(version).trunk_key
    last = 0
    while images := list(Image.objects.filter(project=job.project_id, id__gt=last).order_by("id")[: 8 * BATCH]):
        last = images[-1].pk
        try:
            features = _in_turn(partial(stored_features, trunk_key, images))
        except BadPicture:  # each by itself, or the others would be embedded again for each bad one
            images, features = _stored_apart(trunk_key, images, report)
        if images:
            yield _rows([(image.name, image.pk) for image in images], version, features)


def _stored_apart(trunk_key: str, images: list[Image], report: Report) -> tuple[list[Image], Features]:
    """The readable ones with their features; each of the others is one error of the job."""
    good: list[tuple[Image, Features]] = []
    for image in images:
        try:
            good.append((image, _in_turn(partial(stored_features, trunk_key, [image]))[0]))
        except BadPicture as error:
            report.error(image.name, error.code, error.why)
    return [image for image, _features in good], np.array([features for _image, features in good])


def prefix_items(prefix: str) -> Iterator[sources.Item]:
    """Files of the folder ``prefix`` in storage and of those below it, in the order of their names.

    Raises:
        CrowdtuneError: There is no such folder.
    """
    try:
        folders, files = default_storage.listdir(prefix)
    except (FileNotFoundError, NotADirectoryError):
        folders, files = [], []
    if not folders and not files:  # of a folder that is not there a bucket says that nothing is in it
        text = _("There is no folder %(folder)s in the platform's storage. Put the images there, then try again.")
        raise CrowdtuneError("no_such_folder", text % {"folder": prefix})
    yield from _below(prefix, folders, files)


def _below(prefix: str, folders: list[str], files: list[str]) -> Iterator[sources.Item]:
    for name in sorted(files):
        path = f"{prefix.rstrip('/')}/{name}"
        if PurePosixPath(name).suffix.lower() in sources.TAKEN:
            yield sources.Item(path, partial(storage.read, path))
    for folder in sorted(folders):
        path = f"{prefix.rstrip('/')}/{folder}"
        try:
            inside = default_storage.listdir(path)
        except OSError as error:  # what a disk keeps for itself, lost+found, say
            yield sources.Item(path, partial(_raise, error))
        else:
            yield from _below(path, *inside)


def _raise(error: OSError) -> bytes:
    raise error


def _answered(items: Sequence[sources.Item], version: VersionRef, report: Report) -> list[Row]:
    """The readable ones answered together; each of the others is one error of the job."""
    good: list[tuple[str, np.ndarray[Any, Any]]] = []
    engine = runtime.engine()
    trunk = engine.trunk(engine.classifier(version).trunk_key)
    for item in items:
        try:
            good.append((item.name, _in_turn(partial(engine.embed, trunk, [item.read()]))[0]))
        except BadPicture as error:
            report.error(item.name, error.code, error.why)
        except CrowdtuneError as error:
            report.error(item.name, error.code, error.message)
        except OSError as error:  # in a folder that others fill, and empty
            told = _("%(name)s cannot be read: %(error)s.")
            report.error(item.name, "missing", told % {"name": item.name, "error": error.strerror or error})
    if not good:
        return []
    return _rows([(name, None) for name, _features in good], version, np.stack([features for _name, features in good]))


def _in_turn(work: Callable[[], Features]) -> Features:
    """What other jobs of this process keep waiting is done after them: nobody is there to be told to try again."""
    while True:
        try:
            return work()
        except Busy:
            time.sleep(PAUSE)


def _rows(names: Sequence[tuple[str, int | None]], version: VersionRef, features: np.ndarray[Any, Any]) -> list[Row]:
    answer = runtime.engine().answer(version, features)
    margins = margin(answer.probabilities)
    unsure = uncertainty(answer.probabilities, margins)
    rows = []
    for number, (name, image_id) in enumerate(names):
        probabilities = answer.probabilities[number]
        best = int(probabilities.argmax())
        rows.append(
            {
                "image": name, "id": image_id, "category": answer.categories[best],
                "probability": float(probabilities[best]), "uncertainty": float(unsure[number]),
                "margin": float(margins[number]), "model_version": version.number,
                **{f"p:{key}": float(p) for key, p in zip(answer.categories, probabilities, strict=True)},
            }
        )  # fmt: skip
    return rows


def _columns(version: VersionRef) -> Columns:
    fixed = [
        ("image", "string"), ("id", "int64"), ("category", "string"), ("probability", "float64"),
        ("uncertainty", "float64"), ("margin", "float64"), ("model_version", "int32"),
    ]  # fmt: skip
    return fixed + [(f"p:{key}", "float64") for key in version.categories]


def _write_csv(path: Path, rows: Iterable[Row], columns: Columns) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [name for name, _type in columns])
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, "image": plain(row["image"]), "category": plain(row["category"])})


def _write_jsonl(path: Path, rows: Iterable[Row], _columns: Columns) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            json.dump(row, file, ensure_ascii=False)
            file.write("\n")


def _write_parquet(path: Path, rows: Iterable[Row], columns: Columns) -> None:
    # It takes 40 MB and a twentieth of the start: web processes, which start this work, must not import it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(columns)
    with pq.ParquetWriter(path, schema) as writer:
        iterator = iter(rows)
        while part := list(itertools.islice(iterator, 4096)):
            writer.write_table(pa.Table.from_pylist(part, schema=schema))


WRITERS: dict[str, Callable[[Path, Iterable[Row], Columns], None]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}
