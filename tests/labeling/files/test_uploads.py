"""Uploads wait on the disk of the files, and a kill in their midst leaves nothing for ever."""

from __future__ import annotations

import errno
import gc
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from config import databases
from config.processes import prepare
from labeling.files import storage
from labeling.files.uploads import OnDisk
from labeling.models import Image, Project
from labeling.upkeep import tidying
from tests.labeling.conftest import client, picture
from tests.labeling.importing.conftest import zipped
from tests.s3 import s3_service

pytestmark = pytest.mark.django_db


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder of temporary files, which may be small."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


BROKEN = (
    b'--B\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\n!!!!a\r\n--B--\r\n"
)


def test_an_upload_that_is_no_form_after_all_is_refused_and_takes_no_room_elsewhere(
    project: Project, own_media: Path, elsewhere: Path
) -> None:
    address = f"/api/v1/projects/{project.slug}/images/"
    answer = client(project.owner).generic("POST", address, BROKEN, content_type="multipart/form-data; boundary=B")
    assert answer.status_code == 400
    assert list(elsewhere.iterdir()) == []


def test_an_upload_that_nobody_waits_for_any_more_leaves_no_file_and_none_open(own_media: Path) -> None:
    broken = OnDisk()
    broken.new_file("files", "b.png", "image/png", 1)
    broken.receive_data_chunk(b"x", 0)
    assert len(list((own_media / storage.PARTS).iterdir())) == 1
    del broken
    gc.collect()  # an unclosed file is told of here
    assert list((own_media / storage.PARTS).iterdir()) == []


@pytest.mark.parametrize("size", [0, 100_000])
def test_an_upload_that_fills_the_disk_does_not_stay_on_it(own_media: Path, size: int) -> None:
    """Closing it failed, too, and what had come of it lay there for a day."""
    full = OnDisk()
    full.new_file("files", "b.zip", "application/zip", size)
    os.dup2(os.open("/dev/full", os.O_WRONLY), full._writing.fileno())
    full._writing.write(b"x" * 10)
    with pytest.raises(OSError, match="No space"):
        full.receive_data_chunk(b"x" * size, 0) if size else full.file_complete(10)
    assert list((own_media / storage.PARTS).iterdir()) == []


def test_of_an_import_whose_second_file_fills_the_disk_the_first_does_not_stay(
    project: Project, own_media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file = storage.put_file

    def full(name: str, file: Any) -> str:
        if name.endswith("000001"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return put_file(name, file)

    monkeypatch.setattr(storage, "put_file", full)
    api = client(project.owner)
    api.raise_request_exception = False
    files = [SimpleUploadedFile(f"{number}.png", picture(number)) for number in range(2)]
    answer = api.post(f"/api/v1/projects/{project.slug}/images/", {"files": files}, format="multipart")
    assert answer.status_code == 507
    left = [path for path in own_media.rglob("*") if path.is_file() and "projects" not in path.parts]
    assert left == []


def test_what_a_kill_leaves_of_an_upload_lies_beside_the_files_and_goes_after_a_day(
    own_media: Path, elsewhere: Path
) -> None:
    killed = OnDisk()
    killed.new_file("files", "b.png", "image/png", 1)
    killed.file_complete(0)
    assert list(elsewhere.iterdir()) == []
    (left,) = (own_media / storage.PARTS).iterdir()
    assert left.stat().st_mode & 0o777 == 0o600
    os.utime(left, (time.time() - 90_000,) * 2)
    tidying.forget()
    assert list((own_media / storage.PARTS).iterdir()) == []


def test_with_an_object_store_uploads_wait_under_data_dir_and_what_a_kill_left_there_goes_after_a_day(
    make_project: Callable[..., Project], elsewhere: Path, settings: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, run_actors: Callable[[], int],
) -> None:  # fmt: skip
    settings.DATA_DIR = tmp_path / "data"
    parts = settings.DATA_DIR / storage.PARTS
    with s3_service(monkeypatch):
        settings.STORAGES = {**settings.STORAGES, "default": databases.storage("s3://crowdtune")}
        prepare.ensure_bucket()
        project = make_project(images=0)
        address = f"/api/v1/projects/{project.slug}/images/"
        killed = OnDisk()
        killed.new_file("files", "b.png", "image/png", 1)
        killed.file_complete(0)
        files = [SimpleUploadedFile("a.png", picture(1))]
        assert client(project.owner).post(address, {"files": files}, format="multipart").status_code == 202
        run_actors()
        assert Image.objects.filter(project=project).count() == 1
        (left,) = parts.iterdir()
        assert (list(elsewhere.iterdir()), parts.stat().st_mode & 0o777) == ([], 0o700)
        (parts / "upload-that-another-process-receives").write_bytes(b"x")
        scratch = parts / "scratch-of-a-job-of-two-days"
        scratch.mkdir()
        (scratch / "written just now").write_bytes(b"x")
        gone = parts / "scratch-of-a-killed-job"
        gone.mkdir()
        (gone / "part").write_bytes(b"x")
        for path in (left, scratch, gone / "part", gone):
            os.utime(path, (time.time() - 90_000,) * 2)
        tidying.forget()
        assert sorted(path.name for path in parts.iterdir()) == [
            "scratch-of-a-job-of-two-days",
            "upload-that-another-process-receives",
        ]


@pytest.mark.parametrize("by_page", [True, False])
def test_a_large_archive_never_takes_room_anywhere_else(
    make_project: Callable[..., Project], own_media: Path, elsewhere: Path, settings: Any, by_page: bool,
    monkeypatch: pytest.MonkeyPatch, run_actors: Callable[[], int],
) -> None:  # fmt: skip
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    project = make_project(images=0)
    made: list[Any] = []
    make = tempfile.mkstemp

    def noted(**options: Any) -> tuple[int, str]:
        made.append(options["dir"])
        return make(**options)

    monkeypatch.setattr(tempfile, "mkstemp", noted)
    archive = zipped({"a.png": picture(1), "b.png": picture(2)})
    if by_page:
        page = Client()
        page.force_login(project.owner)
        page.post(f"/projects/{project.slug}/images/add/", {"uploads": archive})
    else:
        client(project.owner).post(f"/api/v1/projects/{project.slug}/images/", {"archive": archive}, format="multipart")
    run_actors()
    assert Image.objects.filter(project=project).count() == 2
    assert made == [own_media / storage.PARTS]
    assert list((own_media / storage.PARTS).iterdir()) == []


def test_an_example_picture_that_waited_on_the_disk_is_taken(project: Project, own_media: Path, settings: Any) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    page = Client()
    page.force_login(project.owner)
    category = project.categories.order_by("id")[0]
    file = SimpleUploadedFile("a.png", picture(1))
    page.post(f"/projects/{project.slug}/settings/categories/{category.pk}/examples/", {"image": file})
    assert category.examples.count() == 1
