"""What an import takes and what it refuses: each refusal is a row with its reason, and nothing is half-done."""

from __future__ import annotations

import errno
import io
import re
import struct
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import filesystem
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image as Pillow

from labeling import jobs, services
from labeling.errors import CrowdtuneError
from labeling.files import storage
from labeling.importing import ingest, sources
from labeling.jobs import Report
from labeling.models import Consensus, Gold, Image, Job, Project, Task
from tests.labeling.conftest import picture
from tests.labeling.importing.conftest import Import, refused, zipped

pytestmark = pytest.mark.django_db


def files(**data: bytes) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(name.replace("__", "."), content) for name, content in data.items()]


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing: 1 bit a pixel, so the claim is a few bytes long."""
    body = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    data = zlib.compress(b"\x00" * ((width + 7) // 8 + 1) * 4)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", body) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_every_kind_of_bad_file_is_a_row_with_its_reason(bring: Import, empty: Project, own_media: Path) -> None:
    jpeg = picture(1, (200, 150), "JPEG")
    job = bring(
        files=files(
            good__jpg=jpeg,
            cut__jpg=jpeg[: len(jpeg) // 2],
            nothing__png=b"",
            drawing__svg=b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
            huge__png=png_header(20_000, 20_000),
            text__jpg=b"this is not a picture at all",
            labels__xml=b"<?xml version='1.0'?><annotation/>",
        )
    )
    assert job.state == "succeeded"
    assert refused(job) == {
        "cut.jpg": "damaged",
        "nothing.png": "empty_file",
        "drawing.svg": "svg",
        "labels.xml": "not_an_image",
        "huge.png": "too_many_pixels",
        "text.jpg": "not_an_image",
    }
    assert all(row["message"] for row in job.errors)
    assert [row["item"] for row in job.errors if "Bring in labels" in row["message"]] == ["labels.xml"]
    assert {"400", "50"} <= set(re.findall(r"\d+", next(r["message"] for r in job.errors if r["item"] == "huge.png")))
    assert [image.name for image in Image.objects.filter(project=empty)] == ["good.jpg"]
    stored = sorted(path.name.partition(".")[2] for path in own_media.rglob("*") if path.is_file())
    assert stored == ["display.jpg", "original.jpg", "thumbnail.jpg"]
    empty.refresh_from_db()
    assert (empty.image_count, empty.task_count, job.result["refused"]) == (1, 1, 6)


def test_a_png_that_is_called_jpg_is_taken_as_what_it_is(bring: Import, empty: Project) -> None:
    assert bring(files=files(photo__jpg=picture(1))).errors == []
    assert Image.objects.get(project=empty).original.endswith(".png")


def test_the_same_bytes_twice_are_one_image(bring: Import, empty: Project) -> None:
    first = bring(files=files(a__png=picture(1), b__png=picture(1), c__png=picture(2)))
    again = bring(files=files(d__png=picture(2)))
    assert (first.result["imported"], first.result["duplicates"]) == (2, 1)
    assert (again.result["imported"], again.result["duplicates"]) == (0, 1)
    assert Task.objects.filter(project=empty).count() == 2
    told = [[(row["file"], row["name"]) for row in job.result["same"]] for job in (first, again)]
    assert told == [[("b.png", "a.png")], [("d.png", "c.png")]]
    assert again.result["same"][0]["image"] == Image.objects.get(name="c.png").pk


def test_of_many_files_that_were_there_some_are_named(
    bring: Import, empty: Project, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    monkeypatch.setattr(ingest, "MOST_SAME", 2)
    job = bring(files=files(**{f"{name}__png": picture(1) for name in "abcde"}))
    assert job.result["duplicates"] == 4
    assert [row["file"] for row in job.result["same"]] == ["b.png", "c.png"]
    client.force_login(empty.owner)
    page = client.get(f"/projects/{empty.slug}/jobs/{job.pk}/").content.decode()
    assert "The first 2 of 4." in page
    assert "c.png" in page


def test_a_photograph_is_turned_upright_and_loses_its_metadata(bring: Import, empty: Project) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the camera was held upright
    exif[0x010E] = "at home"
    bring(files=files(phone__jpg=picture(1, (300, 200), "JPEG", exif=exif)))
    image = Image.objects.get(project=empty)
    assert (image.width, image.height) == (200, 300)
    with Pillow.open(io.BytesIO(storage.read(image.display))) as shown:
        assert shown.size == (200, 300)
        assert not shown.getexif()


def test_large_pictures_are_shown_smaller_but_measured_as_they_are(bring: Import, empty: Project) -> None:
    bring(files=files(wide__jpg=picture(1, (2400, 1200), "JPEG")))
    image = Image.objects.get(project=empty)
    assert (image.width, image.height) == (2400, 1200)
    with Pillow.open(io.BytesIO(storage.read(image.display))) as shown:
        assert shown.size == (1600, 800)
    with Pillow.open(io.BytesIO(storage.read(image.thumbnail))) as small:
        assert small.size == (320, 160)


def test_the_progress_of_a_list_is_measured_by_its_rows(bring: Import, told: list[tuple[float, str]]) -> None:
    text = "path\n" + "".join(f"{number}.png\n" for number in range(4))
    packed = zipped({f"{number}.png": picture(number) for number in range(4)})
    bring(manifest=SimpleUploadedFile("list.csv", text.encode()), archive=packed)
    assert told == [(number / 4, f"{number} of 4 files") for number in (1, 2, 3, 4)]


def test_an_import_of_which_nothing_can_be_taken_fails_and_one_that_brings_nothing_new_does_not(
    bring: Import, empty: Project
) -> None:
    job = bring(archive=zipped({"a.png": b"no picture", "../b.png": picture(2)}))
    assert (job.state, job.result["refused"]) == ("failed", 2)
    assert refused(job) == {"a.png": "not_an_image", "../b.png": "unsafe_name"}
    assert "None of the files could be taken" in job.message
    services.add_images(project=empty, images={"a.png": picture(1)})
    job = bring(archive=zipped({"a.png": picture(1), "b.png": b"no picture"}))
    assert (job.state, job.result["duplicates"], job.result["refused"]) == ("succeeded", 1, 1)


def test_private_addresses_are_not_fetched(bring: Import, empty: Project) -> None:
    here = ["http://127.0.0.1/a.png", "http://localhost:80/a.png", "http://169.254.169.254/latest/"]
    job = bring(urls=[*here, "file:///etc/passwd"])
    assert [row["code"] for row in job.errors] == ["address_refused"] * 4
    assert Image.objects.count() == 0


def test_a_folder_is_taken_with_its_sub_folders(bring: Import, empty: Project, tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(picture(1))
    (tmp_path / "2.png").write_bytes(picture(2))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "link.png").symlink_to(tmp_path / "2.png")
    job = bring(folder=tmp_path)
    assert job.errors == []
    assert sorted(image.name for image in Image.objects.all()) == ["2.png", "cat/1.png"]


def test_gold_answers_come_with_the_files_by_name(bring: Import, empty: Project) -> None:
    job = bring(files=files(a__png=picture(1), b__png=picture(2)), gold={"a.png": "cat"})
    assert job.errors == []
    gold = Gold.objects.get()
    assert (gold.answers, gold.task.state, gold.task.retired_because) == ({"category": "cat"}, "retired", "gold")
    assert Consensus.objects.get(task=gold.task).is_final
    empty.refresh_from_db()
    assert (empty.gold_count, empty.retired_count) == (1, 1)


def test_gold_of_many_files_is_marked_in_one_go(bring: Import) -> None:
    sent = [SimpleUploadedFile(f"{number}.png", picture(number)) for number in range(4)]
    with CaptureQueriesContext(connection) as asked:
        bring(files=sent, gold={file.name: "cat" for file in sent})
    assert sum('INSERT INTO "labeling_gold"' in query["sql"] for query in asked) == 1
    assert Gold.objects.count() == 4


def test_gold_names_that_no_file_has_are_told_at_the_end(
    bring: Import, empty: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "BATCH", 1)
    sent = files(a__png=picture(1), b__png=b"no picture", c__png=picture(1), d__png=picture(4))
    job = bring(files=sent, gold={"a.png": "cat", "b.png": "cat", "d.png": "dog", "e.png": "dog"})
    assert refused(job) == {"b.png": "not_an_image", "e.png": "unknown_image"}
    assert Gold.objects.count() == 2
    assert (job.state, job.result["refused"]) == ("succeeded", 2)
    assert not {"gold_files", "labels"} & job.result.keys()  # no manifest has told any


def test_gold_finds_its_file_under_the_name_of_a_duplicate_too(bring: Import) -> None:
    job = bring(files=files(a__png=picture(1), b__png=picture(1)), gold={"b.png": "cat"})
    assert (job.errors, Gold.objects.get().answers) == ([], {"category": "cat"})


def test_gold_outside_the_categories_is_refused_before_anything_starts(bring: Import) -> None:
    with pytest.raises(CrowdtuneError) as refusal:
        bring(files=files(a__png=picture(1)), gold={"a.png": "cow"})
    assert refusal.value.code == "bad_gold"
    assert "a.png" in refusal.value.fields
    assert Job.objects.count() == 0


def test_two_sources_at_once_are_refused(bring: Import) -> None:
    with pytest.raises(CrowdtuneError, match="Send one of"):
        bring(files=files(a__png=picture(1)), urls=["http://example.org/a.png"])


def test_an_import_that_stopped_goes_on_where_it_was_and_does_nothing_twice(
    empty: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "BATCH", 2)
    job = services.import_images(
        project=empty, user=empty.owner, files=files(**{f"f{n}__png": picture(n) for n in range(5)}, bad__png=b"")
    )
    Job.objects.filter(pk=job.pk).update(state="running", attempts=1, heartbeat_at=None)
    job.refresh_from_db()
    report = Report(job)
    read = []

    def breaks(arguments: dict[str, Any]) -> Any:
        for number, item in enumerate(sources.files(arguments)):
            if number == 3:
                raise RuntimeError("the process dies here")
            read.append(item.name)
            yield item

    with monkeypatch.context() as patched:
        patched.setitem(sources.SOURCES, "files", breaks)
        with pytest.raises(RuntimeError):
            ingest.run(job, report)
    assert Image.objects.count() == 2
    Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert jobs.requeue_stuck() == 1
    jobs.run(str(job.pk), ingest.run)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.result["imported"], job.result["refused"]) == ("succeeded", 2, 5, 1)
    assert refused(job) == {"bad.png": "empty_file"}
    empty.refresh_from_db()
    assert (empty.image_count, empty.task_count) == (5, 5)


def test_an_import_that_filled_the_disk_goes_on_where_it_was_when_there_is_room(
    bring: Import, empty: Project, own_media: Path, monkeypatch: pytest.MonkeyPatch, run_actors: Callable[[], int]
) -> None:
    moves, moved = filesystem.file_move_safe, list[str]()
    monkeypatch.setattr(ingest, "BATCH", 2)

    def nearly_full(old: str, new: str, **options: Any) -> None:
        if "/projects/" in new and len(moved) >= 6:  # of two pictures, three files each
            raise OSError(errno.ENOSPC, "No space left on device")
        moved.extend([new] * ("/projects/" in new))
        moves(old, new, **options)

    files = [SimpleUploadedFile(f"{number}.png", picture(number)) for number in range(5)]
    with monkeypatch.context() as patched:
        patched.setattr(filesystem, "file_move_safe", nearly_full)
        job = bring(files=files)
    assert (job.state, job.result["imported"]) == ("queued", 2)
    assert job.message.startswith("The disk is full. This goes on by itself")
    Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert jobs.requeue_stuck() == 1
    run_actors()
    job.refresh_from_db()
    assert (job.state, job.result["imported"], job.result["duplicates"]) == ("succeeded", 5, 0)


@pytest.mark.parametrize("kind", ["images", "labels", "judgments"])
def test_an_import_whose_file_is_gone_says_so(empty: Project, own_media: Path, kind: str, run_actors: Any) -> None:
    """As after a backup that copied the files when the import had just ended."""
    file = SimpleUploadedFile("a.csv", b"image,worker,answer\na.png,ann,cat\n")
    if kind == "images":
        job = services.import_images(project=empty, user=empty.owner, archive=zipped({"a.png": picture(1)}))
    elif kind == "labels":
        job = services.import_labels(
            project=empty, file=file, user=empty.owner, form="csv", take_as="gold", source="them"
        )
    else:
        job = services.import_judgments(project=empty, file=file, user=empty.owner)
    sources.clean(job.pk)
    run_actors()
    job.refresh_from_db()
    assert (job.state, job.message) == ("failed", "The file is not there any more; send it again.")


def test_uploads_leave_the_waiting_room_when_the_import_is_over(bring: Import, own_media: Path) -> None:
    bring(files=files(a__png=picture(1), b__png=b""))
    assert not list(own_media.glob("imports/*/*"))
