"""Deleted projects and images take their files with them, whatever is killed, and nobody else's."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from storages.backends.s3 import S3Storage

from labeling import services
from labeling.errors import JobLost
from labeling.files import storage
from labeling.importing import ingest, sources
from labeling.models import DiscardedFile, Image, Project
from labeling.upkeep import discarding
from tests.labeling.conftest import client, picture
from tests.s3 import s3_service

pytestmark = pytest.mark.django_db


def stored(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def names_of(project: Project) -> set[str]:
    rows = Image.objects.filter(project=project).values_list("original", "display", "thumbnail")
    return {name for row in rows for name in row}


@pytest.fixture
def other(make_project: Callable[..., Project]) -> Project:
    """A project with the same pictures: the same content under names of its own."""
    return make_project(name="Others")


def test_a_deleted_project_takes_its_files_and_no_others(
    project: Project, other: Project, own_media: Path, run_actors: Callable[[], int]
) -> None:
    mine, theirs = names_of(project), names_of(other)
    assert client(project.owner).delete(f"/api/v1/projects/{project.slug}/").status_code == 204
    assert mine <= stored(own_media)  # the answer does not wait for them
    run_actors()
    assert stored(own_media) == theirs
    assert not (own_media / "projects" / str(project.pk)).exists()
    assert not DiscardedFile.objects.exists()


def test_a_file_that_another_project_refers_to_stays(
    project: Project, other: Project, own_media: Path, run_actors: Callable[[], int]
) -> None:
    shared = Image.objects.filter(project=project).order_by("id")[0]
    names = {"original": shared.original, "display": shared.display, "thumbnail": shared.thumbnail}
    Image.objects.filter(project=other, sha256=shared.sha256).update(**names)
    services.delete_project(project=project)
    run_actors()
    assert set(names.values()) <= stored(own_media)
    assert stored(own_media) >= names_of(other)


def test_exports_and_waiting_uploads_of_the_project_go_too(
    project: Project, own_media: Path, run_actors: Callable[[], int]
) -> None:
    services.start_export(project=project, user=project.owner, into="csv")
    run_actors()
    services.import_images(project=project, user=project.owner, files=[SimpleUploadedFile("a.png", picture(9))])
    assert {name.partition("/")[0] for name in stored(own_media)} == {"exports", "imports", "projects"}
    services.delete_project(project=project)
    run_actors()
    assert stored(own_media) == set()


def test_a_project_that_is_not_deleted_after_all_keeps_its_files(project: Project, own_media: Path) -> None:
    row = Project.objects.get(pk=project.pk)
    with transaction.atomic():
        services.delete_project(project=row)
        transaction.set_rollback(True)
    assert discarding.run() == 0
    assert names_of(project) == stored(own_media)


def test_a_process_killed_between_two_files_leaves_the_rest_to_the_next(
    project: Project, own_media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.delete_project(project=project)
    delete, deleted = FileSystemStorage.delete, []

    def dies(self: FileSystemStorage, name: str) -> None:
        if len(deleted) == 4:
            raise KeyboardInterrupt
        deleted.append(name)
        delete(self, name)

    with monkeypatch.context() as patched:
        patched.setattr(FileSystemStorage, "delete", dies)
        with pytest.raises(KeyboardInterrupt):
            discarding.run()
    assert DiscardedFile.objects.count() == 9
    assert stored(own_media)
    discarding.run()
    assert stored(own_media) == set()
    assert not DiscardedFile.objects.exists()


def test_a_deleted_image_s_files_go_after_a_while_unless_it_comes_back(
    project: Project, own_media: Path, run_actors: Callable[[], int]
) -> None:
    gone, back = Image.objects.filter(project=project).order_by("id")[:2]
    services.delete_images(project=project, ids=[gone.pk, back.pk], user=project.owner)
    assert discarding.run() == 0  # an import of the same bytes may be on its way
    services.add_images(project=project, images={"again.png": storage.read_original(back)})
    DiscardedFile.objects.update(due_at="2020-01-01T00:00Z")
    assert discarding.run() == 3
    assert names_of(project) == stored(own_media)
    assert back.original in stored(own_media)
    assert gone.original not in stored(own_media)


def test_an_import_that_runs_while_its_project_is_deleted_leaves_no_file(
    project: Project, own_media: Path, run_actors: Callable[[], int]
) -> None:
    row = Project.objects.get(pk=project.pk)
    services.delete_project(project=row)
    run_actors()
    ready = ingest.prepare(project.pk, sources.Item("a.png", lambda: picture(9)))
    assert ready.image is not None
    assert len(stored(own_media)) == 3
    with pytest.raises(JobLost), ingest.discarded_with_the_project([ready]):
        ingest.add_rows(project, [ready.image])
    assert stored(own_media) == set()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[S3Storage]:
    """The platform's storage is a bucket, in a folder of it."""
    with s3_service(monkeypatch):
        options = {"bucket_name": "pictures", "location": "crowdtune"}
        settings.STORAGES = settings.STORAGES | {
            "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
        }
        store = S3Storage(**options)
        store.connection.create_bucket(Bucket="pictures")
        yield store


@pytest.mark.parametrize("knows_how", [True, False])
def test_files_of_a_bucket_go_in_one_request_where_the_store_knows_how(bucket: S3Storage, knows_how: bool) -> None:
    asked: list[str] = []
    events = default_storage.connection.meta.client.meta.events
    events.register("before-call.s3", lambda model, **_more: asked.append(model.name))
    if not knows_how:  # as Google's answers
        events.register("before-send.s3.DeleteObjects", lambda **_more: refusal("NotImplemented"))
    for number in range(5):
        default_storage.save(f"projects/1/{number}.jpg", ContentFile(b"picture"))
    default_storage.save("projects/2/stays.jpg", ContentFile(b"picture"))
    DiscardedFile.objects.bulk_create([DiscardedFile(name=f"projects/1/{number}.jpg") for number in range(6)])
    assert discarding.run() == 6  # the last of them is gone already
    assert [found.key for found in bucket.bucket.objects.all()] == ["crowdtune/projects/2/stays.jpg"]
    assert asked.count("DeleteObjects") == 1
    assert asked.count("DeleteObject") == (0 if knows_how else 6)


def refusal(code: str) -> AWSResponse:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    return AWSResponse("http://store", 501, {"content-type": "application/xml"}, RawBody(body))


class RawBody(io.BytesIO):
    """What botocore reads an answer from."""

    def stream(self, **_more: Any) -> Iterator[bytes]:
        yield self.read()
