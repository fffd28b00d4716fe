"""Worker-side: many pictures through one version, into one file. Claimed and reported by ``labeling.jobs``.

The version is fixed when the job starts, so a promotion meanwhile does not split the file. Features of stored images
are read, not made again. A project's own images stand there with the crowd's labels: one table that answers for each.
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
from labeling.models import Consensus, Image, Job, Question, Task
from labeling.text.cells import plain
from labeling.text.words import gettext as _
from training.models import ModelVersion
from training.snapshots.labels import category_of

BATCH = 32
PAUSE = 0.2  # seconds
CROWD, MODEL = "crowd", "model"  # who has answered for an image
Row = dict[str, Any]
Columns = list[tuple[str, str]]  # name, and what Arrow calls its kind
Features = np.ndarray[Any, np.dtype[np.float32]]


def run(job: Job, report: Report) -> dict[str, Any]:
    """The work of a ``predict`` job; see ``labeling.jobs.run``."""
    version = version_ref(job.project_id, int(job.arguments["version"]))
    report.errors.clear()  # a second attempt begins anew
    report.result.clear()
    writer = WRITERS[job.arguments["format"]]
    if writer is _write_csv and job.arguments.get("excel"):
        writer = partial(_write_csv, encoding="utf-8-sig")
    total = _total(job)
    is_own = "stored" in job.arguments
    counts = {"images": 0, "labels": 0} if is_own else {"images": 0}

    def counted() -> Iterator[Row]:
        for rows in _batches(job, version, report):
            counts["images"] += len(rows)
            if is_own:
                counts["labels"] += sum(row["answered_by"] == CROWD for row in rows)
            done = counts["images"] / total if total else 0.5
            report.progress(min(done, 0.99), _("%(done)s images") % {"done": counts["images"]})
            yield from rows

    with storage.drafts(job.pk) as folder:
        path = folder / "predictions"
        writer(path, counted(), _columns(version, is_own=is_own))
        if {"s3", "archive"} & set(job.arguments) and not counts["images"] and not report.errors:
            raise sources.nothing_in(job.arguments)  # a prefix that is not spelled right, say
        called = f"{job.project.slug}-answers" if is_own else "predictions"
        name = storage.put_path(f"exports/{job.id}/{called}.{job.arguments['format']}", path)
    if "files" in job.arguments or "archive" in job.arguments:
        sources.clean(job.pk)
    return {"file": name, "url": storage.file_url(name), **counts, "model_version": version.number}


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
    """Every image of the project, by id, also one that cannot be read: the crowd may have labeled it before."""
    trunk_key = runtime.engine().classifier(version).trunk_key
    learned = ModelVersion.objects.select_related("run__snapshot__question").get(pk=version.id)
    question = learned.run.snapshot.question
    last = 0
    while images := list(Image.objects.filter(project=job.project_id, id__gt=last).order_by("id")[: 8 * BATCH]):
        last = images[-1].pk
        readable = images
        try:
            features = _in_turn(partial(stored_features, trunk_key, images))
        except BadPicture:  # each by itself, or the others would be embedded again for each bad one
            there = set(Image.objects.filter(pk__in=[image.pk for image in images]).values_list("pk", flat=True))
            images = [image for image in images if image.pk in there]  # without those deleted just now
            readable, features = _stored_apart(trunk_key, images, report)
        names = [(image.name, image.pk) for image in readable]
        yield _answers(images, question, _rows(names, version, features) if names else [])


def _answers(images: Sequence[Image], question: Question, said: Sequence[Row]) -> list[Row]:
    """A row for each image: the crowd's label once it is final, else what the version said, if it could.

    What a version has labeled is no word of the crowd.
    """
    # By the keys of tasks alone: with the project, all its labels may be read for each of these few images anew.
    tasks = dict(Task.objects.filter(image__in=[image.pk for image in images]).values_list("pk", "image_id"))
    final = Consensus.objects.filter(task__in=list(tasks), question=question, is_final=True).asked(question.project)
    rows = final.exclude(method="model").order_by("task_id").values_list("task_id", "answer", "confidence")
    labels = {tasks[pk]: (category_of(answer), sure, CROWD) for pk, answer, sure in rows if answer is not None}
    of_model = {row["id"]: row for row in said}
    found = []
    for image in images:
        row = of_model.get(image.pk, {})
        answer = (row["category"], row["probability"], MODEL) if row else (None, None, None)
        answer = labels.get(image.pk, answer)
        own = {"image": image.name, "id": image.pk, "question": question.key}
        found.append({**row, **own, **dict(zip(("answer", "certainty", "answered_by"), answer, strict=True))})
    return found


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


def _columns(version: VersionRef, *, is_own: bool) -> Columns:
    own = [("question", "string"), ("answer", "string"), ("certainty", "float64"), ("answered_by", "string")]
    said = [
        ("category", "string"), ("probability", "float64"), ("uncertainty", "float64"), ("margin", "float64"),
        ("model_version", "int32"),
    ]  # fmt: skip
    shares = [(f"p:{key}", "float64") for key in version.categories]
    return [("image", "string"), ("id", "int64"), *(own if is_own else []), *said, *shares]


def _write_csv(path: Path, rows: Iterable[Row], columns: Columns, encoding: str = "utf-8") -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, [name for name, _type in columns])
        writer.writeheader()
        for row in rows:
            words = {name: plain(row[name]) for name in ("image", "category", "answer") if row.get(name)}
            writer.writerow({**row, **words})


def _write_jsonl(path: Path, rows: Iterable[Row], columns: Columns) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            json.dump({name: row.get(name) for name, _type in columns}, file, ensure_ascii=False)
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
