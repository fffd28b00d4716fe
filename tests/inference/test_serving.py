"""Settings, keys, limits, kept images and the model's own labels, over the API and in the background."""

from __future__ import annotations

import hashlib
import io
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from PIL import Image as Picture
from rest_framework.test import APIClient

from inference import autolabel, backlog, drift, inputs, limits, loop, references
from inference.figures import by_version, drift_plots, latency_plot
from inference.grants import grants
from inference.models import AutoLabel, Deployment, Drift, Prediction, Reason, Sample, Traffic
from inference.routing import routes
from inference.traffic import recorder
from labeling.models import ApiKey, AuditEntry, Consensus, Image, Task
from labeling.services import decide_task, replace_survey
from tests.inference.serving import picture

URL = "/api/v1/projects/colours/"


def ask(api, seed: int = 1):
    file = io.BytesIO(picture(seed))
    file.name = "photo.png"
    return api.post(URL + "predict/", {"image": file}, format="multipart")


def test_settings_are_changed_checked_and_written_down(api, project, champion) -> None:
    response = api.patch(URL + "serving/", {"challenger_mode": "share", "challenger_share": 0.2}, format="json")
    assert response.status_code == 200, response.content
    assert response.json()["settings"]["challenger_share"] == 0.2
    assert AuditEntry.objects.get(action="serving_changed").changes["challenger_share"] == [0.1, 0.2]
    for bad in ({"challenger_share": 0.9}, {"sample_rate": 2}, {"error_bound": 0}, {"challenger_mode": "all"}):
        assert api.patch(URL + "serving/", bad, format="json").status_code == 400, bad


def test_a_setting_out_of_range_is_named_with_its_range(api, project, champion) -> None:
    for name, bad in (("challenger_share", 0.9), ("error_bound", 0), ("sample_rate", -1), ("retention_days", 4000)):
        refused = api.patch(URL + "serving/", {name: bad}, format="json").json()["error"]
        assert list(refused["fields"]) == [name], refused
        assert "Constraint" not in str(refused)


def test_one_project_whose_loop_breaks_does_not_keep_the_others_from_theirs(project, champion, caplog) -> None:
    Deployment.objects.create(project=project, retention_days=2_000_000_000)  # no calendar goes back so far
    loop.close_all()
    assert "its loop could not be closed" in caplog.text


def test_a_key_is_shown_once_rotated_with_grace_and_revoked(api, project, champion) -> None:
    made = api.post(URL + "keys/", {"name": "site", "scopes": ["predict"], "per_day": 5}, format="json").json()
    assert "token" not in api.get(URL + "keys/").json()["results"][0]
    old, new = APIClient(), APIClient()
    old.credentials(HTTP_AUTHORIZATION=f"Token {made['token']}")
    rotated = api.post(f"{URL}keys/{made['id']}/rotate/").json()
    new.credentials(HTTP_AUTHORIZATION=f"Token {rotated['token']}")
    assert rotated["per_day"] == 5
    assert (ask(old).status_code, ask(new).status_code) == (200, 200)
    ApiKey.objects.filter(pk=made["id"]).update(expires_at=timezone.now() - timedelta(seconds=1))
    grants.forget()  # as a second later
    assert ask(old).status_code == 401
    assert api.delete(f"{URL}keys/{rotated['id']}/").status_code == 204
    assert ask(new).status_code == 401


def test_a_manager_gets_no_copy_of_a_key_of_the_owner(api, client_of, owner, project, django_user_model) -> None:
    owners = api.post(URL + "keys/", {"scopes": ["manage"]}, format="json").json()
    manager = django_user_model.objects.create_user("manager")
    project.memberships.create(user=manager, role="manager")
    refused = client_of(manager).post(f"{URL}keys/{owners['id']}/rotate/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
    own = client_of(manager).post(URL + "keys/", {"scopes": ["manage"]}, format="json").json()
    assert client_of(manager).post(f"{URL}keys/{own['id']}/rotate/").status_code == 201
    assert api.post(f"{URL}keys/{own['id']}/rotate/").status_code == 201


def test_keys_are_told_as_the_schema_says(api, project) -> None:
    schemas = SchemaGenerator().get_schema(request=None, public=True)["components"]["schemas"]
    made = api.post(URL + "keys/", {"scopes": ["predict"]}, format="json").json()
    (listed,) = api.get(URL + "keys/").json()["results"]
    assert set(schemas["KeyMade"]["required"]) <= set(made) <= set(schemas["KeyMade"]["properties"])
    assert set(schemas["Key"]["required"]) <= set(listed) <= set(schemas["Key"]["properties"])


def test_a_key_does_what_its_scopes_say_and_only_in_its_project(api, client_of, owner, project, champion) -> None:
    assert ask(client_of(owner, scopes=("label",))).status_code == 403
    predict = client_of(owner, scopes=("predict",))
    assert ask(predict).status_code == 200
    assert predict.get(URL + "serving/").status_code == 403
    other = type(project).objects.create(slug="other", name="Other", owner=owner)
    assert ask(client_of(owner, project=other)).status_code == 404


def test_a_key_with_a_limit_is_refused_beyond_it_and_says_for_how_long(api, client_of, owner, champion) -> None:
    limits._known.clear()
    made = api.post(URL + "keys/", {"scopes": ["predict"], "per_minute": 2, "per_day": 3}, format="json").json()
    client = client_of(owner)
    client.credentials(HTTP_AUTHORIZATION=f"Token {made['token']}")
    answers = [ask(client) for _ in range(4)]
    codes = [answer.status_code for answer in answers]
    assert codes[:2] == [200, 200]
    assert codes[-1] == 429
    assert int(answers[-1]["Retry-After"]) > 0
    assert answers[-1].json()["error"]["code"] == "quota_spent"


def test_a_request_with_more_images_than_the_key_ever_may_is_told_so(api, client_of, owner, champion) -> None:
    limits._known.clear()
    made = api.post(URL + "keys/", {"scopes": ["predict"], "per_minute": 2}, format="json").json()
    client = client_of(owner)
    client.credentials(HTTP_AUTHORIZATION=f"Token {made['token']}")
    files = [io.BytesIO(picture(seed)) for seed in range(3)]
    refused = client.post(URL + "predict/", {"image": files}, format="multipart")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "too_many_images")
    assert "3 images" in refused.json()["error"]["message"]
    assert ask(client).status_code == 200


def test_a_key_that_has_used_up_its_minute_makes_us_fetch_nothing(api, client_of, owner, champion, monkeypatch) -> None:
    fetched = []

    def fetch(url: str, **_options: float) -> bytes:
        fetched.append(url)
        return picture(1)

    monkeypatch.setattr(inputs, "fetch", fetch)
    limits._known.clear()
    made = api.post(URL + "keys/", {"scopes": ["predict"], "per_day": 1}, format="json").json()
    client = client_of(owner)
    client.credentials(HTTP_AUTHORIZATION=f"Token {made['token']}")
    body = {"images": [{"url": "https://example.org/a.png"}]}
    answers = [client.post(URL + "predict/", body, format="json").status_code for _ in range(3)]
    assert answers == [200, 429, 429]
    assert len(fetched) == 1
    bad = {"images": [{"url": "https://example.org/a.png"}, "data:nonsense"]}
    assert client.post(URL + "predict/", bad, format="json").status_code == 400
    assert len(fetched) == 1


def test_a_key_that_is_replaced_twice_passes_its_own_lifetime_on(api, project) -> None:
    for days in (90, None):
        made = api.post(URL + "keys/", {"scopes": ["predict"], "days": days}, format="json").json()
        for _ in range(2):  # the second time it is in its last day
            row = ApiKey.objects.get(pk=api.post(f"{URL}keys/{made['id']}/rotate/").json()["id"])
            life = row.expires_at and round((row.expires_at - row.created_at) / timedelta(days=1))
            assert life == days


def test_nothing_is_kept_unless_somebody_turned_it_on(api, project, champion) -> None:
    ask(api)
    assert Image.objects.count() == 0


def test_kept_images_become_tasks_once_within_the_quota_and_can_be_deleted(api, project, champion) -> None:
    api.patch(URL + "serving/", {"sample_rate": 1.0, "sample_quota": 3}, format="json")
    routes.forget()
    for seed in [*range(40), 0, 1]:
        assert ask(api, seed).status_code == 200
    kept = list(Sample.objects.all())
    assert len(kept) == 3
    assert Task.objects.filter(image__in=[row.image_id for row in kept], priority__gt=1).count() == 3
    assert Prediction.objects.count() == 3
    listed = api.get(URL + "samples/").json()["results"]
    assert [row["id"] for row in listed] == [row.image_id for row in reversed(kept)]
    assert {row["sha256"] for row in listed} <= {hashlib.sha256(picture(seed)).hexdigest() for seed in range(40)}
    assert {row["model_version"] for row in listed} == {1}
    assert {row["reason"] for row in listed} <= set(Reason)
    assert all(row["url"].startswith("http://testserver/media/") for row in listed)
    assert api.delete(f"{URL}samples/{kept[0].image_id}/").status_code == 204
    assert api.delete(f"{URL}samples/{kept[0].image_id}/").status_code == 404
    Sample.objects.update(created_at=timezone.now() - timedelta(days=31))
    loop.close(project.pk)
    assert Sample.objects.count() == 0
    assert Image.objects.count() == 0


def held_out(version, images) -> None:
    """Every image is held out, and the version is right on all of them."""
    answer = {row.image_id: row.category for row in Prediction.objects.filter(version=version)}
    for image in images:
        version.run.snapshot.items.create(
            image=image, sha256=image.sha256, label=answer[image.pk], confidence=1, split="test"
        )


@pytest.mark.django_db
def test_the_model_labels_what_it_is_sure_of_and_the_audit_stops_it(
    api, project, champion, add_images, owner, monkeypatch
) -> None:
    images = add_images(range(40))
    backlog.score_pool(project.pk)
    held_out(champion, images)
    Prediction.objects.update(novelty=0)
    monkeypatch.setattr(autolabel, "AUDIT_SHARE", 0.5)
    Deployment.objects.update(auto_label=True, error_bound=0.1)
    loop.close(project.pk)
    labels = AutoLabel.objects.filter(is_audit=False)
    audits = AutoLabel.objects.filter(is_audit=True)
    assert labels.count() + audits.count() == 40
    assert Consensus.objects.filter(method="model", is_final=True).count() == labels.count()
    assert Consensus.objects.for_training(project).count() == 0
    for row in audits:
        wrong = next(key for key in ("blue", "green", "red") if key != row.category)
        decide_task(task=row.image.tasks.get(), answers={"label": wrong}, user=owner)
    loop.close(project.pk)
    deployment = Deployment.objects.get()
    assert not deployment.auto_label
    assert "audit" in deployment.auto_label_stopped


def start_labeling(api, project, version, images, monkeypatch) -> None:
    """The model labels half of the images and leaves the other half to the audit."""
    backlog.score_pool(project.pk)
    held_out(version, images)
    Prediction.objects.update(novelty=0)
    monkeypatch.setattr(autolabel, "AUDIT_SHARE", 0.5)
    assert api.patch(URL + "serving/", {"auto_label": True, "error_bound": 0.1}, format="json").status_code == 200
    loop.close(project.pk)


def contradict(audits, owner) -> None:
    for row in audits:
        wrong = next(key for key in ("blue", "green", "red") if key != row.category)
        decide_task(task=row.image.tasks.get(), answers={"label": wrong}, user=owner)


def test_after_a_failed_audit_a_person_can_let_the_model_label_again(
    api, project, champion, add_images, owner, monkeypatch
) -> None:
    start_labeling(api, project, champion, add_images(range(40)), monkeypatch)
    contradict(AutoLabel.objects.filter(is_audit=True), owner)
    loop.close(project.pk)
    assert not Deployment.objects.get().auto_label
    api.patch(URL + "serving/", {"auto_label": True}, format="json")
    loop.close(project.pk)
    assert Deployment.objects.get().auto_label


def test_the_model_gives_no_label_that_has_left_the_survey(
    api, project, champion, add_images, owner, monkeypatch
) -> None:
    images = add_images(range(40))
    backlog.score_pool(project.pk)
    said = Prediction.objects.first().category
    replace_survey(project=project, categories=[*{"blue", "green", "red"} - {said}, "pink"], user=owner)
    start_labeling(api, project, champion, images, monkeypatch)
    assert not AutoLabel.objects.filter(category=said).exists()


def test_labels_by_the_model_do_not_run_ahead_of_the_answers_of_the_audit(
    api, project, champion, add_images, owner, monkeypatch
) -> None:
    monkeypatch.setattr(autolabel, "BATCH", 16)
    start_labeling(api, project, champion, add_images(range(60)), monkeypatch)
    for _ in range(20):
        loop.close(project.pk)
    waiting = AutoLabel.objects.filter(is_audit=True, is_correct=None)
    assert 8 <= waiting.count() <= 16  # of every two sure images one: they stand for 16 labels
    before = AutoLabel.objects.count()
    assert before < 60
    for row in waiting:
        decide_task(task=row.image.tasks.get(), answers={"label": row.category}, user=owner)
    loop.close(project.pk)
    assert AutoLabel.objects.count() > before


def test_a_failed_audit_withdraws_the_labels_of_its_version_but_for_what_people_have_decided(
    api, project, champion, add_images, owner, monkeypatch
) -> None:
    start_labeling(api, project, champion, add_images(range(40)), monkeypatch)
    given = list(AutoLabel.objects.filter(is_audit=False))
    decided = given[0]
    decide_task(task=decided.image.tasks.get(), answers={"label": decided.category}, user=owner)
    contradict(AutoLabel.objects.filter(is_audit=True), owner)
    loop.close(project.pk)
    assert not Consensus.objects.filter(method="model").exists()
    opened = Task.objects.filter(state="open", open_slots=F("wanted"), retired_at=None)
    assert set(opened.values_list("image_id", flat=True)) == {row.image_id for row in given[1:]}
    project.refresh_from_db()
    assert project.retired_count == Task.objects.filter(state="retired").count()
    assert f"{len(given) - 1} labels by the model" in Deployment.objects.get().auto_label_stopped
    assert list(AutoLabel.objects.filter(is_audit=False)) == [decided]


def test_an_audit_that_still_waits_at_a_promotion_is_judged_and_can_fail(
    api, project, champion, add_version, add_images, owner, monkeypatch
) -> None:
    start_labeling(api, project, champion, add_images(range(40)), monkeypatch)
    add_version(seed=2, alias="champion")
    backlog.score_pool(project.pk)
    contradict(AutoLabel.objects.filter(is_audit=True), owner)
    loop.close(project.pk)
    assert not AutoLabel.objects.filter(is_audit=True, is_correct=None).exists()
    assert not Deployment.objects.get().auto_label


def test_one_versions_good_audit_does_not_hide_anothers_bad_one(
    api, project, champion, add_version, add_images, owner, monkeypatch
) -> None:
    images = add_images(range(10))
    good, bad = add_images(range(10, 300), embed=False), images
    backlog.score_pool(project.pk)
    newer = add_version(seed=2, alias="champion")
    Deployment.objects.update(auto_label=True, error_bound=0.05)
    AutoLabel.objects.bulk_create(
        AutoLabel(
            project=project, image=image, version=version, category="red", probability=1, is_audit=True,
            is_correct=right,
        )
        for version, some, right in ((champion, good, True), (newer, bad, False))
        for image in some
    )  # fmt: skip
    Prediction.objects.bulk_create(
        Prediction(
            project=project, image=row.image, version=row.version, category="red", probability=1, uncertainty=0,
            is_correct=row.is_correct,
        )
        for row in AutoLabel.objects.all()
        if row.version == newer
    )  # fmt: skip
    loop.close(project.pk)
    assert not Deployment.objects.get().auto_label


def test_too_few_held_out_images_let_the_model_label_nothing(project, champion, add_images) -> None:
    images = add_images(range(20))
    backlog.score_pool(project.pk)
    held_out(champion, images)
    Deployment.objects.update(auto_label=True, error_bound=0.01)
    loop.close(project.pk)
    assert AutoLabel.objects.count() == 0


def test_requests_unlike_the_training_images_raise_the_drift_of_the_day(
    api, project, champion, add_images, monkeypatch
) -> None:
    images = add_images(range(60))
    for image in images:
        champion.run.snapshot.items.create(image=image, sha256=image.sha256, label="red", confidence=1, split="train")
    assert references.ensure_reference(champion) is not None
    for seed in range(55):
        ask(api, seed)
    recorder.flush()
    loop.close(project.pk)
    calm = Drift.objects.get()
    assert not calm.is_alarm
    monkeypatch.setattr(drift, "chance_limit", pytest.fail)  # 200 draws: not while nobody asks
    loop.close(project.pk)
    monkeypatch.undo()
    Traffic.objects.all().delete()
    white = io.BytesIO()
    Picture.new("RGB", (40, 40), "white").save(white, "PNG")
    for _ in range(56):
        white.seek(0)
        api.post(URL + "predict/", {"image": io.BytesIO(white.getvalue())}, format="multipart")
    recorder.flush()
    loop.close(project.pk)
    stormy = Drift.objects.get()
    assert stormy.is_alarm
    assert stormy.feature_distance > calm.feature_distance


def test_plots_show_the_version_that_answers_and_its_newest_days(project, add_version) -> None:
    champion = add_version(alias="champion")
    newer = [add_version() for _ in range(8)]
    for version in (champion, *newer):
        Traffic.objects.create(project=project, version=version, requests=1, images=1, latencies=[1] * 14)
        for days in (1, 2, 100, 101):
            Drift.objects.create(
                project=project, version=version, day=timezone.now().date() - timedelta(days=days), images=60,
                feature_distance=1, feature_limit=1, class_psi=9,
            )  # fmt: skip
    plots = [latency_plot(by_version(project)), *drift_plots(project)]
    assert [str(plot.legend).count("Version ") for plot in plots] == [3, 6, 6]
    for plot in plots:
        assert "Version 1'" in str(plot.legend)
        assert "Version 9'" in str(plot.legend)
    assert [len(plot.rows) for plot in plots[1:]] == [2, 2]  # days


def test_the_shares_of_classes_are_drawn_from_as_many_images_as_an_alarm_waits_for(project, champion) -> None:
    def row(days: int, images: int) -> None:
        Drift.objects.create(
            project=project, version=champion, day=timezone.now().date() - timedelta(days=days), images=images,
            feature_distance=1, feature_limit=1, class_psi=9,
        )  # fmt: skip

    row(1, 1)
    assert drift_plots(project)[1].is_empty
    row(2, drift.LEAST)
    assert not drift_plots(project)[1].is_empty


def test_the_figures_say_how_right_each_version_was(api, project, champion, add_images, owner) -> None:
    images = add_images(range(60))
    backlog.score_pool(project.pk)
    said = {row.image_id: row for row in Prediction.objects.all()}
    for image in images:
        decide_task(task=image.tasks.get(), answers={"label": said[image.pk].category}, user=owner)
    ask(api)
    recorder.flush()
    loop.close(project.pk)
    (row,) = api.get(URL + "serving/").json()["versions"]
    assert (row["judged"], row["live_accuracy"]) == (60, 1.0)
    assert row["judged_random"] == sum(one.reason == Reason.RANDOM for one in said.values())
    assert row["requests"] == 1
