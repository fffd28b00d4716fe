"""What is imported, an empty project to import it into, and what came of it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from labeling import services
from labeling.importing import bucket, ingest
from labeling.importing.known import READERS, Files
from labeling.jobs import Report
from labeling.models import Job, Project
from tests.s3 import s3_service

Import = Callable[..., Job]


def packed(members: Mapping[str, bytes | str]) -> bytes:
    """A zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def zipped(members: Mapping[str, bytes | str]) -> SimpleUploadedFile:
    return SimpleUploadedFile("pictures.zip", packed(members))


def read(form: str, data: bytes, name: str = "labels.zip") -> list[Any]:
    """All that the format's reader finds in the file."""
    return list(READERS[form](Files(io.BytesIO(data), name)))


def refused(job: Job) -> dict[str, str]:
    return {row["item"]: row["code"] for row in job.errors}


@pytest.fixture
def empty(make_project: Callable[..., Project]) -> Project:
    return make_project(images=0)


@pytest.fixture
def bring(empty: Project, run_actors: Callable[[], int]) -> Import:
    """Import something into the empty project and return the job as it ended."""

    def run(**source: Any) -> Job:
        job = services.import_images(project=empty, user=empty.owner, **source)
        run_actors()
        job.refresh_from_db()
        return job

    return run


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    """The progress and the words of each checkpoint of imports, of one file each."""
    seen: list[tuple[float, str]] = []
    as_it_is = Report.checkpoint

    def checkpoint(self: Report, fraction: float, message: str = "") -> None:
        as_it_is(self, fraction, message)
        self.job.refresh_from_db(fields=["progress", "message"])
        seen.append((round(self.job.progress, 2), str(self.job.message)))

    monkeypatch.setattr(Report, "checkpoint", checkpoint)
    monkeypatch.setattr(ingest, "BATCH", 1)
    return seen


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """boto3's client of an empty service."""
    with s3_service(monkeypatch):
        bucket._stored.cache_clear()
        yield bucket.client("photos")
        bucket._stored.cache_clear()


@pytest.fixture
def bring_labels(run_actors: Callable[[], int]) -> Import:
    """Import labels (or judgments, without a format) and return the job as it ended."""

    def run(project: Project, data: bytes, form: str = "", name: str = "labels") -> Job:
        file = SimpleUploadedFile(name, data)
        if form:
            values: dict[str, Any] = {"form": form, "take_as": "gold", "source": "them"}
            job = services.import_labels(project=project, file=file, user=project.owner, **values)
        else:
            job = services.import_judgments(project=project, file=file, user=project.owner)
        run_actors()
        job.refresh_from_db()
        return job

    return run


def yolo(*names: str) -> bytes:
    return packed({"data.yaml": "names: [cat, dog]", **dict.fromkeys(names, "1 0.5 0.5 0.2 0.4")})
