"""The pool after a new champion: scored once, and ordered."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from inference import actors
from inference.engine import runtime
from inference.feedback import backlog
from inference.models import Deployment, Prediction, Reason
from labeling.models import Project, Task
from labeling.services import decide_task, raise_priority, set_gold
from training.features import background, embedding
from training.models import ModelVersion, TrainingPolicy


@pytest.mark.parametrize("floats", [runtime.FLOATS, 1000])
def test_every_waiting_image_is_scored_and_the_chosen_come_first(
    project, champion, add_images, monkeypatch, floats: int
) -> None:
    monkeypatch.setattr(runtime, "FLOATS", floats)  # features that a worker holds at once: of all images, or of some
    images = add_images(range(120))
    assert backlog.score_pool(project.pk) == 120
    predictions = Prediction.objects.filter(project=project, version=champion)
    assert predictions.count() == 120
    chosen = predictions.exclude(reason="")
    assert chosen.count() == 15
    assert chosen.filter(reason=Reason.RANDOM).count() == 3
    order = list(Task.objects.filter(project=project).order_by("-priority").values_list("image_id", flat=True)[:15])
    assert set(order) == set(chosen.values_list("image_id", flat=True))
    assert len(images) == 120


def test_what_an_earlier_pass_has_chosen_says_nothing_any_more_unless_somebody_has_begun_to_answer_it(
    project, champion, add_version, add_images
) -> None:
    """What was drawn at random then comes where it is uncertain now, and would measure the pool as worse than it is."""
    challenger = add_version(seed=2, alias="challenger")
    images = add_images(range(40))
    backlog.score_pool(project.pk)
    Prediction.objects.update(reason=Reason.RANDOM)
    Task.objects.filter(image=images[0]).update(judgment_count=1, open_slots=2)

    assert backlog.score_pool(project.pk) == 40

    top = Task.objects.filter(project=project).order_by("-priority").values_list("image_id", flat=True)[:5]
    for version in (champion, challenger):
        chosen = Prediction.objects.filter(version=version).exclude(reason="").values_list("image_id", flat=True)
        assert set(chosen) == {*top, images[0].pk}


def test_a_message_that_comes_twice_scores_once(project, champion, add_images) -> None:
    add_images(range(5))
    Deployment.objects.create(project=project, claimed_at=timezone.now())
    assert backlog.score_pool(project.pk) == 0
    Deployment.objects.update(claimed_at=timezone.now() - timedelta(hours=1))
    assert backlog.score_pool(project.pk) == 5


def test_the_scheduler_scores_a_new_champion_and_grown_pools_and_nothing_else(
    project, add_version, add_images, run_actors
) -> None:
    add_images(range(20))
    add_version(seed=1, alias="champion")
    actors.score_pools.send()
    run_actors()
    assert backlog.due_projects() == []
    add_images(range(20, 25))
    assert backlog.due_projects() == [project.pk]
    run_actors()
    backlog.score_pool(project.pk)
    assert Prediction.objects.count() == 25
    second = add_version(seed=2, alias="champion")
    assert backlog.due_projects() == [project.pk]
    backlog.score_pool(project.pk)
    assert set(Prediction.objects.values_list("version_id", flat=True)) == {second.pk}


def test_images_that_are_not_embedded_yet_are_scored_when_they_are(project, champion, add_images) -> None:
    add_images(range(3), embed=False)
    assert backlog.score_pool(project.pk) == 0
    assert backlog.due_projects() == []
    background.embed_new_images()
    assert backlog.due_projects() == [project.pk]
    assert backlog.score_pool(project.pk) == 3


@pytest.mark.usefixtures("champion")
def test_the_pool_goes_through_the_champions_own_trunk_whatever_the_next_run_stands_on(project, add_images) -> None:
    TrainingPolicy.objects.update_or_create(project=project, defaults={"backbone": "removed_net"})
    *_others, lost = add_images(range(3), embed=False)
    default_storage.delete(lost.original)

    assert [background.embed_new_images() for _ in range(2)] == [3, 0]

    assert backlog.score_pool(project.pk) == 2
    assert backlog.due_projects() == []  # what could not be read is not waited for


@pytest.mark.usefixtures("champion")
def test_what_a_person_or_an_audit_has_put_first_stays_first_when_the_pool_is_scored(project, add_images) -> None:
    images = add_images(range(20))
    raise_priority(project=project, priorities={images[7].pk: 3.0})
    backlog.score_pool(project.pk)
    assert Task.objects.get(image=images[7]).priority == 3.0


@pytest.mark.usefixtures("champion")
def test_a_project_whose_images_are_all_labeled_has_nothing_to_score(project, add_images, owner) -> None:
    for image in add_images(range(2)):
        decide_task(task=image.tasks.get(), answers={"label": "red"}, user=owner)
    assert backlog.score_pool(project.pk) == 0
    assert ModelVersion.objects.count() == 1


def test_hidden_gold_has_a_suggestion_like_the_rest_and_is_no_part_of_the_pool(
    project, champion, add_images, owner
) -> None:
    images = add_images(range(3))
    set_gold(task=images[0].tasks.get(), answers="red", user=owner)
    Project.objects.filter(pk=project.pk).update(show_suggestions=True)
    assert backlog.score_pool(project.pk) == 2
    assert Task.objects.filter(project=project, payload__suggested_by="model 1").count() == 3
    assert not Prediction.objects.filter(image=images[0]).exists()


def test_a_large_pool_is_scored_again_when_a_twentieth_of_it_has_been_embedded_since_or_some_time_has_gone_by(
    project, champion, add_images
) -> None:
    add_images(range(4))
    backlog.score_pool(project.pk)
    add_images(range(4, 6))
    Project.objects.update(image_count=60)  # of which the others wait for the network
    assert backlog.due_projects() == []
    Deployment.objects.update(scored_at=timezone.now() - timedelta(hours=1))
    assert backlog.due_projects() == [project.pk]
    Deployment.objects.update(scored_at=timezone.now())
    Project.objects.update(image_count=40)
    assert backlog.due_projects() == [project.pk]


@pytest.mark.usefixtures("champion")
def test_what_a_store_that_is_gone_held_of_the_pool_is_made_again_once_for_each_champion(
    project, add_version, add_images, data_dir: Path
) -> None:
    TrainingPolicy.objects.update_or_create(project=project, defaults={"backbone": "removed_net"})
    add_images(range(4))
    assert backlog.score_pool(project.pk) == 4
    shutil.rmtree(data_dir / "features")  # a backup holds none
    add_version(seed=2, alias="champion")
    assert backlog.score_pool(project.pk) == 0
    assert background.embed_new_images() == 4
    assert backlog.due_projects() == [project.pk]
    assert backlog.score_pool(project.pk) == 4
    shutil.rmtree(data_dir / "features")
    assert [backlog.score_pool(project.pk), background.embed_new_images(), backlog.due_projects()] == [0, 0, []]


@pytest.mark.usefixtures("champion")
def test_features_of_a_pool_that_would_push_out_those_of_others_are_not_made(
    project, owner, client, add_images, settings: Any
) -> None:
    TrainingPolicy.objects.update_or_create(project=project, defaults={"backbone": "removed_net"})
    add_images(range(3), embed=False)
    Project.objects.update(image_count=10**9)
    embedding.load_trunk.cache_clear()
    assert (background.embed_new_images(), background.is_left_out(project)) == (0, True)
    client.force_login(owner)
    assert "FEATURES_GB" in client.get(f"/projects/{project.slug}/serving/").content.decode()
    assert embedding.load_trunk.cache_info().currsize == 0  # a network that is loaded for nothing, every few seconds
    settings.FEATURES_GB = 10**6
    assert (background.embed_new_images(), background.is_left_out(project)) == (3, False)


def test_a_pool_that_a_damaged_network_cannot_score_is_told_of_once(
    project, champion, add_images, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add_images(range(3))
    runtime.engine.cache_clear()
    (data_dir / "trunks" / "tiny-0000" / "trunk.bin").write_bytes(b"cut off")
    assert [backlog.score_pool(project.pk) for _every_few_seconds in range(3)] == [0, 0, 0]
    assert caplog.text.count("the pool is not scored") == 1
    assert backlog.due_projects() == [project.pk]
