"""Pictures under a prefix of a bucket, from a real S3 service on this machine."""

from __future__ import annotations

import io
import socket
from datetime import timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, EndpointConnectionError
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone, translation
from urllib3 import HTTPResponse

from config import databases
from labeling import jobs, services
from labeling.errors import CrowdtuneError
from labeling.importing import bucket, ingest
from labeling.jobs import Report
from labeling.models import Gold, Image, Job, Project
from tests.labeling.conftest import client, picture
from tests.labeling.importing.conftest import Import

pytestmark = pytest.mark.django_db


@pytest.fixture
def photos(s3: Any, settings: Any) -> Any:
    """A bucket that may be read, with pictures in two folders and something else."""
    settings.IMPORT_BUCKETS = ["photos"]
    s3.create_bucket(Bucket="photos")
    objects = {
        "pets/": b"",
        "pets/a.png": picture(1),
        "pets/more/b.png": picture(2),
        "pets/broken.png": b"no picture",
        "pets/film.mp4": b"frames",
        "other/c.png": picture(3),
    }
    for key, data in objects.items():
        s3.put_object(Bucket="photos", Key=key, Body=data)
    return s3


def test_all_pictures_under_the_prefix_come_in_and_the_others_are_told(
    photos: Any, bring: Import, empty: Project
) -> None:
    job = bring(s3="s3://photos/pets/")
    assert (job.state, job.result["imported"], job.result["refused"]) == ("succeeded", 2, 2)
    assert sorted(Image.objects.filter(project=empty).values_list("name", flat=True)) == ["a.png", "more/b.png"]
    assert {row["item"]: row["code"] for row in job.errors} == {
        "pets/broken.png": "not_an_image",
        "pets/film.mp4": "not_an_image",
    }


def test_gold_of_a_bucket_is_found_by_the_key_that_refusals_name_and_by_the_files_name(
    photos: Any, bring: Import, empty: Project
) -> None:
    job = bring(s3="s3://photos/pets/", gold={"pets/a.png": "cat", "b.png": "dog"})
    assert "unknown_image" not in {row["code"] for row in job.errors}
    known = Gold.objects.values_list("task__image__name", "answers__category")
    assert dict(known) == {"a.png": "cat", "more/b.png": "dog"}


def test_of_a_bucket_is_told_how_many_files_came_and_no_share(
    photos: Any, bring: Import, told: list[tuple[float, str]]
) -> None:
    bring(s3="s3://photos/pets/")
    assert told == [(0.0, f"{number} files") for number in (1, 2, 3, 4)]


def test_the_same_again_brings_nothing_new(photos: Any, bring: Import) -> None:
    bring(s3="s3://photos/pets/")
    again = bring(s3="s3://photos/pets/")
    assert (again.result["imported"], again.result["duplicates"]) == (0, 2)


def test_an_import_that_was_killed_goes_on_after_the_last_key_whatever_came_before_it(
    photos: Any, empty: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "BATCH", 1)
    job = services.import_images(project=empty, user=empty.owner, s3="s3://photos/")
    Job.objects.filter(pk=job.pk).update(state="running", attempts=1, heartbeat_at=None)
    job.refresh_from_db()

    def one_is_in(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(bucket, "read", _stops_at("pets/broken.png"))
        with pytest.raises(KeyboardInterrupt):
            ingest.run(job, Report(job))
    job.refresh_from_db()
    assert job.result["cursor"] == "pets/a.png"
    photos.put_object(Bucket="photos", Key="aaa.png", Body=picture(9))  # before all others: it moves every position
    Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert jobs.requeue_stuck() == 1
    jobs.run(str(job.pk), ingest.run)
    job.refresh_from_db()
    assert (job.state, job.result["imported"], job.result["duplicates"]) == ("succeeded", 3, 0)
    assert sorted(Image.objects.values_list("name", flat=True)) == ["other/c.png", "pets/a.png", "pets/more/b.png"]


def _stops_at(key: str) -> Any:
    read = bucket.read

    def stop(place: bucket.Place, found: bucket.Object) -> bytes:
        if found.key == key:
            raise KeyboardInterrupt  # as a kill: nothing of the job's own catches it
        return read(place, found)

    return stop


@pytest.mark.parametrize(
    ("setting", "address"),
    [
        ([], "s3://photos/pets/"),
        (["others"], "s3://photos/pets/"),
        (["photos/public/"], "s3://photos/pets/"),
        (["photos/public/"], "s3://photos/"),
        (["photo"], "s3://photos/"),
    ],
)
def test_a_bucket_that_the_setting_does_not_name_is_refused_and_the_setting_is_named(
    empty: Project, settings: Any, setting: list[str], address: str
) -> None:
    settings.IMPORT_BUCKETS = setting
    answer = client(empty.owner).post(f"/api/v1/projects/{empty.slug}/images/", {"s3": address}, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "bucket_not_allowed")
    assert "IMPORT_BUCKETS" in answer.json()["error"]["message"]
    with translation.override("hi"), pytest.raises(CrowdtuneError) as told:
        bucket.allowed("s3://photos/pets/", setting)
    assert "it " not in told.value.message
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "address", ["http://photos/a", "photos/pets", "s3://", "s3://me:secret@photos/", "s3://photos/?x=1", "s3://[photos"]
)
def test_what_is_no_place_in_a_bucket_is_refused(settings: Any, address: str) -> None:
    with pytest.raises(CrowdtuneError, match="Expected s3"):
        bucket.allowed(address, ["photos"])


def test_a_prefix_in_the_setting_lets_in_what_is_below_it() -> None:
    assert bucket.allowed("s3://photos/public/2026/", ["photos/public/"]) == ("photos", "public/2026/")


def test_a_bucket_that_is_not_there_fails_the_job_with_the_services_reason(
    s3: Any, settings: Any, bring: Import
) -> None:
    settings.IMPORT_BUCKETS = ["nowhere"]
    job = bring(s3="s3://nowhere/")
    assert (job.state, [row["code"] for row in job.errors]) == ("failed", ["bucket_unreadable"])
    assert "NoSuchBucket" in job.message
    assert "test" not in job.message.replace("testing", "")


def test_a_bucket_that_hangs_is_waited_for_no_longer_than_the_platforms_own(photos: Any) -> None:
    own = databases.storage("s3://own")["OPTIONS"]["client_config"]
    config = bucket.client("photos").meta.config
    assert (config.connect_timeout, config.read_timeout) == (own.connect_timeout, own.read_timeout) == (5, 20)
    assert config.retries["total_max_attempts"] == own.retries["total_max_attempts"]


def test_a_store_that_is_away_is_waited_for_and_no_fault_of_its_objects(
    photos: Any, bring: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:  # a port that is taken, and where nobody answers
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        bucket._stored.cache_clear()
        job = bring(s3="s3://photos/pets/")
        with pytest.raises(EndpointConnectionError):
            bucket.read(bucket.Place("photos", "pets/"), bucket.Object("pets/a.png", 10))
    assert (job.state, job.errors, job.attempts) == ("queued", [], 0)
    assert job.message.startswith("The store of files does not answer. This goes on by itself")


def refusing(status: int, code: str) -> Any:
    """Before a request is sent: the store's answer, as one gives it that its keys, or its machines, are not well."""

    def answer(request: Any, **_more: Any) -> AWSResponse:
        body = io.BytesIO(f"<Error><Code>{code}</Code></Error>".encode())
        return AWSResponse(request.url, status, {}, type("Raw", (), {"stream": lambda *_sizes: iter([body.read()])})())

    return answer


@pytest.mark.parametrize(
    ("status", "code", "told", "answer"),
    [
        (503, "SlowDown", "The store of files does not answer. This goes on", 503),
        (500, "InternalError", "The store of files does not answer. This goes on", 503),
        (403, "AccessDenied", "The store of files refuses this; the log says why. This goes on", 503),
        (403, "RequestTimeTooSkewed", "The store of files refuses this; the log says why. This goes on", 503),
    ],
)
def test_an_import_waits_for_its_own_store_whatever_ails_that(
    s3: Any, settings: Any, empty: Project, run_actors: Any, status: int, code: str, told: str, answer: int
) -> None:
    s3.create_bucket(Bucket="own")
    settings.STORAGES = {**settings.STORAGES, "default": databases.storage("s3://own")}
    job = services.import_images(project=empty, user=empty.owner, files=[SimpleUploadedFile("a.png", picture(1))])
    events = default_storage.connection.meta.client.meta.events
    events.register("before-send.s3", ails := refusing(status, code))
    run_actors()
    job.refresh_from_db()
    assert (job.state, job.attempts, job.message[: len(told)]) == ("queued", 0, told)
    files = {"files": SimpleUploadedFile("b.png", picture(2))}
    api = client(empty.owner)
    api.raise_request_exception = False
    response = api.post(f"/api/v1/projects/{empty.slug}/images/", files, format="multipart")
    assert (response.status_code, response.json()["error"]["message"][:22]) == (answer, told[:22])
    events.unregister("before-send.s3", ails)
    Job.objects.update(heartbeat_at=timezone.now() - jobs.UNSENT_AFTER * 2)
    jobs.requeue_stuck()
    run_actors()
    job.refresh_from_db()
    assert (job.state, job.result["imported"], job.message) == ("succeeded", 1, "")


def test_a_store_that_does_not_answer_is_asked_for_nothing_more_by_who_uploads(
    s3: Any, settings: Any, empty: Project
) -> None:
    s3.create_bucket(Bucket="own")
    settings.STORAGES = {**settings.STORAGES, "default": databases.storage("s3://own")}
    asked: list[str] = []
    events = default_storage.connection.meta.client.meta.events
    events.register("before-call.s3", lambda model, **_more: asked.append(model.name))
    events.register("before-send.s3", refusing(503, "SlowDown"))
    with pytest.raises(ClientError):
        services.import_images(project=empty, user=empty.owner, files=[SimpleUploadedFile("a.png", picture(1))])
    assert asked == ["PutObject"]


def test_a_large_file_of_the_platforms_own_store_is_not_held_in_memory(s3: Any, settings: Any) -> None:
    s3.create_bucket(Bucket="own")
    settings.STORAGES = {**settings.STORAGES, "default": databases.storage("s3://own")}
    for name, size in (("small", 1), ("large", 2**23 + 1)):
        s3.put_object(Bucket="own", Key=name, Body=bytes(size))
        with default_storage.open(name) as file:
            assert len(file.read()) == size
            assert file.file._rolled == (name == "large")  # onto the disk


def test_an_object_is_not_refused_because_its_store_cannot_answer_just_now(photos: Any) -> None:
    place, found = bucket.Place("photos", "pets/"), bucket.Object("pets/a.png", 10)
    photos.meta.events.register("before-send.s3.GetObject", ails := refusing(503, "SlowDown"))
    with pytest.raises(ClientError, match="SlowDown"):
        bucket.read(place, found)
    photos.meta.events.unregister("before-send.s3.GetObject", ails)
    photos.meta.events.register("before-send.s3.GetObject", refusing(403, "AccessDenied"))
    with pytest.raises(CrowdtuneError, match="cannot be read: AccessDenied"):
        bucket.read(place, found)


def test_an_object_that_is_deleted_after_it_was_listed_is_told_as_missing(photos: Any) -> None:
    with pytest.raises(CrowdtuneError) as told:
        bucket.read(bucket.Place("photos", "pets/"), bucket.Object("pets/gone.png", 10))
    assert told.value.code == "missing"


def test_a_download_that_breaks_off_is_tried_again_and_taken_for_no_picture(photos: Any) -> None:
    place, found = bucket.Place("photos", "pets/"), bucket.Object("pets/a.png", 100)
    asked = []

    def breaks_off(request: Any, **_more: Any) -> AWSResponse:
        asked.append(request.url)
        body = HTTPResponse(io.BytesIO(b"x" * (40 if len(asked) in broken else 100)), preload_content=False)
        return AWSResponse(request.url, 200, {"Content-Length": "100"}, body)

    photos.meta.events.register("before-send.s3.GetObject", breaks_off)
    broken = {1}
    assert bucket.read(place, found) == b"x" * 100
    broken = {3, 4}
    with pytest.raises(CrowdtuneError, match="cannot be read: IncompleteReadError"):
        bucket.read(place, found)
    assert len(asked) == 4


def test_the_page_starts_an_import_from_a_bucket(photos: Any, empty: Project) -> None:
    page = Client()
    page.force_login(empty.owner)
    page.post(f"/projects/{empty.slug}/images/add/", {"s3": "s3://photos/pets/"})
    assert Job.objects.get().arguments["s3"] == {"bucket": "photos", "prefix": "pets/"}
