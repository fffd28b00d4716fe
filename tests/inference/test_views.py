"""The playground and the serving page."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inference import services
from inference.downloads.examples import examples
from inference.engine import runtime
from inference.engine.routing import routes
from inference.feedback import loop
from inference.models import Deployment, Drift, Prediction, Reason, Sample, Traffic
from inference.monitoring import figures, stored_reference
from inference.services.predicting import content_key
from labeling.accounts.keys import create_key
from labeling.files.storage import file_url
from labeling.models import ApiKey, Image, Membership, Role, Task
from labeling.services import create_project
from tests.inference.serving import picture
from training.models import ModelVersion

PLAYGROUND = "/projects/colours/playground/"
SERVING = "/projects/colours/serving/"
API = "/api/v1/projects/colours/predict/"
KEYS = "/projects/colours/settings/keys/"


@pytest.fixture
def browser(owner) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def photo(seed: int = 1) -> SimpleUploadedFile:
    return SimpleUploadedFile("photo.png", picture(seed), content_type="image/png")


def test_the_playground_answers_a_photo_with_bars_a_heat_map_and_the_version(browser, champion) -> None:
    assert 'accept="image/jpeg,image/png' in browser.get(PLAYGROUND).content.decode()  # Macs send image/* as HEIC
    page = browser.post(PLAYGROUND, {"image": photo()}, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in page
    assert page.count("<progress") == 3
    assert page.count('src="data:image/') == 2
    assert re.search(r"<dt>Version</dt><dd>1</dd>", page)


def test_the_playground_shows_the_nearest_training_images(browser, project, champion, add_images) -> None:
    images = add_images(range(8))
    for image in images:
        champion.run.snapshot.items.create(image=image, sha256=image.sha256, label="red", confidence=1, split="train")
    assert stored_reference.ensure_reference(champion) is not None
    page = browser.post(PLAYGROUND, {"image": photo(3)}, headers={"HX-Request": "true"}).content.decode()
    assert "Nearest training images" in page
    assert page.count('<figcaption class="truncate">red<') == 6  # what the model was told that they are
    assert f'href="/projects/{project.slug}/images/{images[3].pk}/"' in page
    assert page.index("3.png") < min(page.index(f"{n}.png") for n in (0, 1, 2, 4, 5, 6, 7) if f"{n}.png" in page)


def test_the_playground_offers_images_that_are_here_and_asks_about_the_chosen_one(
    browser, owner, project, champion, add_images
) -> None:
    image = add_images(range(8))[7]
    page = browser.get(PLAYGROUND).content.decode()
    assert page.count('name="stored"') == 6
    assert f'name="stored" value="{image.pk}"' in page
    answered = browser.post(PLAYGROUND, {"stored": image.pk}).content.decode()
    assert re.search(r"<dt>Version</dt><dd>1</dd>", answered)
    assert f'href="/projects/{project.slug}/images/{image.pk}/"' in answered
    assert "This is wrong" not in answered  # it is known here: its own page tells what people say of it
    other = create_project(owner=owner, name="Others", categories=["a", "b"])
    Image.objects.filter(pk=image.pk).update(project=other)
    refused = browser.post(PLAYGROUND, {"stored": image.pk}).content.decode()
    assert "The request has no image." in refused


def test_without_a_champion_or_with_a_broken_photo_the_playground_says_why(browser, project, champion) -> None:
    broken = SimpleUploadedFile("x.png", b"nothing", content_type="image/png")
    assert "Expected one of JPEG" in browser.post(PLAYGROUND, {"image": broken}).content.decode()
    ModelVersion.objects.update(alias="")
    page = browser.get(PLAYGROUND).content.decode()
    assert "No version answers yet" in page
    assert "Ask the champion" not in page


def test_the_serving_page_tells_of_a_version_whose_files_are_damaged(
    browser, project, champion, add_version, data_dir
) -> None:
    challenger = add_version(seed=2, alias="challenger")
    told = "Version 2 cannot be loaded"
    assert told not in browser.get(SERVING).content.decode()
    runtime.engine.cache_clear()
    (data_dir / challenger.artifact / "head.npz").write_bytes(b"")
    assert told in browser.get(SERVING).content.decode()
    Deployment.objects.create(project=project, challenger_mode="off")
    assert told not in browser.get(SERVING).content.decode()


def test_this_is_wrong_makes_the_photo_the_next_task_once(browser, project, champion) -> None:
    for _ in range(2):
        response = browser.post(PLAYGROUND + "wrong/", {"image": photo(9)})
        assert response.status_code == 302
    task = Task.objects.get(project=project)
    assert task.priority == 3.0
    assert Sample.objects.get().reason == "wrong"
    Task.objects.update(state="retired", retired_because="confident", open_slots=0)
    response = browser.post(PLAYGROUND + "wrong/", {"image": photo(9)}, follow=True)
    assert "People have labeled this image already" in response.content.decode()


def test_who_calls_a_challengers_answer_wrong_is_noted_with_the_challenger(
    browser, project, champion, add_version
) -> None:
    Deployment.objects.create(project=project, challenger_mode="share", challenger_share=0.5)
    add_version(seed=2, alias="challenger")
    route = routes.get(project.pk)
    seed = next(seed for seed in range(100) if route.choose(content_key([picture(seed)])) == route.challenger)
    assert "<dt>Version</dt><dd>2</dd>" in browser.post(PLAYGROUND, {"image": photo(seed)}).content.decode()
    browser.post(PLAYGROUND + "wrong/", {"image": photo(seed)})
    assert Sample.objects.get().version.number == 2


def test_an_image_of_the_project_that_a_person_called_wrong_outlives_the_retention(
    browser, project, champion, add_images
) -> None:
    """Only what came with a request is kept for a time; what the owner imported stays."""
    (image,) = add_images([9])
    browser.post(PLAYGROUND + "wrong/", {"image": photo(9)})
    assert Task.objects.get(image=image).priority == 3.0
    Sample.objects.update(created_at=timezone.now() - timedelta(days=31))
    loop.close(project.pk)
    assert Task.objects.filter(image=image).exists()


def test_the_serving_page_shows_versions_examples_and_settings(browser, project, champion) -> None:
    page = browser.get(SERVING).content.decode()
    assert "http://testserver/api/v1/projects/colours/predict/" in page
    assert "Version 1" in page
    assert "<script>" not in page


def test_a_latency_without_requests_is_told_to_be_of_the_shadow(browser, project, champion, add_version) -> None:
    told = {"images": 0, "latencies": [7] + [0] * 13, "compared": 7, "agreed": 7}
    Traffic.objects.create(project=project, version=add_version(seed=2, alias="challenger"), **told)
    Traffic.objects.create(project=project, version=champion, requests=7, images=7, latencies=[7] + [0] * 13)
    page = browser.get(SERVING).content.decode()
    assert page.count("in shadow</span>") == 1
    assert "+ 7 in shadow" in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["Python", "KServe v2"])
def test_the_examples_run_as_they_are_copied(
    live_server, champion, owner, name: str, tmp_path, monkeypatch, capsys
) -> None:
    (tmp_path / "photo.jpg").write_bytes(picture(1))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROWDTUNE_TOKEN", create_key(user=owner)[1])
    (text,) = [one.text for one in examples(live_server.url, "colours") if one.name == name]
    exec(compile(text, name, "exec"), {})
    printed = capsys.readouterr().out
    assert any(category in printed for category in ("blue", "green", "red"))


def test_an_example_for_a_server_behind_tls_asks_by_tls() -> None:
    assert 'InferenceServerClient("here.example", ssl=True)' in examples("https://here.example", "colours")[-1].text


def test_a_key_is_shown_once_and_works_until_it_is_revoked(browser, project, champion, client_of, owner) -> None:
    page = browser.post(KEYS, {"name": "site", "scopes": ["predict"]}, follow=True).content.decode()
    key = ApiKey.objects.get(project=project, name="site")
    text = re.search(rf"{re.escape(key.prefix)}[\w-]+", page)
    assert text is not None
    assert text.group() not in browser.get(KEYS).content.decode()
    client = Client(headers={"Authorization": f"Token {text.group()}"})
    url = "/api/v1/projects/colours/predict/"
    assert client.post(url, {"image": photo()}).status_code == 200
    browser.post(f"{KEYS}{key.pk}/", {"do": "revoke"})
    assert client.post(url, {"image": photo()}).status_code == 401


def test_a_limit_larger_than_any_count_is_refused_beside_its_field(browser, project, champion) -> None:
    response = browser.post(KEYS, {"name": "x", "scopes": ["predict"], "per_minute": "99999999999"})
    assert response.status_code == 400
    assert "1000000000" in response.content.decode()


def test_settings_out_of_range_are_shown_with_the_reason_and_not_kept(browser, project, champion) -> None:
    good = {
        "challenger_mode": "share", "challenger_share": "0.2", "random_share": "0.3", "sample_rate": "0",
        "sample_quota": "10", "retention_days": "5", "error_bound": "0.05",
    }  # fmt: skip
    assert browser.post(SERVING + "settings/", good).status_code == 302
    assert Deployment.objects.get().random_share == 0.3
    assert browser.post(SERVING + "settings/", good | {"challenger_share": "0.9"}).status_code in {302, 400}
    assert Deployment.objects.get().challenger_share == 0.2


def test_two_pages_of_serving_do_not_set_each_other_back(browser, project, champion) -> None:
    form = browser.get(SERVING).context["form"]
    stood = {name: value for name in form.fields if (value := form[name].value()) is not None and value is not False}
    meanwhile = {"auto_label": True, "retention_days": 3, "random_share": 0.4}
    services.configure(project=project, changes=meanwhile, user=project.owner)
    browser.post(SERVING + "settings/", {**stood, "shown": form.shown, "sample_quota": 7})
    kept = Deployment.objects.get()
    assert {name: getattr(kept, name) for name in meanwhile} == meanwhile
    assert kept.sample_quota == 7
    assert browser.get(SERVING).content.count(b'name="shown"') == 1


def test_a_click_promotes_and_another_rolls_back(browser, project, champion, add_version) -> None:
    second, third = add_version(seed=2), add_version(seed=3)
    assert "Roll back" not in browser.get(SERVING).content.decode()  # nothing to go back to yet
    for version in (second, third):
        browser.post(f"/projects/colours/models/{version.number}/promote/")
        assert ModelVersion.objects.get(alias="champion") == version
    assert f"Roll back to version {second.number}" in browser.get(SERVING).content.decode()
    browser.post("/projects/colours/models/rollback/")
    assert ModelVersion.objects.get(alias="champion") == second


def test_a_stranger_sees_neither_page(project, champion, django_user_model) -> None:
    client = Client()
    client.force_login(django_user_model.objects.create_user("stranger"))
    assert client.get(PLAYGROUND).status_code == 404
    assert client.get(SERVING).status_code == 404


def test_files_that_jobs_made_have_an_address_of_today_and_none_once_they_are_gone(browser, project, champion) -> None:
    made = {"file": "exports/1/a.csv", "url": "/media/over.x/exports/1/a.csv"}
    for kind, state, result, of in (
        ("download", "succeeded", made, "keras"), ("download", "succeeded", {}, "onnx"),
        ("download", "cancelled", {}, "saved_model"), ("predict", "succeeded", {}, "csv"),
    ):  # fmt: skip
        project.jobs.create(kind=kind, state=state, result=result, arguments={"format": of, "version": 1})
    with CaptureQueriesContext(connection) as queries:
        page = browser.get(f"{SERVING}downloads/").content.decode()
    assert not [one["sql"] for one in queries if '"labeling_job"."errors"' in one["sql"]]  # asked again every 2 s
    assert re.findall(r'href="([^"]+)" download', page) == [file_url("exports/1/a.csv")]
    said = re.findall(r'data-say="([^"]+)"', page)
    assert said[0] == "Download TensorFlow SavedModel: Cancelled"
    assert said[1:] == ["Download ONNX: Succeeded", "Download Keras: Succeeded"]
    assert "spinner" not in page


def test_images_that_were_kept_from_requests_are_one_click_away(browser, api, project, champion) -> None:
    link = "?q=request-"
    services.report_wrong(project=project, data=picture(1), user="somebody")
    assert link not in browser.get(SERVING).content.decode()  # it was no request's
    services.configure(project=project, changes={"sample_rate": 1.0, "sample_quota": 1}, user=None)
    routes.forget()
    photos = [
        SimpleUploadedFile("x.png", picture(seed)) for seed in range(2, 50)
    ]  # a sure one is kept one time in five
    api.post(API, {"image": photos}, format="multipart")
    kept = Sample.objects.exclude(reason=Reason.WRONG).get().image
    assert link in browser.get(SERVING).content.decode()
    page = browser.get(f"/projects/{project.slug}/images/{link}").content.decode()
    assert f"/images/{kept.pk}/" in page


def test_the_page_says_no_share_of_too_few_images_drawn_at_random(browser, project, champion, add_images) -> None:
    """One image that was right is no accuracy of 100 %."""
    now, *others = add_images(range(figures.LEAST_RANDOM))
    said = {"project": project, "version": champion, "is_correct": True, "reason": Reason.RANDOM}
    said |= {"probability": 0.9, "uncertainty": 0.1, "category": "red", "judged_at": timezone.now()}
    Prediction.objects.bulk_create([Prediction(image=image, **said) for image in others])
    assert "19 of 20 images drawn at random are labeled: too few to say" in browser.get(SERVING).content.decode()
    Prediction.objects.create(image=now, **said)
    assert "on 20 images drawn at random" in browser.get(SERVING).content.decode()


def test_a_drift_alarm_says_since_when_and_which_category_has_grown(
    browser, api, project, champion, add_images
) -> None:
    for image in add_images(range(8)):
        champion.run.snapshot.items.create(image=image, sha256=image.sha256, label="red", confidence=1, split="train")
    reference = stored_reference.ensure_reference(champion)
    assert reference is not None
    rarest = champion.categories[int(reference.class_shares.argmin())]
    now = timezone.now()
    measured = {"version": champion, "images": 60, "feature_distance": 1.0, "feature_limit": 1.0, "class_psi": 2.0}
    for ago, is_alarm in ((4, True), (3, False), (2, True), (0, True)):
        project_day = {"project": project, "day": now.date() - timedelta(days=ago)}
        Drift.objects.create(**project_day, **measured, is_alarm=is_alarm)
    Traffic.objects.create(project=project, version=champion, at=now, images=60, classes={rarest: 60})
    page = browser.get(SERVING)
    alarm = page.context["alarm"]
    assert (alarm.since, alarm.is_of_images) == (now.date() - timedelta(days=2), False)
    assert alarm.category == project.categories.get(key=rarest).name
    assert alarm.learned < alarm.share == 1
    assert "is its answer to 100" in page.content.decode()
    days = api.get("/api/v1/projects/colours/serving/").json()["drift"]
    assert [day["is_alarm"] for day in days] == [True, False, True, True]
    assert days[-1] == {
        "version": champion.number, "day": now.date().isoformat(), "images": 60, "input_drift": 1.0, "input_alarm": 1.5,
        "novel_share": None, "novel_alarm": None, "class_drift": 2.0, "class_alarm": 0.25, "is_alarm": True,
    }  # fmt: skip
    told = browser.get("/metrics").content.decode()
    for line in ("input_drift{project=%s} 1.0", "input_drift_alarm{project=%s} 1.5", "class_drift{project=%s} 2.0",
                 "class_drift_alarm{project=%s} 0.25", "drift_alarm{project=%s} 1.0"):  # fmt: skip
        assert "crowdtune_" + line % '"colours"' in told
    assert "crowdtune_novel_share{" not in told, "a day before it was counted"
    Drift.objects.filter(day=now.date()).update(class_psi=0.0, novel_share=0.125, novel_limit=0.0625)
    page = browser.get(SERVING)
    assert page.context["alarm"].novel == 0.125
    assert "of a kind that the champion never saw: 12" in page.content.decode()
    told = browser.get("/metrics").content.decode()
    assert 'crowdtune_novel_share{project="colours"} 0.125' in told
    assert 'crowdtune_novel_share_alarm{project="colours"} 0.0625' in told
    Drift.objects.filter(day=now.date()).update(is_alarm=False)
    assert browser.get(SERVING).context["alarm"] is None


def test_a_rotated_key_is_shown_on_the_next_page_once(browser, project, owner, champion) -> None:
    key, text = create_key(user=owner, project=project)
    page = browser.post(f"{KEYS}{key.pk}/", {"do": "rotate"}, follow=True)
    assert page.redirect_chain == [(KEYS, 302)]  # to load it again rotates nothing
    assert page.context["new_key"] not in ("", text)
    assert page.context["new_key"] in page.content.decode()
    assert not browser.get(KEYS).context["new_key"]


def test_keys_of_workers_stand_apart_and_nobody_is_offered_to_rotate_the_key_of_who_may_more(project, owner) -> None:
    made = [create_key(user=owner, project=project, name="shop")[0]]
    for role in (Role.MANAGER, Role.WORKER):
        user = User.objects.create_user(role)
        Membership.objects.create(project=project, user=user, role=role)
        made.append(create_key(user=user, project=project, scopes=("label",))[0])
    managing = Client()
    managing.force_login(User.objects.get(username=Role.MANAGER))
    page = managing.get(KEYS)
    rows = page.context["rows"] + page.context["of_workers"]
    assert [(row.key, row.is_rotatable) for row in rows] == [(made[1], True), (made[0], False), (made[2], True)]
    assert page.content.decode().count('value="rotate"') == 2
    managing.post(f"{KEYS}{made[0].pk}/", {"do": "rotate"})
    assert ApiKey.objects.count() == len(made)
