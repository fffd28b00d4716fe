"""What the scheduler starts in the training room."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from labeling.models import Image, Project, Task
from tests.training.drawing import add_image, draw, label, labeled_project
from tests.training.runs.test_running import train
from training import actors, services
from training.features import background, embedding
from training.learning.networks.backbones import BACKBONES
from training.models import EmbeddingCursor, ImageTrait, ModelVersion, TrainingPolicy, TrainingRun
from training.runs import due


@pytest.fixture
def ready(project: Project) -> Project:
    """A project whose last label came a minute ago."""
    Task.objects.update(retired_at=timezone.now() - timedelta(minutes=1))
    return project


def test_a_due_project_trains_by_itself_and_says_why(ready: Project, run_actors: Callable[[], int]) -> None:
    actors.check_due.send()
    run_actors()

    run = TrainingRun.objects.get()
    assert (run.cause, run.state) == ("new_labels", "succeeded"), run.failure
    assert ModelVersion.objects.get().alias == "champion"
    assert "new labels" in TrainingPolicy.objects.get().status


def test_what_comes_after_a_run_of_a_project_that_was_deleted_meanwhile_comes_to_nothing(db: None) -> None:
    actors.measure_versions(10**6)
    actors.find_suspects(10**6)


def test_a_project_that_is_not_due_says_why_not(ready: Project, run_actors: Callable[[], int]) -> None:
    services.set_policy(project=ready, changes={"min_new_labels": 5000})

    actors.check_due.send()
    run_actors()

    assert not TrainingRun.objects.exists()
    assert TrainingPolicy.objects.get().status == "60 of 5,000 new labels are there; still missing: 4,940."


def test_nothing_is_asked_twice_while_nothing_changes(
    ready: Project, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    services.set_policy(project=ready, changes={"min_new_labels": 61})
    due.start_due_runs(pytest.fail)
    with django_assert_max_num_queries(2):
        due.start_due_runs(pytest.fail)

    label(add_image(ready, draw("circle", 999)), "circle")
    started: list[Project] = []
    Task.objects.update(retired_at=timezone.now() - timedelta(minutes=1))
    due.start_due_runs(lambda project, _decision: started.append(project))

    assert started == [ready]


def test_what_breaks_the_start_of_one_project_is_logged_and_stops_no_other(
    ready: Project, caplog: pytest.LogCaptureFixture
) -> None:
    other = labeled_project("others")
    services.set_policy(project=other, changes={"quiet_seconds": 0})
    Task.objects.update(retired_at=timezone.now() - timedelta(minutes=1))
    started: list[Project] = []

    def start(project: Project, _decision: due.Decision) -> None:
        if project == ready:
            raise OSError("no space")
        started.append(project)

    assert due.start_due_runs(start) == 1
    assert started == [other]
    assert f"project {ready.pk}: its training could not be started" in caplog.text
    policy = TrainingPolicy.objects.get(project=ready)
    assert "log" in policy.status
    assert policy.look_again_at is not None
    due.start_due_runs(pytest.fail)


def test_a_refusal_of_the_snapshot_is_the_reason_that_is_shown(ready: Project, run_actors: Callable[[], int]) -> None:
    ready.categories.filter(key="square").update(key="something_else")

    actors.check_due.send()
    run_actors()

    assert not TrainingRun.objects.exists()
    assert "Still missing" in TrainingPolicy.objects.get().status


def test_a_run_that_is_due_and_cannot_start_says_why_and_not_that_it_is_due(
    ready: Project, client: Client, run_actors: Callable[[], int]
) -> None:
    TrainingPolicy.objects.create(project=ready, backbone="street_net")  # an operator's, which is gone
    assert services.recent_decision(ready).start
    actors.check_due.send()
    run_actors()

    decision = services.recent_decision(ready)
    assert not decision.start
    assert "'street_net'" in decision.reason
    client.force_login(ready.owner)
    page = client.get(f"/projects/{ready.slug}/training/live/").content.decode()
    assert "street_net" in page
    assert "Due now" not in page
    assert client.get(f"/api/v1/projects/{ready.slug}/training-runs/next/").json()["start"] is False
    # It may be back any time, without a new label.
    TrainingPolicy.objects.filter(project=ready).update(backbone="auto", look_again_at=timezone.now())
    actors.check_due.send()
    run_actors()
    assert TrainingRun.objects.count() == 1


def test_drift_makes_one_new_label_enough(ready: Project, run_actors: Callable[[], int]) -> None:
    services.request_run(project=ready, cause="person")
    run_actors()
    label(add_image(ready, draw("circle", 998)), "circle")
    Task.objects.update(retired_at=timezone.now() - timedelta(minutes=1))
    assert not services.check_due(ready).start

    services.report_drift(project=ready, reason="The pictures are darker than those it learned from.")
    actors.check_due.send()
    run_actors()

    run = TrainingRun.objects.order_by("-created_at")[0]
    assert run.cause == "drift"
    assert TrainingPolicy.objects.get().drift_at is None


def test_new_images_are_embedded_once_before_anybody_trains(project: Project, run_actors: Callable[[], int]) -> None:
    actors.embed_new_images.send()
    run_actors()

    trunk = embedding.trunk_of("crowdtune_small")
    assert EmbeddingCursor.objects.get().last_image_id == Image.objects.order_by("-id")[0].pk
    assert embedding.store_of(trunk).has(list(Image.objects.values_list("sha256", flat=True))).all()
    assert ImageTrait.objects.count() == 60
    assert background.embed_new_images() == 0
    add_image(project, draw("circle", 997))
    assert background.embed_new_images() == 1, "the lease was given back"
    services.request_run(project=project, cause="person")
    run_actors()
    assert TrainingRun.objects.get().cost["embedded"] == 0


def test_a_project_whose_backbone_is_gone_keeps_no_other_waiting(project: Project) -> None:
    other = labeled_project("others", count=4)
    TrainingPolicy.objects.create(project=project, backbone="removed_net")

    assert background.embed_new_images() == 4
    assert EmbeddingCursor.objects.get().project == other


@pytest.mark.usefixtures("cut_trunk_here")
def test_a_champion_of_another_network_that_is_ahead_leaves_no_image_out_of_the_next_runs(
    project: Project, run_actors: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = ModelVersion.objects.get(run=train(project, run_actors))
    key = embedding.trunk_of("crowdtune_small", BACKBONES["crowdtune_small"].cut).key
    ModelVersion.objects.update(manifest=champion.manifest | {"trunk_key": key})
    _newest, second = Image.objects.order_by("-id")[:2]
    EmbeddingCursor.objects.create(project=project, trunk_key=key, last_image_id=second.pk)
    monkeypatch.setattr(background, "AT_ONCE", 40)

    assert [background.embed_new_images() for _ in range(3)] == [40, 20 + 1, 0]


def test_images_that_somebody_embeds_now_are_left_to_them(project: Project) -> None:
    trunk = embedding.trunk_of("crowdtune_small")
    EmbeddingCursor.objects.create(
        project=project, trunk_key=trunk.key, busy_until=timezone.now() + timedelta(minutes=1)
    )

    assert background.embed_new_images() == 0


def test_a_lease_from_before_the_clock_was_set_back_keeps_no_images_waiting(project: Project) -> None:
    trunk = embedding.trunk_of("crowdtune_small")
    EmbeddingCursor.objects.create(project=project, trunk_key=trunk.key, busy_until=timezone.now() + timedelta(hours=2))

    assert background.embed_new_images() == 60
