"""One image, asked in every way: the same probabilities."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tritonclient.http as triton
from django.core.files.storage import default_storage

from inference import services
from inference.api import v2
from labeling.accounts.keys import create_key
from labeling.files import storage
from labeling.files.imaging import pixels
from labeling.models import Job
from tests.inference.serving import CATEGORIES, SIZE, picture

PREDICT = "/api/v1/projects/colours/predict/"


def in_order(scores: list[dict]) -> list[float]:
    return [next(s["probability"] for s in scores if s["category"] == key) for key in CATEGORIES]


def read(url: str) -> bytes:
    return storage.read(url.split("/", 3)[3])


def over_the_api(api, data: bytes) -> list[float]:
    file = io.BytesIO(data)
    file.name = "photo.png"
    return in_order(api.post(PREDICT, {"image": file}, format="multipart").json()["predictions"][0]["categories"])


@pytest.mark.django_db(transaction=True)
def test_a_client_of_the_open_inference_protocol_gets_what_the_api_answers(
    live_server, api, champion, owner, add_version
) -> None:
    data = picture(5, (90, 70))
    expected = over_the_api(api, data)
    headers = {"Authorization": f"Token {create_key(user=owner)[1]}"}
    client = triton.InferenceServerClient(live_server.url.removeprefix("http://"))
    assert client.is_server_live(headers=headers)
    assert client.is_server_ready(headers=headers)
    assert client.is_model_ready("colours", headers=headers)
    assert client.get_server_metadata()["extensions"] == v2.EXTENSIONS
    told = client.get_model_metadata("colours", "1", headers=headers)
    assert (told["versions"], len(told["inputs"]), "FP32" in told["properties"]["input"]) == (["1"], 1, True)
    add_version(seed=9)
    assert client.get_model_metadata("colours", headers=headers)["versions"] == ["1", "2"]
    for binary in (True, False):
        file = triton.InferInput("images", [2], "BYTES")
        file.set_data_from_numpy(np.array([data, data], dtype=object), binary_data=True)
        floats = triton.InferInput("images", [1, SIZE, SIZE, 3], "FP32")
        floats.set_data_from_numpy(pixels(data, SIZE)[None].astype(np.float32), binary_data=binary)
        for given, n in ((file, 2), (floats, 1)):
            outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("probabilities", "labels")]
            # A copy: the client writes its own header into the dictionary that it is given.
            answer = client.infer("colours", [given], outputs=outputs, headers=dict(headers), request_id="42")
            np.testing.assert_allclose(answer.as_numpy("probabilities"), [expected] * n, atol=1e-5)
            label = answer.as_numpy("labels")[0]
            assert (label.decode() if isinstance(label, bytes) else label) == CATEGORIES[int(np.argmax(expected))]
            assert answer.get_response()["id"] == "42"
            best = triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)
            told = client.infer("colours", [given], outputs=[best], headers=dict(headers)).as_numpy("probabilities")
            assert told.shape == (n, 2)
            rows = [one.decode() if isinstance(one, bytes) else one for one in told[-1]]
            first, second = np.argsort(expected)[:-3:-1]
            assert [row.partition(":")[2] for row in rows] == [f"{at}:{CATEGORIES[at]}" for at in (first, second)]
            assert float(rows[0].partition(":")[0]) == pytest.approx(expected[first], abs=1e-5)
    with pytest.raises(triton.InferenceServerException, match="no such address"):
        client.get_inference_statistics("colours", headers=headers)
    with pytest.raises(triton.InferenceServerException, match="no version"):
        client.get_model_metadata("colours", "9", headers=headers)
    client.close()


@pytest.mark.parametrize("output", ["csv", "jsonl", "parquet"])
def test_a_batch_job_writes_what_the_api_answers(
    api, project, champion, add_images, owner, run_actors, output: str
) -> None:
    images = add_images(range(3))
    response = api.post("/api/v1/projects/colours/predict/batch/", {"stored": True, "format": output}, format="json")
    assert response.status_code == 202, response.content
    run_actors()
    job = Job.objects.get(pk=response.json()["job"])
    assert job.state == "succeeded", job.message
    assert job.result["images"] == 3
    told = api.get(f"/api/v1/jobs/{job.pk}/").json()["result"]
    assert told["url"].startswith("http://testserver/media/")
    assert default_storage.exists(told["file"])  # which goes with the project, and after a week
    content = read(job.result["url"])
    if output == "csv":
        answer = api.get(told["url"])
        assert answer.getvalue() == content
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(content.decode())))
    elif output == "jsonl":
        rows = [json.loads(line) for line in content.decode().splitlines()]
    else:
        rows = pq.read_table(io.BytesIO(content)).to_pylist()
    assert [row["image"] for row in rows] == [image.name for image in images]
    for number, row in enumerate(rows):
        expected = over_the_api(api, picture(number))
        np.testing.assert_allclose([float(row[f"p:{key}"]) for key in CATEGORIES], expected, atol=1e-5)


def test_a_batch_removes_what_it_had_left_when_its_worker_was_killed(
    api, champion, add_images, run_actors, monkeypatch
) -> None:
    add_images(range(3))
    response = api.post("/api/v1/projects/colours/predict/batch/", {"stored": True}, format="json")
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")  # the system's, which nobody tidies up
    job = Job.objects.get(pk=response.json()["job"])
    (storage.parts_folder() / f"{job.pk}-killed").mkdir()
    run_actors()
    job.refresh_from_db()
    assert job.state == "succeeded", job.message
    assert list(storage.parts_folder().iterdir()) == []


def test_a_batch_over_uploads_names_what_it_could_not_read(api, project, champion, run_actors) -> None:
    good, bad = io.BytesIO(picture(1)), io.BytesIO(b"no image")
    good.name, bad.name = "good.png", "bad.png"
    response = api.post("/api/v1/projects/colours/predict/batch/", {"files": [good, bad]}, format="multipart")
    run_actors()
    job = Job.objects.get(pk=response.json()["job"])
    assert (job.state, job.result["images"]) == ("succeeded", 1)
    assert [(error["item"], error["code"]) for error in job.errors] == [("bad.png", "not_an_image")]


def test_a_batch_over_addresses_names_each_by_its_whole_address(api, project, champion, owner, run_actors) -> None:
    addresses = [f"http://127.0.0.1/{folder}/photo.png" for folder in ("one", "two")]
    job = services.start_batch(project=project, user=owner, urls=addresses)
    run_actors()
    job.refresh_from_db()
    assert [error["item"] for error in job.errors] == addresses


def test_a_prefix_reads_the_projects_own_inbox_and_nothing_above_it(api, project, champion, owner, run_actors) -> None:
    storage.put("inbox/colours/day1/a.png", picture(1))
    storage.put("inbox/colours/day1/deep/b.png", picture(2))
    storage.put("inbox/other/c.png", picture(3))
    job = services.start_batch(project=project, user=owner, output="jsonl", prefix="day1")
    run_actors()
    job.refresh_from_db()
    assert job.result["images"] == 2
    for missing in ("day2", "day1/a.png"):
        job = services.start_batch(project=project, user=owner, prefix=missing)
        run_actors()
        job.refresh_from_db()
        assert job.state == "failed"
        assert f"inbox/colours/{missing}" in job.message
    for prefix in ("../other", "/inbox/other"):
        url = "/api/v1/projects/colours/predict/batch/"
        assert api.post(url, {"prefix": prefix}, format="json").status_code == 400


def test_what_cannot_be_read_when_its_turn_comes_costs_the_others_of_a_folder_nothing(
    api, project, champion, owner, run_actors
) -> None:
    storage.put("inbox/colours/day1/a.png", picture(1))
    storage.put("inbox/colours/day1/IMG_1.HEIC", b"\0\0\0\x18ftypheic")
    Path(default_storage.path("inbox/colours/day1/gone.png")).symlink_to("/nowhere")
    storage.put("inbox/colours/day1/shut/b.png", picture(2))
    Path(default_storage.path("inbox/colours/day1/shut/circle")).symlink_to("circle")  # also root sees nothing in it
    job = services.start_batch(project=project, user=owner, prefix="day1")
    run_actors()
    job.refresh_from_db()
    assert (job.state, job.result.get("images")) == ("succeeded", 1), job.message
    refused = [(error["item"].removeprefix("inbox/colours/day1/"), error["code"]) for error in job.errors]
    assert refused == [("IMG_1.HEIC", "not_an_image"), ("gone.png", "missing"), ("shut", "missing")]
