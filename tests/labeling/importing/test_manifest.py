"""Lists of images in CSV and JSON Lines: what each row brings, and why a row is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpcore
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from labeling import jobs, services
from labeling.errors import CrowdtuneError
from labeling.files import remote
from labeling.importing import ingest, judgments, manifest, sources
from labeling.jobs import Report
from labeling.models import Gold, Image, Job, Judgment, Project, Task
from tests.labeling.conftest import client, picture
from tests.labeling.importing.conftest import Import, refused, zipped

pytestmark = pytest.mark.django_db


def listed(text: str, name: str = "list.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode())


def pictures(**members: bytes) -> SimpleUploadedFile:
    return zipped({name.replace("__", "/").replace("_png", ".png"): data for name, data in members.items()})


def test_rows_bring_members_of_the_zip_with_label_and_metadata(bring: Import, empty: Project) -> None:
    text = 'path,label,camera,metadata\npets/a.png,cat,front,"{""night"": true}"\npets/b.png,,,\n'
    job = bring(
        manifest=listed(text), archive=pictures(pets__a_png=picture(1), pets__b_png=picture(2), c_png=picture(3))
    )
    assert (job.state, job.errors) == ("succeeded", [])
    assert (job.result["imported"], job.result["labels"]) == (2, 1)
    first, second = Image.objects.filter(project=empty).order_by("name")
    assert (first.name, first.metadata) == ("pets/a.png", {"camera": "front", "night": True})
    assert second.metadata == {}
    assert Gold.objects.get().answers == {"category": "cat"}
    shown = client(empty.owner).get(f"/api/v1/projects/{empty.slug}/images/{first.pk}/").json()
    assert shown["metadata"] == {"camera": "front", "night": True}


def test_who_only_labels_reads_no_metadata_which_may_tell_the_answer(bring: Import, empty: Project) -> None:
    bring(manifest=listed("path,label,species\na.png,cat,Felis catus\n"), archive=pictures(a_png=picture(1)))
    addresses = (f"/api/v1/projects/{empty.slug}/images/{suffix}" for suffix in ("", f"{Image.objects.get().pk}/"))
    users = {role: User.objects.create_user(role) for role in ("worker", "reviewer")}
    for role, user in users.items():
        empty.memberships.create(user=user, role=role)
    listing, one = ({role: client(user).get(address).json() for role, user in users.items()} for address in addresses)
    assert (listing["worker"]["results"][0]["metadata"], one["worker"]["metadata"]) == ({}, {})
    assert listing["reviewer"]["results"][0]["metadata"] == one["reviewer"]["metadata"] == {"species": "Felis catus"}


@pytest.mark.parametrize("path", ["pets\\a.png", "./pets/a.png", "/pets/a.png"])
def test_a_row_of_a_spreadsheet_on_windows_finds_its_file(bring: Import, path: str) -> None:
    job = bring(manifest=listed(f"\ufefffile_name;class\r\n{path};cat\r\n"), archive=pictures(pets__a_png=picture(1)))
    assert job.errors == []
    assert (Image.objects.get().name, Gold.objects.get().answers) == ("pets/a.png", {"category": "cat"})


def test_a_json_array_is_told_what_is_expected(bring: Import) -> None:
    text = json.dumps([{"file_name": "a.png", "label": "cat"}], indent=1)
    job = bring(manifest=listed(text, "metadata.json"), archive=pictures(a_png=picture(1)))
    assert job.state == "failed"
    assert "Expected one JSON object a line" in job.message
    with pytest.raises(CrowdtuneError, match="Expected one JSON object a line"):
        list(judgments.read(io.BytesIO(text.encode())))


def test_an_address_that_is_none_is_refused_alone(bring: Import) -> None:
    lines = "path,url\n,http://[::1/x.png\na.png,\n"
    job = bring(manifest=listed(lines), archive=pictures(a_png=picture(1)))
    assert (job.state, job.result["imported"]) == ("succeeded", 1), job.message
    assert [row["code"] for row in job.errors] == ["address_refused"]
    alone = bring(urls=["http://[::1/x.png"])
    assert [row["code"] for row in alone.errors] == ["address_refused"]


def test_json_lines_name_files_that_were_sent_with_them(bring: Import, empty: Project) -> None:
    rows = [{"file_name": "a.png", "name": "first", "label": {"category": "dog"}}, {"file_name": "b.png", "weight": 3}]
    text = "\n".join(json.dumps(row) for row in rows)
    files = [SimpleUploadedFile("a.png", picture(1)), SimpleUploadedFile("b.png", picture(2))]
    job = bring(manifest=listed(text, "metadata.jsonl"), files=files, labels_as="judgments", source="museum")
    assert job.errors == []
    assert sorted(Image.objects.values_list("name", flat=True)) == ["b.png", "first"]
    judged = Judgment.objects.get()
    assert (judged.answers, judged.source, judged.worker.first_name) == ({"category": "dog"}, "import", "museum")


def test_labels_come_in_as_suggestions_where_that_is_asked_for(bring: Import) -> None:
    bring(manifest=listed("path,label\na.png,cat\n"), archive=pictures(a_png=picture(1)), labels_as="suggestions")
    assert Task.objects.get().payload["suggestions"] == {"category": "cat"}
    assert not Gold.objects.exists()


@pytest.mark.parametrize("labels_as", ["gold", "judgments"])
def test_of_two_labels_of_one_picture_the_first_stays_and_the_other_is_told(
    bring: Import, monkeypatch: pytest.MonkeyPatch, labels_as: str
) -> None:
    monkeypatch.setattr(ingest, "BATCH", 2)
    text = "path,label\na.png,cat\na.png,dog\nb.png,dog\nsame.png,cat\na.png,cat\na.png,\n"
    sent = pictures(a_png=picture(1), b_png=picture(2), same_png=picture(2))
    job = bring(manifest=listed(text), archive=sent, labels_as=labels_as)
    assert refused(job) == {"line 3: a.png": "bad_label", "line 5: same.png": "bad_label"}
    assert "a line above says something else" in job.errors[0]["message"]
    assert (job.state, job.result["imported"], job.result["duplicates"]) == ("succeeded", 2, 4)
    rows = Gold.objects if labels_as == "gold" else Judgment.objects
    told = dict(rows.values_list("task__image__name", "answers__category"))
    assert told == {"a.png": "cat", "b.png": "dog"}


def test_each_row_that_cannot_be_used_is_told_by_its_line_and_why(bring: Import, empty: Project) -> None:
    text = (
        "url,path,label,metadata\n"
        ",a.png,cow,\n"
        ",missing.png,,\n"
        ",,cat,\n"
        "http://127.0.0.1/x.png,,,\n"
        "http://169.254.169.254/latest/meta-data,,,\n"
        "file:///etc/passwd,,,\n"
        "http://images.example/y.png,b.png,,\n"
        ",b.png,,not json\n"
        ",../up.png,,\n"
        ",b.png,cat,,one too many\n"
        ",broken.png,,\n"
    )
    sent = pictures(a_png=picture(1), b_png=picture(2), broken_png=b"no picture", **{"..__up_png": picture(3)})
    job = bring(manifest=listed(text), archive=sent)
    assert job.state == "succeeded"
    assert refused(job) == {
        "line 2: a.png": "bad_label",
        "line 3: missing.png": "missing",
        "line 4: ": "bad_row",
        "line 5: x.png": "address_refused",
        "line 6: meta-data": "address_refused",
        "line 7: passwd": "address_refused",
        "line 8: b.png": "bad_row",
        "line 9: b.png": "bad_row",
        "line 10: ../up.png": "unsafe_name",
        "line 11: b.png": "bad_row",
        "line 12: broken.png": "not_an_image",
    }
    assert all(row["message"] for row in job.errors)
    assert [image.name for image in Image.objects.filter(project=empty)] == ["a.png"]


def test_a_line_that_is_no_json_object_is_one_refusal(bring: Import) -> None:
    text = '{"path": "a.png"}\n{broken\n["a.png"]\n\n{"path": "a.png", "metadata": [1]}\n'
    text += '{"path": ' + "9" * 5000 + '}\n{"path": "a.png", "metadata": "[' + "9" * 5000 + ']"}\n'
    job = bring(manifest=listed(text), archive=pictures(a_png=picture(1)))
    expected = ("line 2: ", "line 3: ", "line 5: a.png", "line 6: ", "line 7: a.png")
    assert refused(job) == dict.fromkeys(expected, "bad_row")
    assert job.result["imported"] == 1


@pytest.mark.parametrize("text", ["", "name,label\na,cat\n", "\x00\x01\x02"])
def test_a_file_that_is_no_list_fails_with_what_was_expected(bring: Import, text: str) -> None:
    job = bring(manifest=listed(text))
    assert (job.state, [row["code"] for row in job.errors]) == ("failed", ["bad_manifest"])
    assert "url or path" in job.message


@pytest.mark.parametrize("text", ['{"path": "a.png", "note": "\\u0000"}', '{"path": "a.png", "note": "\\ud800"}'])
def test_characters_that_no_database_holds_are_refused_by_row(bring: Import, text: str) -> None:
    job = bring(manifest=listed(text + '\n{"path": "a.png"}'), archive=pictures(a_png=picture(1)))
    assert (job.state, [row["code"] for row in job.errors]) == ("succeeded", ["bad_row"])


def test_a_row_in_another_encoding_is_refused_and_unicode_text_is_read(bring: Import, empty: Project) -> None:
    text = "path\tstreet\na.png\tKöln\n"
    job = bring(manifest=SimpleUploadedFile("a.csv", text.encode("cp1252")), archive=pictures(a_png=picture(1)))
    assert (refused(job), "UTF-8" in job.errors[0]["message"]) == ({"line 2: ": "bad_row"}, True)
    job = bring(manifest=SimpleUploadedFile("a.txt", text.encode("utf-16")), archive=pictures(a_png=picture(1)))
    assert (job.errors, Image.objects.get(project=empty).metadata) == ([], {"street": "Köln"})


def test_a_row_without_end_is_told_by_its_line_and_the_next_is_taken(bring: Import) -> None:
    endless = '"' + "a" * 1_100_000 + '"'
    job = bring(manifest=listed(f"path,camera\n{endless},\na.png,\n"), archive=pictures(a_png=picture(1)))
    assert refused(job) == {"line 2: ": "bad_row"}
    assert job.result["imported"] == 1
    job = bring(manifest=listed(f"{endless},camera\n"))
    assert (job.state, [row["code"] for row in job.errors]) == ("failed", ["bad_manifest"])


def test_metadata_that_is_too_long_is_refused() -> None:
    (row,) = manifest.rows(io.BytesIO(json.dumps({"path": "a", "note": "x" * 30_000}).encode()))
    assert "20000" in row.problem


def test_a_tar_beside_a_manifest_is_refused(bring: Import) -> None:
    job = bring(manifest=listed("path\na.png\n"), archive=SimpleUploadedFile("a.tar", b"not a zip"))
    assert (job.state, [row["code"] for row in job.errors]) == ("failed", ["not_a_zip"])


def test_a_damaged_zip_beside_a_manifest_is_told_as_one(bring: Import) -> None:
    whole = pictures(a_png=picture(1)).read()
    damaged = SimpleUploadedFile("a.zip", whole.replace(b"PK\x01\x02", b"PK\x01\x00"))
    job = bring(manifest=listed("path\na.png\n"), archive=damaged)
    assert (job.state, [row["code"] for row in job.errors]) == ("failed", ["damaged_archive"])


@pytest.fixture
def pictures_example(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The public name images.example, which answers every address with a picture; the list is what was asked for."""
    asked: list[str] = []

    class Backend(httpcore.MockBackend):
        def connect_tcp(self, host: str, *arguments: Any, **options: Any) -> httpcore.NetworkStream:
            if host != "images.example":
                remote.public_address(host, 80)
            asked.append(host)
            return super().connect_tcp(host, *arguments, **options)

    data = picture(7)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data)
    monkeypatch.setattr(remote, "PublicBackend", lambda: Backend([head, data]))
    yield asked


def test_a_row_with_an_address_is_fetched_and_called_by_its_name(bring: Import, pictures_example: list[str]) -> None:
    job = bring(manifest=listed("url,label,licence\nhttp://images.example/cats/tom.png,cat,CC0\n"))
    assert job.errors == []
    image = Image.objects.get()
    assert (image.name, image.metadata, pictures_example) == ("tom.png", {"licence": "CC0"}, ["images.example"])
    assert Gold.objects.get().task.image == image


def test_an_import_of_a_list_that_stopped_goes_on_at_its_row(empty: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "BATCH", 2)
    text = "path,label\n" + "".join(f"{n}.png,cat\n" for n in range(5)) + "0.png,dog\n"
    sent = pictures(**{f"{n}_png": picture(n) for n in range(5)})
    job = services.import_images(project=empty, user=empty.owner, manifest=listed(text), archive=sent)
    Job.objects.filter(pk=job.pk).update(state="running", attempts=1, heartbeat_at=None)
    job.refresh_from_db()
    read = sources._listed

    def dies(*_told: Any) -> None:
        raise KeyboardInterrupt

    def breaks(row: manifest.Row, *places: Any) -> sources.Item:
        if row.path == "3.png":
            raise KeyboardInterrupt
        return read(row, *places)

    with monkeypatch.context() as patched:
        patched.setattr(Report, "checkpoint", dies)
        with pytest.raises(KeyboardInterrupt):
            ingest.run(job, Report(job))
    assert Image.objects.count() == 0  # what was kept of the list is of images that are not there
    with monkeypatch.context() as patched:
        patched.setattr(sources, "_listed", breaks)
        with pytest.raises(KeyboardInterrupt):
            ingest.run(job, Report(job))
    assert Image.objects.count() == 2
    Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert jobs.requeue_stuck() == 1
    jobs.run(str(job.pk), ingest.run)
    job.refresh_from_db()
    assert (job.state, job.result["imported"], job.result["labels"]) == ("succeeded", 5, 5)
    assert refused(job) == {"line 7: 0.png": "bad_label"}  # also what was said before the stop is known
    assert [row.answers for row in Gold.objects.all()] == [{"category": "cat"}] * 5


def test_the_api_and_the_page_take_a_manifest(empty: Project, run_actors: Callable[[], int]) -> None:
    api = client(empty.owner)
    body = {
        "manifest": listed("path,label\na.png,cat\n"),
        "archive": pictures(a_png=picture(1)),
        "labels_as": "judgments",
    }
    answer = api.post(f"/api/v1/projects/{empty.slug}/images/", body, format="multipart")
    assert answer.status_code == 202, answer.content
    page = Client()
    page.force_login(empty.owner)
    form = {"manifest": listed("path\nb.png\n"), "uploads": pictures(b_png=picture(2)), "labels_as": "gold"}
    page.post(f"/projects/{empty.slug}/images/add/", form)
    run_actors()
    assert sorted(Image.objects.values_list("name", flat=True)) == ["a.png", "b.png"]
    answer = api.post(f"/api/v1/projects/{empty.slug}/images/", {**body, "labels_as": "truth"}, format="multipart")
    assert answer.status_code == 400


@pytest.mark.parametrize("said", [{"labels_as": "gold"}, {"source": "museum"}])
def test_labels_of_an_archive_without_a_manifest_are_not_passed_over(empty: Project, said: dict[str, str]) -> None:
    body = {"archive": pictures(a_png=picture(1)), **said}
    answer = client(empty.owner).post(f"/api/v1/projects/{empty.slug}/images/", body, format="multipart")
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, list(said))
    assert f"/projects/{empty.slug}/labels/import/" in answer.json()["error"]["message"]
    assert not Job.objects.exists()


def test_what_the_page_sends_beside_a_manifest_and_its_zip_comes_in_too(empty: Project) -> None:
    page = Client()
    page.force_login(empty.owner)
    form = {
        "manifest": listed("path\nb.png\n"),
        "uploads": [pictures(b_png=picture(2)), SimpleUploadedFile("c.png", picture(3)), pictures(d_png=picture(4))],
        "urls": "https://images.example/e.png",
    }
    page.post(f"/projects/{empty.slug}/images/add/", form)
    sources = [set(job.arguments) - {"labels_as", "source"} for job in Job.objects.order_by("created_at")]
    assert sources == [{"manifest", "archive"}, {"files"}, {"archive"}, {"urls"}]
