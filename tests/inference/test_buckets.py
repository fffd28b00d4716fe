"""Predictions over the pictures of a bucket, from an S3 service on this machine."""

from __future__ import annotations

from typing import Any

import pytest

from config import databases
from config.processes import prepare
from labeling.files import storage
from labeling.models import Job
from tests.inference.serving import picture
from tests.labeling.importing.conftest import s3  # noqa: F401 - a fixture
from tests.s3 import s3_service

BATCH = "/api/v1/projects/colours/predict/batch/"


@pytest.fixture
def photos(s3: Any, settings: Any) -> Any:  # noqa: F811 - the fixture
    """Three pictures, one of them damaged, and a note under ``new/``; another picture elsewhere."""
    settings.IMPORT_BUCKETS = ["photos/new/"]
    s3.create_bucket(Bucket="photos")
    pictures = {"new/a.png": picture(1), "new/deep/b.png": picture(2), "new/c.png": b"\x89PNG damaged"}
    for name, data in {**pictures, "new/notes.txt": b"x", "old/d.png": picture(3)}.items():
        s3.put_object(Bucket="photos", Key=name, Body=data)
    return s3


def test_a_prefix_of_an_allowed_bucket_is_answered_and_each_bad_object_is_one_error(
    api, champion, photos, run_actors
) -> None:
    started = api.post(BATCH, {"s3": "s3://photos/new/", "format": "csv"}, format="json")
    assert started.status_code == 202, started.content
    run_actors()
    job = Job.objects.get(pk=started.json()["job"])
    assert job.state == "succeeded", job.message
    assert job.result["images"] == 2
    assert {error["item"].rpartition("/")[2] for error in job.errors} == {"c.png", "notes.txt"}


def test_a_prefix_under_which_nothing_lies_is_told_of(api, champion, photos, run_actors) -> None:
    assert api.post(BATCH, {"s3": "s3://photos/new/deeper/"}, format="json").status_code == 202
    run_actors()
    job = Job.objects.get()
    assert (job.state, job.message) == ("failed", "s3://photos/new/deeper/ holds no file.")


def test_a_bucket_that_the_setting_does_not_name_is_refused(api, champion, photos) -> None:
    for address in ("s3://photos/old/", "s3://other/new/", "https://photos/new/"):
        refused = api.post(BATCH, {"s3": address}, format="json")
        assert refused.status_code in {400, 403}, address
        assert refused.json()["error"]["code"] in {"bucket_not_allowed", "invalid"}
    assert not Job.objects.exists()


def test_a_prefix_that_is_not_in_the_platforms_own_bucket_is_told_of(
    api, champion, settings, monkeypatch, run_actors
) -> None:
    with s3_service(monkeypatch):
        settings.STORAGES = {**settings.STORAGES, "default": databases.storage("s3://crowdtune")}
        prepare.ensure_bucket()
        for name in ("a.png", "deep/b.png"):
            storage.put(f"inbox/colours/day1/{name}", picture(1))
        for prefix in ("day1", "day2"):
            assert api.post(BATCH, {"prefix": prefix}, format="json").status_code == 202
        run_actors()
    there, missing = Job.objects.order_by("created_at")
    assert (there.state, there.result.get("images")) == ("succeeded", 2), there.message
    assert (missing.state, "inbox/colours/day2" in missing.message) == ("failed", True)
