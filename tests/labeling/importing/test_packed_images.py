"""Images that come in an archive: its progress, the names in it, and what is refused of it member by member."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from typing import Literal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from labeling import services
from labeling.importing import archives
from labeling.models import Gold, Image, Project
from tests.labeling.conftest import picture
from tests.labeling.importing.conftest import Import, refused, zipped

pytestmark = pytest.mark.django_db


def test_the_progress_of_a_zip_is_measured_by_its_members() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("a.png", "b/c.png", "notes.txt", "__MACOSX/._a.png", "b/"):
            archive.writestr(name, b"")
    counted = len(list(archives.members(buffer, most_bytes=10)))
    assert archives.count(buffer) == counted == 3
    assert archives.count(io.BytesIO(b"no zip")) is None


@pytest.mark.parametrize("packing", ["w:", "w:gz"])
def test_the_progress_of_a_tar_is_measured_by_its_bytes(
    bring: Import, told: list[tuple[float, str]], packing: Literal["w:", "w:gz"]
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=packing) as archive:
        for number in range(4):
            data = picture(number, size=(600, 600))  # much more than the 128 KB read ahead since 3.12
            entry = tarfile.TarInfo(f"{number}.png")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    bring(archive=SimpleUploadedFile("a.tar", buffer.getvalue()))
    assert [words for _share, words in told] == [f"{number} files" for number in (1, 2, 3, 4)]
    assert [share for share, _words in told] == [pytest.approx(number / 4, abs=0.06) for number in (1, 2, 3, 4)]


def test_a_zip_s_dangerous_members_are_refused_one_by_one(bring: Import, empty: Project) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ok/a.png", picture(1))
        archive.writestr("../up.png", picture(2))
        archive.writestr("/root.png", picture(3))
        archive.writestr("inner.zip", zipped({"x.png": picture(4)}).read())
        archive.writestr("bomb.png", b"\0" * (70 * 2**20))
        archive.writestr("plain.bmp", b"\0" * (10 * 2**20))
        archive.writestr("__MACOSX/._a.png", b"junk")
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    job = bring(archive=SimpleUploadedFile("a.zip", buffer.getvalue()))
    assert job.state == "succeeded"
    assert refused(job) == {
        "../up.png": "unsafe_name",
        "/root.png": "unsafe_name",
        "inner.zip": "nested_archive",
        "bomb.png": "too_large",
        "plain.bmp": "too_large",
        "link.png": "link",
    }
    # ten megabytes are not more than sixty-four
    assert "200 times its size" in next(error["message"] for error in job.errors if error["item"] == "plain.bmp")
    assert [image.name for image in Image.objects.filter(project=empty)] == ["ok/a.png"]


def test_folders_are_folders_whoever_packed_them(bring: Import, empty: Project, run_actors: Callable[[], int]) -> None:
    """PowerShell's Compress-Archive writes backslashes, and ``tar cf pets.tar .`` a folder for here."""
    buffers = [io.BytesIO(), io.BytesIO()]
    with zipfile.ZipFile(buffers[0], "w") as archive:
        entry = zipfile.ZipInfo()
        entry.filename = "cat\\a.png"
        archive.writestr(entry, picture(1))
    with tarfile.open(fileobj=buffers[1], mode="w") as tar:
        info = tarfile.TarInfo("./dog/b.png")
        info.size = len(picture(2))
        tar.addfile(info, io.BytesIO(picture(2)))
    for buffer in buffers:
        job = bring(archive=SimpleUploadedFile("pets", buffer.getvalue()))
        file = SimpleUploadedFile("pets", buffer.getvalue())
        values = {"form": "imagefolder", "take_as": "gold", "source": "", "user": empty.owner}
        services.import_labels(project=empty, file=file, **values)
        assert (job.state, job.errors) == ("succeeded", [])
    run_actors()
    labels = Gold.objects.values_list("task__image__name", "answers__category")
    assert dict(labels) == {"cat/a.png": "cat", "dog/b.png": "dog"}


def test_a_tar_s_links_and_devices_are_refused(bring: Import, empty: Project) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in (("a.png", picture(1)), ("../b.png", picture(2))):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, kind in (
            ("soft.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("pipe.png", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    job = bring(archive=SimpleUploadedFile("a.tar.gz", buffer.getvalue()))
    assert refused(job) == {
        "../b.png": "unsafe_name",
        "soft.png": "link",
        "hard.png": "link",
        "pipe.png": "link",
    }
    assert Image.objects.filter(project=empty).count() == 1


def test_a_tar_s_names_that_are_no_text_are_written_as_far_as_they_are(bring: Import, empty: Project) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        for name, data in (("garçon.png", picture(1)), ("fille à part.png", b"no picture")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    buffer.seek(0)
    with tarfile.open(fileobj=buffer, mode="a", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("x")
        info.pax_headers = {"path": "nul\x00.png"}
        archive.addfile(info)
    job = bring(archive=SimpleUploadedFile("a.tar", buffer.getvalue()))
    assert (job.state, [image.name for image in Image.objects.filter(project=empty)]) == ("succeeded", ["gar?on.png"])
    assert refused(job) == {"fille ? part.png": "not_an_image", "nul\ufffd.png": "unsafe_name"}


def test_an_archive_that_is_cut_off_says_so_and_keeps_what_came_whole(bring: Import, empty: Project) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(3):
            data = picture(number, (300, 300))
            info = tarfile.TarInfo(f"{number}.png")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    job = bring(archive=SimpleUploadedFile("a.tar", buffer.getvalue()[: len(buffer.getvalue()) // 2]))
    assert Image.objects.filter(project=empty).count() == job.result["imported"] >= 1
    assert job.errors


def test_something_that_is_no_archive_fails_with_the_reason(bring: Import, empty: Project) -> None:
    job = bring(archive=SimpleUploadedFile("a.zip", b"not a zip"))
    assert (job.state, refused(job)) == ("failed", {"a.zip": "not_an_archive"})
    assert "zip or a tar" in job.message
