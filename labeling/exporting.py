"""An export job: rows from the database, a few hundred at a time, through a format into storage. Worker-side.

The file is written beside first and moved into storage when it is whole. A killed export starts anew.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, F, Func, Max, Value
from django.db.models.functions import Lower
from django.utils import timezone

from labeling.accounts import people
from labeling.collecting import workflow
from labeling.errors import CrowdtuneError
from labeling.export import FORMATS, ExportRefusedError, FilesOf, Header, Label, Question, Row, Said
from labeling.files import storage
from labeling.importing.known.imagefolder import SUFFIXES
from labeling.jobs import Report
from labeling.models import Consensus, Image, Job, Judgment, Project
from labeling.surveys import survey
from labeling.text.spellings import no_device
from labeling.text.words import gettext as _

CHUNK = 300
_SUFFIX = r"\.[^./]*$"
_UNSAFE = re.compile(r'[\x00-\x1f<>:"|?*\\]+')
_HIDING = re.compile(r"^\.+")
_DROPPED = re.compile(r"[ .]+$")  # by Windows
MOST_BYTES = 240  # of a name: file systems take 255, and the image's number may come before it


def safe_name(name: str) -> str:
    """A file's name with what no system's paths hold taken out, and the point at its start, which hides files."""
    name = no_device(_DROPPED.sub("_", _HIDING.sub("_", _UNSAFE.sub("_", name))))
    if len(name.encode()) <= MOST_BYTES:
        return name
    suffix = PurePosixPath(name).suffix[:10]  # a longer one is none
    return name.encode()[: MOST_BYTES - len(suffix.encode())].decode(errors="ignore") + suffix


def run(job: Job, report: Report) -> dict[str, Any]:
    """The work of an ``export`` job; see ``labeling.jobs.run``."""
    project = job.project
    chosen = FORMATS[job.arguments["format"]]
    header = header_of(project, job.arguments.get("options") or {})
    rows = Rows(project, header, report, chosen.files)
    with storage.drafts(job.pk) as folder:
        draft = folder / "draft"
        try:
            with draft.open("w+b") as file:
                chosen.write(header, rows, file)
        except ExportRefusedError as error:
            raise CrowdtuneError("cannot_export", error.args[0], 409) from error
        size = draft.stat().st_size
        stamp = timezone.now().strftime("%Y%m%d-%H%M%S")
        called = f"{project.slug}-{job.arguments['format']}-{stamp}.{chosen.extension}"
        name = storage.put_path(f"exports/{job.pk}/{called}", draft)
    return {"file": name, "bytes": size, "images": rows.images, "labeled": rows.labeled, "url": storage.file_url(name)}


def header_of(project: Project, options: dict[str, Any]) -> Header:
    asked = survey.current(project).questions
    questions = [
        Question(q.key, q.kind, q.prompt, ["yes", "no"] if q.kind == "yes_no" else _choices(q.options)) for q in asked
    ]
    return Header(project.slug, project.name, questions, timezone.now().isoformat(timespec="seconds"), options)


def _choices(options: dict[str, Any]) -> list[str]:
    return [choice["key"] for choice in options.get("choices", [])]


class Rows:
    """Called for a walk over the images that the project has now, in the order of their ids."""

    def __init__(self, project: Project, header: Header, report: Report, files: FilesOf = "") -> None:
        self.project = project
        self.report = report
        self.questions = {question.key for question in header.questions}
        self.final = bool(header.options.get("final"))
        self.images = self.labeled = 0
        self.files = files
        self.has_pictures = files == "name" or (files and header.with_images)
        # One that comes in meanwhile may be called as another one that is written already.
        self.last = Image.objects.filter(project=project).aggregate(last=Max("pk"))["last"] or 0
        called: Any = F("name")
        if files:  # Macs and Windows make no difference of cases, Macs none of spellings
            called = Lower(Func(called, function="normalize"))
        if files == "stem":
            called = Func(called, Value(_SUFFIX), Value(""), function="regexp_replace")
        same = Image.objects.filter(project=project).values(called=called).annotate(count=Count("id"))
        names = same.filter(count__gt=1).values_list(ArrayAgg("name", distinct=True), flat=True)
        self.repeated = {name for group in names for name in group}

    def __call__(self) -> Iterator[Row]:
        self.images = self.labeled = last = 0
        total = max(self.project.image_count, 1)
        images = Image.objects.filter(project=self.project, pk__lte=self.last).order_by("pk")
        while chunk := list(images.filter(pk__gt=last)[:CHUNK]):
            last = chunk[-1].pk
            yield from self._rows(chunk)
            self.report.progress(
                min(self.images / total, 0.99),
                _("%(done)s of %(total)s images") % {"done": self.images, "total": total},
            )

    def _rows(self, chunk: list[Image]) -> Iterator[Row]:
        ids = [image.pk for image in chunk]
        labels: dict[int, dict[str, Label]] = {}
        found = workflow.labels_of(self.project).filter(task__image__in=ids).select_related("question", "task")
        for row in (found.filter(is_final=True) if self.final else found).order_by("task_id", "id"):
            labels.setdefault(row.task.image_id, {})[row.question.key] = _label(row)
        said: dict[int, list[Said]] = {}
        judged = Judgment.objects.filter(task__image__in=ids, withdrawn_at=None).select_related("task", "worker")
        for judgment in judged.order_by("pk"):
            said.setdefault(judgment.task.image_id, []).append(_said(judgment))
        for image in chunk:
            self.images += 1
            self.labeled += image.pk in labels
            yield Row(
                image_id=image.pk,
                name=self._name(image),
                width=image.width,
                height=image.height,
                sha256=image.sha256,
                labels=labels.get(image.pk, {}),
                judgments=said.get(image.pk, ()),
                read=functools.partial(storage.read_original, image),
            )

    def _name(self, image: Image) -> str:
        """Safe as a path below any folder, and unlike every other of the project; of a row in a table, which is no
        file, as it is. What reads a folder of pictures passes over those that are not called like one.
        """
        parts = [part for part in image.name.split("/") if part not in {"", ".", ".."}]
        if self.files:
            parts = [safe_name(part) for part in parts]
        if self.has_pictures and parts and PurePosixPath(parts[-1]).suffix.lower() not in SUFFIXES:
            parts[-1] += PurePosixPath(image.original).suffix
        # Two names that differ in what a path cannot hold would be one file.
        if image.name in self.repeated or "/".join(parts) != image.name:
            parts = [*parts[:-1], f"{image.pk}-{parts[-1] if parts else 'image'}"]
        return "/".join(parts)


def _label(row: Consensus) -> Label:
    return Label(
        answer=row.answer,
        confidence=row.confidence,
        posterior=row.posterior,
        judgments=row.judgment_count,
        method=row.method,
        final=row.is_final,
        retired_because=row.task.retired_because,
    )


def _said(row: Judgment) -> Said:
    return Said(
        worker=people.name_of(row.worker),
        answers=row.answers,
        seconds=row.seconds,
        survey_version=row.survey_version,
        created_at=row.created_at.isoformat(),
        stage=row.task.stage,
        language=row.language,
    )
