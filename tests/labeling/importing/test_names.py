"""Which picture of the project a line of a file is about, and names that no picture has."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from labeling import services
from labeling.models import Gold, Job, Judgment, Project
from tests.labeling.conftest import picture

pytestmark = pytest.mark.django_db
Bring = Callable[..., Job]


@pytest.fixture
def bring(run_actors: Callable[[], int]) -> Bring:
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
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.yaml", "names: [cat, dog]")
        for name in names:
            archive.writestr(name, "1 0.5 0.5 0.2 0.4")
    return buffer.getvalue()


@pytest.mark.parametrize("label", ["labels/train/a.txt", "train/labels/a.txt"])
@pytest.mark.parametrize("image", ["images/train/a.png", "train/images/a.png", "train/a.png", "a.png"])
def test_labels_of_a_split_find_the_pictures_of_it(
    make_project: Callable[..., Project], bring: Bring, label: str, image: str
) -> None:
    project = make_project(images=0, questions=[{"key": "box", "kind": "boxes", "prompt": "Where?"}])
    services.add_images(project=project, images={image: picture(1)})
    job = bring(project, yolo(label), "yolo")
    assert (job.state, job.errors) == ("succeeded", [])
    assert Gold.objects.get().answers["box"][0]["category"] == "dog"


def test_labels_of_another_split_are_about_no_picture(make_project: Callable[..., Project], bring: Bring) -> None:
    project = make_project(images=0, questions=[{"key": "box", "kind": "boxes", "prompt": "Where?"}])
    services.add_images(project=project, images={"images/train/a.png": picture(1)})
    job = bring(project, yolo("labels/val/a.txt"), "yolo")
    assert [row["code"] for row in job.errors] == ["unknown_image"]


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("csv", b"image,answer\n0000\0.png,cat\n0000.png,cat\n"),
        ("jsonl", b'{"image": "a\\u0000", "answer": "cat"}\n{"image": "0000.png", "answer": "cat"}\n'),
        ("jsonl", b'{"image": "\\ud800", "answer": "cat"}\n{"image": "0000.png", "answer": "cat"}\n'),
    ],
)
def test_a_label_of_a_name_that_no_database_stores_is_told_and_the_next_is_taken(
    make_project: Callable[..., Project], bring: Bring, form: str, data: bytes
) -> None:
    job = bring(make_project(images=1), data, form)
    assert job.state == "succeeded", job.message
    assert [row["code"] for row in job.errors] == ["unknown_image"]
    assert Gold.objects.count() == 1


@pytest.mark.parametrize(
    "line",
    [
        '{"image": "\\u00b2", "worker": "ann", "answer": "cat"}',
        '{"image": "a\\u0000", "worker": "ann", "answer": "cat"}',
        '{"image": "0000.png", "worker": "\\ud800", "answer": "cat"}',
        '{"image": "0000.png", "worker": "a\\u0000", "answer": "cat"}',
        '{"image": ' + "[" * 100_000,
        '{"image": ' + "9" * 5000 + ', "worker": "ann", "answer": "cat"}',
    ],
)
def test_a_judgment_that_cannot_be_stored_is_told_and_the_next_is_taken(
    make_project: Callable[..., Project], bring: Bring, line: str
) -> None:
    good = '{"image": "0000.png", "worker": "ann", "answer": "cat"}\n'
    job = bring(make_project(images=1), f"{good[:-1]}\n{line}\n".encode())
    assert job.state == "succeeded", job.message
    assert [row["item"] for row in job.errors] == ["line 2"]
    assert Judgment.objects.count() == 1


ENDLESS = '"' + "a" * 1_100_000 + '"'


def test_a_field_without_end_is_told_by_its_line_and_the_next_is_taken(
    make_project: Callable[..., Project], bring: Bring
) -> None:
    text = f"image,worker,answer\n{ENDLESS},ann,cat\n0000.png,ann,cat\n"
    job = bring(make_project(images=1), text.encode())
    assert (job.state, [row["item"] for row in job.errors]) == ("succeeded", ["line 2"])
    assert "quotation mark" in job.errors[0]["message"]
    assert Judgment.objects.count() == 1


def test_a_label_without_end_is_told_by_its_line_and_the_next_is_taken(
    make_project: Callable[..., Project], bring: Bring
) -> None:
    job = bring(make_project(images=1), f"image,answer\n{ENDLESS},cat\n0000.png,cat\n".encode(), "csv")
    assert (job.state, [row["item"] for row in job.errors]) == ("succeeded", ["labels, line 2"])
    assert Gold.objects.count() == 1


@pytest.mark.parametrize("form", ["", "csv"])
def test_a_header_without_end_fails_in_words(make_project: Callable[..., Project], bring: Bring, form: str) -> None:
    job = bring(make_project(images=1), f"{ENDLESS},worker,answer\n".encode(), form)
    assert job.state == "failed"
    assert "first line is no CSV" in job.message


def test_a_cell_as_long_as_a_posterior_over_many_categories_is_read(
    make_project: Callable[..., Project], bring: Bring
) -> None:
    long = json.dumps({f"category {number}": 0.0001 for number in range(10_000)}).replace('"', '""')
    job = bring(make_project(images=1), f'image,answer,posterior\n0000.png,cat,"{long}"\n'.encode(), "csv")
    assert (job.state, job.errors) == ("succeeded", [])
    assert Gold.objects.count() == 1
