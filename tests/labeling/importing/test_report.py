"""The report of an import is told in the language of whoever reads it, on the page and by the API."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.translation import override

from labeling import jobs, services
from labeling.models import Project
from tests.labeling.conftest import client, picture
from tests.labeling.importing.conftest import Import, zipped
from tests.labeling.text.test_words import HINDI, is_hindi

pytestmark = pytest.mark.django_db


def test_why_a_file_was_refused_is_read_in_hindi(bring: Import, empty: Project, own_media: Path) -> None:
    packed = zipped({"../up.jpg": picture(1), "text.jpg": b"no picture"})
    job = bring(archive=packed)
    reader = Client()
    reader.force_login(empty.owner)
    page = reader.get(f"/projects/{empty.slug}/jobs/{job.pk}/", headers=HINDI).content.decode()
    path = f"/api/v1/jobs/{job.pk}/"
    english, hindi = (client(empty.owner).get(path, headers=h).json()["errors"] for h in ({}, HINDI))

    assert len(english) == len(hindi) == 2
    for one, other in zip(english, hindi, strict=True):
        assert (one["item"], one["code"]) == (other["item"], other["code"])
        assert not is_hindi(one["message"])
        assert is_hindi(other["message"])
        assert one["message"] not in page
    assert "संग्रह के बाहर ले जाता है" in page


def test_an_archive_that_cannot_be_read_says_so_in_hindi(bring: Import, empty: Project, own_media: Path) -> None:
    job = bring(archive=SimpleUploadedFile("a.zip", b"this is no archive"))
    assert job.state == "failed"
    english, hindi = (client(empty.owner).get(f"/api/v1/jobs/{job.pk}/", headers=h).json() for h in ({}, HINDI))
    assert english["message"].startswith("Expected a zip or a tar")
    assert is_hindi(hindi["message"])


def test_what_a_report_quotes_is_short_however_long_the_line(
    project: Project, own_media: Path, run_actors: Callable[[], int]
) -> None:
    file = SimpleUploadedFile("a.csv", b"picture," + b"x" * 100_000 + b"\n1,2\n")
    job = services.import_labels(project=project, file=file, form="csv", take_as="gold", source="", user=None)
    run_actors()
    job.refresh_from_db()
    assert job.state == "failed"
    assert "needs the columns image and answer; it has " in job.message
    assert len(job.message) < 1000
    with override("hi"):
        job.refresh_from_db()
        assert is_hindi(job.message)


def test_an_archive_without_files_is_no_success(bring: Import, empty: Project, own_media: Path) -> None:
    job = bring(archive=zipped({}))
    assert (job.state, job.message) == ("failed", "pictures.zip holds no file.")


@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "csv", "imagefolder"])
def test_a_file_in_which_no_label_is_found_is_no_success(
    project: Project, own_media: Path, run_actors: Callable[[], int], form: str
) -> None:
    given = SimpleUploadedFile("x.csv", b"image,answer\n") if form == "csv" else zipped({"notes.txt": b"no label"})
    job = services.import_labels(project=project, file=given, form=form, take_as="gold", source="", user=None)
    run_actors()
    job.refresh_from_db()
    assert job.state == "failed"
    assert job.message


def test_the_whole_list_of_what_was_refused_can_be_downloaded(
    project: Project, own_media: Path, run_actors: Callable[[], int]
) -> None:
    names = [f"nobody-{number}.jpg" for number in range(jobs.MOST_ERRORS + 600)] + ["=1+1.jpg"]
    text = "image,answer\n" + "".join(f"{name},cat\n" for name in names)
    file = SimpleUploadedFile("a.csv", text.encode())
    job = services.import_labels(project=project, file=file, form="csv", take_as="gold", source="", user=None)
    run_actors()
    job.refresh_from_db()
    assert (len(job.errors), job.result["refused"]) == (jobs.MOST_ERRORS, len(names))
    reader = Client()
    reader.force_login(project.owner)
    path = f"/projects/{project.slug}/jobs/{job.pk}/"
    assert f'href="{path}refused.csv"' in reader.get(path).content.decode()
    text = b"".join(reader.get(f"{path}refused.csv", headers=HINDI)).decode()
    assert b"".join(client(project.owner).get(f"/api/v1/jobs/{job.pk}/refused/", headers=HINDI)).decode() == text
    header, *rows = csv.reader(text.splitlines())
    assert header == ["item", "code", "why"]
    assert [item for item, _code, _why in rows] == [*names[:-1], "'=1+1.jpg"]
    assert all(code == "unknown_image" and is_hindi(why) for _item, code, why in rows)
