"""Batches of predictions that a program starts, whose key may predict and nothing else."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable

import pytest
from django.core.files.storage import default_storage
from rest_framework.test import APIClient

from inference.intake import limits
from inference.models import KeyLimit
from labeling.accounts.keys import create_key
from labeling.models import Job
from tests.inference.serving import URL, picture

BATCH = URL + "predict/batch/"


def packed(count: int, kind: str = "zip") -> io.BytesIO:
    """An archive of so many pictures."""
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            for number in range(count):
                archive.writestr(f"{number}.png", picture(number))
    else:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for number in range(count):
                info = tarfile.TarInfo(f"{number}.png")
                info.size = len(picture(number))
                archive.addfile(info, io.BytesIO(picture(number)))
    file.seek(0)
    file.name = f"pictures.{kind}"
    return file


@pytest.fixture
def program(client_of: Callable[..., APIClient], owner, project, champion) -> Callable[..., APIClient]:
    """A client of a key of the project that may predict, with limits: ``program(per_day=3)``."""

    def make(user=owner, **most: int) -> APIClient:
        key, text = create_key(user=user, project=project, scopes=("predict",))
        if most:
            KeyLimit.objects.create(key=key, **most)
        limits._known.clear()
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {text}")
        return client

    return make


def test_a_key_that_may_predict_starts_follows_and_fetches_its_batch(
    program, api, project, django_user_model, run_actors
) -> None:
    reviewer = django_user_model.objects.create_user("reviewer")
    project.memberships.create(user=reviewer, role="reviewer")
    client = program(reviewer)
    started = client.post(BATCH, {"archive": packed(3)}, format="multipart")
    assert started.status_code == 202, started.content
    run_actors()
    address = f"/api/v1/jobs/{started.json()['job']}/"
    told = client.get(address).json()
    assert (told["state"], told["result"]["images"]) == ("succeeded", 3)
    assert client.get(told["result"]["url"]).getvalue().count(b".png,") == 3
    assert client.get(f"{address}refused/").getvalue().startswith(b"item,")
    assert program().get(address).status_code == 404  # another person's key that only predicts
    assert api.get(address).status_code == 200


def test_the_crowds_labels_and_what_the_platform_reads_are_for_keys_that_manage(
    program, client_of, owner, project
) -> None:
    for source in ({"stored": True}, {"prefix": "day1"}, {"s3": "s3://bucket/day1/"}):
        refused = program().post(BATCH, source, format="json")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied"), source
    manages = client_of(owner, project=project, scopes=("manage",))
    assert manages.post(BATCH, {"prefix": "day1"}, format="json").status_code == 202
    of_crowd = client_of(owner, project=project, scopes=("label",))
    assert of_crowd.post(BATCH, {"urls": ["https://example.org/a.png"]}, format="json").status_code == 403
    assert Job.objects.count() == 1


def test_the_images_of_a_batch_count_against_the_limit_of_its_key(program, noon) -> None:
    client = program(per_day=5)
    codes = [
        client.post(BATCH, {"archive": packed(3)}, format="multipart").status_code,
        client.post(BATCH, {"urls": ["https://example.org/a.png"] * 3}, format="json").status_code,
        client.post(BATCH, {"urls": ["https://example.org/a.png"] * 6}, format="json").status_code,
        client.post(BATCH, {"files": [io.BytesIO(picture(1)), io.BytesIO(picture(2))]}, format="multipart").status_code,
        client.post(URL + "predict/", {"image": io.BytesIO(picture(1))}, format="multipart").status_code,
    ]
    assert codes == [202, 429, 400, 202, 429]
    assert KeyLimit.objects.get().day_used == 5


def test_an_archive_that_cannot_be_counted_before_is_refused_where_images_are_counted(program) -> None:
    refused = program(per_day=5).post(BATCH, {"archive": packed(2, "tar")}, format="multipart")
    assert (refused.status_code, list(refused.json()["error"]["fields"])) == (400, ["archive"])
    assert not default_storage.exists("imports") or default_storage.listdir("imports") == ([], [])
    assert program().post(BATCH, {"archive": packed(2, "tar")}, format="multipart").status_code == 202
