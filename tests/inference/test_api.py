"""``predict/`` as a program sees it."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import resource
import threading
from contextlib import ExitStack
from typing import Any

import numpy as np
import prometheus_client
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image as Picture

from inference.engine import runtime
from inference.intake import features as intake
from labeling.files import storage
from labeling.files.imaging import pixels, to_input
from labeling.models import Image, Job, Project
from labeling.services import add_images, add_member
from tests.inference.serving import CATEGORIES, SIZE, make_head, picture

URL = "/api/v1/projects/colours/predict/"
EXPLAIN = "/api/v1/projects/colours/explain/"


def upload(data: bytes, name: str = "photo.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, content_type="image/png")


def post_files(api: Any, *files: bytes, **fields: Any) -> Any:
    return api.post(URL, {"image": [upload(data) for data in files], **fields}, format="multipart")


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def store(project: Project, data: bytes, name: str = "stored.png") -> Image:
    sha256 = hashlib.sha256(data).hexdigest()
    original = storage.put(storage.image_name(project.pk, sha256, "original", "png"), data)
    return Image.objects.create(
        project=project, sha256=sha256, name=name, width=60, height=40, byte_count=len(data), original=original,
        display=original, thumbnail=original,
    )  # fmt: skip


def test_an_uploaded_image_is_answered_by_the_champion_with_probabilities_that_sum_to_one(api, champion) -> None:
    response = post_files(api, picture(1))
    assert response.status_code == 200, response.content
    assert response["X-Model-Version"] == "1"
    body = response.json()
    assert body["model_version"] == 1
    scores = body["predictions"][0]["categories"]
    assert {score["category"] for score in scores} == set(CATEGORIES)
    assert sum(score["probability"] for score in scores) == pytest.approx(1, abs=1e-5)
    assert scores == sorted(scores, key=lambda score: -score["probability"])
    assert 0 <= body["predictions"][0]["uncertainty"] <= 1


def test_the_answer_is_what_the_head_says_of_the_trunks_features(api, champion, data_dir) -> None:
    features = runtime.engine().trunk("tiny-0000").embed(pixels(picture(2), SIZE)[None])
    expected = make_head(1).probabilities(features)[0]
    got = {s["category"]: s["probability"] for s in post_files(api, picture(2)).json()["predictions"][0]["categories"]}
    np.testing.assert_allclose([got[key] for key in CATEGORIES], expected, atol=1e-5)


def test_upload_data_url_and_stored_id_of_one_image_give_one_answer(api, project, champion) -> None:
    data = picture(3)
    image = store(project, data)
    files = post_files(api, data).json()["predictions"][0]
    body = {"images": [data_url(data), {"id": image.pk}, {"id": str(image.pk)}]}
    answers = api.post(URL, body, format="json").json()["predictions"]
    assert answers == [files] * 3


def test_a_stored_image_is_answered_from_its_features_without_its_file(api, project, champion) -> None:
    image = store(project, picture(4))
    first = api.post(URL, {"images": [{"id": image.pk}]}, format="json").json()["predictions"]
    storage.default_storage.delete(image.original)
    embedded = prometheus_client.REGISTRY.get_sample_value("crowdtune_embedded_images_total")
    again = api.post(URL, {"images": [{"id": image.pk}]}, format="json")
    assert again.status_code == 200
    assert again.json()["predictions"] == first
    assert prometheus_client.REGISTRY.get_sample_value("crowdtune_embedded_images_total") == embedded


def test_a_stored_image_is_answered_while_the_disk_is_full(api, project, champion) -> None:
    data = picture(4)
    image, sent = store(project, data), post_files(api, data).json()["predictions"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # which the system says like a full disk
    try:
        answer = api.post(URL, {"images": [{"id": image.pk}]}, format="json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer.status_code == 200, answer.content
    assert answer.json()["predictions"] == sent


def test_a_stored_image_whose_file_is_gone_is_named(api, project, champion) -> None:
    there, gone = store(project, picture(5)), store(project, picture(6), "gone.png")
    storage.default_storage.delete(gone.original)
    images = [data_url(picture(7)), {"id": there.pk}, {"id": gone.pk}]
    answer = api.post(URL, {"images": images}, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "missing_file")
    assert answer.json()["error"]["fields"] == {"image": 2}


def test_a_batch_over_stored_images_has_no_answer_for_those_whose_file_is_gone(
    api, project, champion, add_version, run_actors, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [store(project, picture(number), f"{number}.png") for number in range(10, 17)]
    for gone in images[1:5]:
        storage.default_storage.delete(gone.original)
    read, read_original = [], intake.read_original

    def reading(image: Image) -> bytes:
        read.append(image.name)
        return read_original(image)

    monkeypatch.setattr(intake, "read_original", reading)
    started = api.post("/api/v1/projects/colours/predict/batch/", {"stored": True, "format": "csv"}, format="json")
    add_version(seed=4, alias="champion")  # a promotion meanwhile
    run_actors()
    job = Job.objects.get(pk=started.json()["job"])
    assert (job.state, job.result["images"]) == ("succeeded", 7)
    rows = list(csv.DictReader(io.StringIO(storage.read(job.result["file"]).decode())))
    assert [row["category"] == "" for row in rows] == [False, *[True] * 4, False, False]
    assert [(error["item"], error["code"]) for error in job.errors] == [
        (f"{number}.png", "missing_file") for number in range(11, 15)
    ]
    assert job.result["model_version"] == champion.number
    assert all(read.count(image.name) <= 2 for image in images)


@pytest.mark.parametrize("form", ["json", "multipart"])
def test_a_batch_waits_for_others_instead_of_failing(api, project, champion, run_actors, form: str) -> None:
    store(project, picture(20))
    body = {"stored": True} if form == "json" else {"files": [upload(picture(20))]}
    started = api.post(URL + "batch/", body, format=form)
    admission = runtime.engine().admission
    with ExitStack() as others:
        others.enter_context(admission.admit(admission.limit))
        threading.Timer(1.0, others.pop_all().close).start()
        run_actors()
    job = Job.objects.get(pk=started.json()["job"])
    assert (job.state, job.result["images"]) == ("succeeded", 1), job.message


def test_how_many_categories_is_told_by_the_query_too_and_the_body_comes_first(api, champion) -> None:
    post_files(api, picture(1))  # after which the short way is open
    body = {"images": [data_url(picture(1))]}
    answers = [
        api.post(URL + "?top_k=2", {"image": upload(picture(1))}, format="multipart"),
        api.post(URL + "?top_k=2", body, format="json"),
        api.post(URL + "?top_k=2", {**body, "top_k": 1}, format="json"),
    ]
    assert [len(answer.json()["predictions"][0]["categories"]) for answer in answers] == [2, 2, 1]
    refused = api.post(URL + "?top_k=many", body, format="json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_top_k")


def test_a_picture_under_another_name_is_told_the_right_one(api, champion) -> None:
    for name in ("file", "files", "images"):
        refused = api.post(URL, {name: upload(picture(1))}, format="multipart")
        assert (refused.status_code, "`image`" in refused.json()["error"]["message"]) == (400, True)
    refused = api.post(URL, {"image": data_url(picture(1))}, format="json")
    assert (refused.status_code, '`{"images": […]}`' in refused.json()["error"]["message"]) == (400, True)


def test_many_images_come_back_in_their_order(api, champion) -> None:
    seeds = list(range(20))
    together = post_files(api, *[picture(seed) for seed in seeds]).json()["predictions"]
    alone = [post_files(api, picture(seed)).json()["predictions"][0] for seed in seeds]
    assert together == alone


def test_a_content_type_is_read_in_capitals_too(api, champion) -> None:
    address = "data:image/png;base64," + base64.b64encode(picture()).decode()
    answer = api.post(URL, json.dumps({"images": [address]}), content_type="Application/JSON")
    assert answer.json()["predictions"] == post_files(api, picture()).json()["predictions"]


def test_a_slip_in_the_name_of_what_is_asked_for_is_refused_and_what_is_foreign_passed_over(api, champion) -> None:
    body = {"images": ["data:image/png;base64," + base64.b64encode(picture()).decode()], "session": "x"}
    asked = [
        post_files(api, picture(), topk=1),
        api.post(URL, {**body, "topk": 1}, format="json"),
        api.post(f"{URL}?topk=1", body, format="json"),
    ]
    for answer in asked:
        assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["topk"])
    assert api.post(f"{URL}?_=7", body, format="json").status_code == 200


def test_top_k_bounds_the_list(api, champion) -> None:
    assert len(post_files(api, picture(), top_k=2).json()["predictions"][0]["categories"]) == 2


def test_without_a_champion_the_answer_says_what_to_do(api, project, data_dir, add_version) -> None:
    for told in ("training then starts by itself", "version 1 was trained and did not become it"):
        response = post_files(api, picture())
        assert response.status_code == 409
        assert response.json()["error"]["code"] == "no_champion"
        assert told in response.json()["error"]["message"]
        add_version(seed=1, alias="challenger")


def test_a_stranger_does_not_learn_that_the_project_exists(client_of, champion) -> None:
    stranger = client_of(User.objects.create_user("stranger"))
    refused = post_files(stranger, picture())
    assert refused.status_code == 404
    assert refused.json() == stranger.post(URL.replace("colours", "nothing")).json()


@pytest.mark.parametrize(
    ("role", "status"), [("worker", 403), ("visitor", 403), ("reviewer", 200), ("manager", 200), ("stranger", 404)]
)
def test_who_only_labels_may_not_ask_the_classifier(client_of, project, champion, role: str, status: int) -> None:
    """Neither about a stored image nor about the same picture as an upload: the classifier would do their work."""
    person, image = User.objects.create_user("robin"), store(project, picture(3))
    if role == "visitor":
        Project.objects.filter(pk=project.pk).update(access=Project.Access.OPEN)
    elif role != "stranger":
        add_member(project=project, username="robin", role=role)
    api, pages = client_of(person), Client()
    pages.force_login(person)
    infer = {"inputs": [{"name": "images", "shape": [1], "datatype": "BYTES", "data": ["x"]}]}
    found = {
        "upload": post_files(api, picture(3)).status_code,
        "stored": api.post(URL, {"images": [{"id": image.pk}]}, format="json").status_code,
        "explain": api.post(EXPLAIN, {"image": {"id": image.pk}}, format="json").status_code,
        "model": api.get("/v2/models/colours").status_code,
        "page": pages.get("/projects/colours/playground/").status_code,
    }
    assert found == dict.fromkeys(found, status)
    assert api.post("/v2/models/colours/infer", infer, format="json").status_code == (400 if status == 200 else status)
    wrong = pages.post("/projects/colours/playground/wrong/", {"image": upload(picture(9))})
    assert wrong.status_code == (302 if status == 200 else status)


def test_without_a_key_the_answer_is_401(champion, client_of, owner) -> None:
    client = client_of(owner)
    client.credentials()
    assert post_files(client, picture()).status_code == 401


def broken() -> dict[str, tuple[bytes, str]]:
    whole = picture(5, (600, 400), "JPEG")
    huge = io.BytesIO()
    Picture.new("1", (9000, 9000)).save(huge, "PNG")
    return {
        "empty": (b"", "empty_file"),
        "text": (b"this is no picture at all", "not_an_image"),
        "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "svg"),
        "cut off": (whole[: len(whole) // 2], "damaged"),
        "bomb": (huge.getvalue(), "too_many_pixels"),
    }


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
@pytest.mark.parametrize(
    ("sound", "odd", "is_turned"),
    [
        (b"\x01\x1a\x00\x05", b"\x01\x1a\x00\x02", True),  # a resolution that is text
        (b"MM\x00*", b"\xffM\x00*", False),  # no EXIF at all, where it should begin
    ],
)
def test_a_note_of_the_camera_that_cannot_be_read_costs_nobody_the_picture(
    api, champion, project, form: str, sound: bytes, odd: bytes, is_turned: bool
) -> None:
    image = Picture.linear_gradient("L").resize((60, 40)).convert("RGB")
    note, plain, noted = Picture.Exif(), io.BytesIO(), io.BytesIO()
    note[0x0112], note[0x011A] = 6, 72.0  # lies on its side
    image.save(plain, form)
    image.save(noted, form, exif=note.tobytes())
    data = noted.getvalue().replace(sound, odd)
    assert data != noted.getvalue()
    assert post_files(api, data).status_code == 200
    expected = Picture.open(plain).convert("RGB")
    expected = expected.transpose(Picture.Transpose.ROTATE_270) if is_turned else expected
    assert (pixels(data, 32) == to_input(expected, 32)).all()
    (added,) = add_images(project=project, images={"noted": data})
    assert (added.width, added.height) == ((40, 60) if is_turned else (60, 40))


@pytest.mark.parametrize("case", ["empty", "text", "svg", "cut off", "bomb"])
def test_a_bad_image_is_a_clear_400_that_names_which(api, champion, case: str) -> None:
    data, code = broken()[case]
    response = api.post(URL, {"images": [data_url(picture()), data_url(data)]}, format="json")
    assert response.status_code == 400, response.content
    assert response.json()["error"]["code"] == code
    assert response.json()["error"]["fields"] == {"image": 1}
    assert "Image 2" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "no_image"),
        ({"images": []}, 400, "no_image"),
        ({"images": ["data:image/png;base64,%%%"]}, 400, "bad_data_url"),
        ({"images": ["cat.jpg"]}, 400, "bad_data_url"),
        ({"images": [7]}, 400, "bad_image"),
        ({"images": [{"id": 10**30}]}, 404, "no_such_image"),
        ({"images": [{"id": "one"}]}, 404, "no_such_image"),
        ({"images": [{"id": 123456}]}, 404, "no_such_image"),
        ({"images": [{"url": "http://127.0.0.1/"}]}, 400, "address_refused"),
        ({"images": ["data:image/png;base64,AAAA"] * 65}, 400, "too_many_images"),
        ({"images": ["data:image/png;base64,AAAA"], "top_k": 0}, 400, "bad_top_k"),
        ({"images": ["data:image/png;base64,AAAA"], "top_k": "many"}, 400, "bad_top_k"),
        ([1, 2], 400, "no_image"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_used_is_refused_with_a_reason(api, champion, body, status, code) -> None:
    response = api.post(URL, body, format="json")
    assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.content


def test_an_image_of_another_project_is_not_answered(api, champion, owner) -> None:
    other = Project.objects.create(slug="other", name="Other", owner=owner)
    image = store(other, picture(6))
    assert api.post(URL, {"images": [{"id": image.pk}]}, format="json").status_code == 404


def test_a_full_queue_answers_503_with_retry_after(api, champion) -> None:
    post_files(api, picture())
    admission = runtime.engine().admission
    with admission.admit(admission.limit):
        response = post_files(api, picture())
    assert response.status_code == 503
    assert response["Retry-After"] == "1"
    assert response.json()["error"]["code"] == "busy"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("{version}/head.npz", "Version 1 cannot be loaded"),
        ("{version}/manifest.json", "Version 1 cannot be loaded"),
        ("trunks/tiny-0000/trunk.bin", "The network tiny-0000 cannot be loaded"),
    ],
)
def test_a_version_whose_files_changed_does_not_answer(api, champion, data_dir, caplog, file: str, said: str) -> None:
    path = data_dir / file.format(version=champion.artifact)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    response = post_files(api, picture())
    assert response.status_code == 503
    error = response.json()["error"]
    assert error["code"] == "broken_version"
    assert said in error["message"]
    assert str(data_dir) not in error["message"]
    assert str(path.parent) in caplog.text


def test_a_request_larger_than_is_taken_is_refused_before_it_is_read(api, champion) -> None:
    response = api.post(URL, {"images": []}, format="json", CONTENT_LENGTH=str(10**10))
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


def test_prometheus_sees_latency_by_version_the_queue_and_what_networks_did(api, champion, owner, client) -> None:
    owner.is_staff = True
    owner.save()
    client.force_login(owner)
    embedded = prometheus_client.REGISTRY.get_sample_value("crowdtune_embedded_images_total")
    assert embedded is not None
    post_files(api, picture(), picture(1))
    page = client.get("/metrics").content.decode()
    assert f"\ncrowdtune_embedded_images_total {embedded + 2}\n" in page
    assert 'crowdtune_predict_seconds_count{project="colours",version="1"}' in page
    assert "crowdtune_predict_queue_images 0.0" in page
    assert "crowdtune_model_cache_bytes" in page


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
def test_a_protocol_question_that_a_browser_sends_as_a_form_is_checked_and_read_as_any_other(
    project, champion, owner, kind: str
) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)
    browser.get("/projects/colours/playground/")
    body = {"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1], "data": [data_url(picture(1))]}]}
    ask = {"data": json.dumps(body), "content_type": kind}
    assert browser.post("/v2/models/colours/infer", **ask).status_code == 403
    token = {"X-CSRFToken": browser.cookies["csrftoken"].value}
    assert browser.post("/v2/models/colours/infer", **ask, headers=token).status_code == 200


def test_a_version_is_asked_for_by_its_alias_too(api, champion, add_version) -> None:
    body = {"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": [data_url(picture(1))]}]}
    assert api.get("/v2/models/colours/versions/challenger").status_code == 404, "none is there yet"
    add_version(seed=2, alias="challenger")
    for alias, number in (("champion", "1"), ("challenger", "2")):
        assert api.get(f"/v2/models/colours/versions/{alias}").json()["versions"] == [number]
        answer = api.post(f"/v2/models/colours/versions/{alias}/infer", body, format="json")
        assert (answer.status_code, answer.json()["model_version"]) == (200, number)
    assert api.get("/v2/models/colours/versions/best").status_code == 404


def test_a_model_is_told_of_without_loading_its_network(api, champion) -> None:
    cache = runtime.engine().cache
    assert api.get("/v2/models/colours").json()["platform"] == "openvino"
    assert len(cache) == 0
    assert api.get("/v2/models/colours/ready").json()["ready"] is True
    assert len(cache) == 2, "the network and the version's head"
    assert api.get("/v2/models/colours/versions/1").json()["platform"] == "openvino"
