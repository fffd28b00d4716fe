"""The training page: runs, and the policy by which they start."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import time
from typing import Any

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext

from labeling.jobs import cancel
from labeling.models import Project
from training import services
from training.models import ModelVersion, TrainingPolicy, TrainingRun
from training.runs import due
from training.versions import champions


def test_the_training_page_says_why_no_run_has_started(owner: Client) -> None:
    page = owner.get("/projects/shapes/training/").content.decode()

    assert "new labels, at least" in page
    assert "No run yet" in page


def test_more_new_labels_than_are_needed_are_no_part_of_them(project: Project) -> None:
    def told(new: int) -> str:
        decision = due.Decision(False, "Waits.", new_labels=new, needed_labels=20)
        return render_to_string("training/_now.html", {"project": project, "decision": decision, "measured": ""})

    assert "66, where 20 are enough" in told(66)
    assert "12 of 20" in told(12)


def test_each_field_of_the_training_page_has_a_label_of_its_own(owner: Client) -> None:
    page = owner.get("/projects/shapes/training/").content.decode()
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert {"id_backbone", "policy_backbone"} < set(ids)
    assert {"id_backbone", "policy_backbone"} < set(re.findall(r'<label [^>]*for="([^"]+)"', page))


def test_a_project_of_boxes_alone_says_that_nothing_can_be_learned_and_offers_no_button(
    owner: Client, project: Project
) -> None:
    assert "Train now" in owner.get("/projects/shapes/training/").content.decode()
    project.questions.update(kind="boxes")
    page = owner.get("/projects/shapes/training/").content.decode()
    assert "no question with one answer" in page
    assert "Train now" not in page


def test_a_page_that_asks_again_does_not_count_very_many_labels_again_until_something_was_decided(
    owner: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "LONG_SECONDS", 0)
    monkeypatch.setattr(due, "REST", 1_000_000)
    live = "/projects/shapes/training/live/"
    first = owner.get(live).content
    with CaptureQueriesContext(connection) as asked:
        assert owner.get(live).content == first
    assert not [query for query in asked if "labeling_consensus" in query["sql"]]
    services.set_policy(project=project, changes={"automatic_training": False}, user=project.owner)
    assert "Automatic training is off" in owner.get(live).content.decode()


def test_an_owner_starts_watches_and_reads_a_run(
    owner: Client, project: Project, run_actors: Callable[[], int]
) -> None:
    body = {"backbone": "crowdtune_small", "recipe": "feature_extraction"}
    assert owner.post("/projects/shapes/training/start/", body).status_code == 302
    run = TrainingRun.objects.get()

    waiting = owner.get(f"/projects/shapes/training/runs/{run.pk}/").content.decode()
    assert "hx-trigger" in waiting
    assert "Queued" in waiting
    assert "Nothing yet." in waiting
    assert "<dd>Waiting</dd>" in waiting
    TrainingRun.objects.update(state="running")  # taken by a trainer that has not come to the first stage
    begun = owner.get(f"/projects/shapes/training/runs/{run.pk}/live/").content.decode()
    assert "<dd>Starting</dd>" in begun
    TrainingRun.objects.update(state="queued")

    run_actors()
    done = owner.get(f"/projects/shapes/training/runs/{run.pk}/live/").content.decode()
    assert "hx-trigger" not in done
    assert "Confusion matrix" in done
    assert "Reliability" in done
    assert "Champion" in done
    assert "Took" in done
    assert "Time left" not in done
    for page in ("training", "models"):
        lists = owner.get(f"/projects/shapes/{page}/").content.decode()
        assert re.search("<td[^>]*>Crowdtune small", lists)


def test_a_second_run_is_refused_in_words(owner: Client, project: Project) -> None:
    services.request_run(project=project, cause="person")
    body = {"backbone": "auto", "recipe": "feature_extraction"}

    page = owner.post("/projects/shapes/training/start/", body, follow=True).content.decode()

    assert "A run of this project is queued" in page
    assert TrainingRun.objects.count() == 1


def test_an_owner_of_pictures_of_writing_has_no_copies_mirrored(owner: Client, project: Project) -> None:
    form = owner.get("/projects/shapes/training/").context["policy_form"]
    stood = {name: value for name in form.fields if (value := form[name].value()) is not None and value is not False}
    assert stood.pop("mirror") is True
    owner.post("/projects/shapes/training/policy/", {**stood, "shown": form.shown, "augmentation": "on"})

    assert owner.get("/projects/shapes/training/").context["run_form"]["mirror"].value() is False
    assert services.request_run(project=project, cause="age").options["mirror"] is False
    body = {"backbone": "auto", "recipe": "feature_extraction", "augmentation": "on", "mirror": "on"}
    owner.post("/projects/shapes/training/start/", body)

    assert TrainingRun.objects.get(cause="person").options["mirror"] is True  # this once


def test_a_queued_run_is_cancelled_by_its_button(owner: Client, project: Project) -> None:
    run = services.request_run(project=project, cause="person")

    page = owner.post(f"/projects/shapes/training/runs/{run.pk}/cancel/", follow=True).content.decode()

    run.refresh_from_db()
    assert run.state == "cancelled"
    assert "Cancelled" in page


def test_a_queued_run_says_that_others_come_before_it(owner: Client, project: Project) -> None:
    choice = {"backbone": "crowdtune_small", "recipe": "feature_extraction", "augmentation": False}
    job = services.start_bake_off(project=project, candidates=[choice])
    run = services.request_run(project=project, cause="person")
    pages = ["/projects/shapes/training/", f"/projects/shapes/training/runs/{run.pk}/"]
    for page in pages:
        assert "One other run or comparison comes first" in owner.get(page).content.decode()

    cancel(job=job)

    for page in pages:
        assert "first: a trainer" not in owner.get(page).content.decode()


def test_the_policy_is_saved_and_audited(owner: Client, project: Project) -> None:
    body = {
        "backbone": "auto",
        "recipe": "fine_tuning",
        "automatic_training": "on",
        "min_labels_per_category": 12,
        "min_new_labels": 30,
        "min_new_share": 0.2,
        "quiet_seconds": 5,
        "max_age_hours": "",
        "daily_at": "03:30",
    }

    owner.post("/projects/shapes/training/policy/", body)

    policy = TrainingPolicy.objects.get()
    assert (policy.recipe, policy.min_labels_per_category, policy.max_age_hours) == ("fine_tuning", 12, None)
    assert str(policy.daily_at) == "03:30:00"
    audit = project.audit.get(action="training_policy")
    assert audit.changes["min_labels_per_category"] == [8, 12]
    page = owner.get("/projects/shapes/training/").content.decode()
    assert "It trains when 30 labels and 20" in page
    assert "Each day at 03:30 (UTC)" in page
    assert "without a run" not in page
    services.set_policy(project=project, changes={"automatic_training": False})
    assert "somebody has to press Train" in owner.get("/projects/shapes/training/").content.decode()


def test_two_pages_of_the_policy_do_not_set_each_other_back(owner: Client, project: Project) -> None:
    form = owner.get("/projects/shapes/training/").context["policy_form"]
    stood = {name: value for name in form.fields if (value := form[name].value()) is not None and value is not False}
    meanwhile = {"automatic_training": False, "daily_at": time(3, 30), "max_age_hours": None, "min_new_share": 0.3}
    services.set_policy(project=project, changes=meanwhile, user=project.owner)

    owner.post("/projects/shapes/training/policy/", {**stood, "shown": form.shown, "min_new_labels": 30})

    policy = TrainingPolicy.objects.get()
    assert {name: getattr(policy, name) for name in meanwhile} == meanwhile
    assert policy.min_new_labels == 30
    assert owner.get("/projects/shapes/training/").content.count(b'name="shown"') == 1


def test_a_wrong_policy_comes_back_with_what_is_wrong(owner: Client) -> None:
    wrong = {"backbone": "auto", "recipe": "magic", "min_new_share": "200 %"}
    page = owner.post("/projects/shapes/training/policy/", wrong)

    assert page.status_code == 400
    assert {"recipe", "min_new_share"} <= set(page.context["policy_form"].errors)
    assert "__all__" not in page.context["policy_form"].errors
    assert not TrainingPolicy.objects.exists()


def test_the_overview_fragment_names_champion_and_next_run(owner: Client, version: ModelVersion) -> None:
    page = owner.get("/projects/shapes/training/summary/").content.decode()

    assert "Version 1" in page
    assert "Nothing is new since the last run." in page


def test_the_champion_and_the_newest_figures_are_looked_up_at_once_as_pages_ask_every_few_seconds(
    version: ModelVersion, project: Project, django_assert_num_queries: Callable[[int], Any]
) -> None:
    ModelVersion.objects.filter(pk=version.pk).update(same_images={"of": 1})
    with django_assert_num_queries(1):
        champion, measured = champions.champion_and_measured(project)
    assert (champion, measured) == (version, version.number)
    ModelVersion.objects.update(alias="", same_images={})
    assert champions.champion_and_measured(project) == (None, 0)
