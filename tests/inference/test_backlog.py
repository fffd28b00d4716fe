"""The pool after a new champion: scored once, ordered, and compared with what the crowd says later."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from inference import actors, backlog
from inference.figures import by_version
from inference.models import Deployment, Prediction, Reason
from labeling.models import Consensus, Project, Task
from labeling.services import decide_task, raise_priority, set_gold
from training.models import ModelVersion


def test_every_waiting_image_is_scored_and_the_chosen_come_first(project, champion, add_images) -> None:
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


def test_images_that_are_not_embedded_yet_wait_for_the_next_pass(project, champion, add_images) -> None:
    add_images(range(3), embed=False)
    assert backlog.score_pool(project.pk) == 0
    assert backlog.due_projects() == [project.pk]


def test_what_the_crowd_answers_measures_the_version_that_said_it_before(project, champion, add_images, owner) -> None:
    images = add_images(range(4))
    backlog.score_pool(project.pk)
    for number, image in enumerate(images):
        said = Prediction.objects.get(image=image).category
        other = next(key for key in ("blue", "green", "red") if key != said)
        decide_task(task=image.tasks.get(), answers={"label": said if number else other}, user=owner)
    assert backlog.judge(project.pk) == 4
    assert backlog.judge(project.pk) == 0
    assert Prediction.objects.filter(is_correct=True).count() == 3
    assert Prediction.objects.get(image=images[0]).is_correct is False


def test_a_challenger_is_measured_on_the_images_that_the_crowd_sees_next(
    project, champion, add_version, add_images, owner
) -> None:
    images = add_images(range(80))
    backlog.score_pool(project.pk)
    challenger = add_version(seed=2, alias="challenger")
    assert backlog.due_projects() == [project.pk]
    backlog.score_pool(project.pk)
    assert backlog.due_projects() == []
    chosen = Prediction.objects.filter(version=champion).exclude(reason="")
    said = Prediction.objects.filter(version=challenger)
    assert chosen.count() == 10
    assert dict(said.values_list("image", "reason")) == dict(chosen.values_list("image", "reason"))
    backlog.score_pool(project.pk)  # a champion that scores the pool again leaves the challenger's word there
    assert said.count() >= 10
    for image in images:
        decide_task(task=image.tasks.get(), answers={"label": "red"}, user=owner)
    backlog.judge(project.pk)
    figures = {one.version.pk: one for one in by_version(project)}
    assert figures[champion.pk].judged == 80
    assert figures[challenger.pk].judged == said.count()
    assert figures[challenger.pk].accuracy == said.filter(category="red").count() / said.count()


@pytest.mark.usefixtures("champion")
def test_a_challenger_that_does_not_run_is_not_asked(project, add_version, add_images) -> None:
    add_images(range(20))
    Deployment.objects.create(project=project, challenger_mode="off")
    challenger = add_version(seed=2, alias="challenger")
    backlog.score_pool(project.pk)
    assert backlog.due_projects() == []
    assert not Prediction.objects.filter(version=challenger).exists()


@pytest.mark.usefixtures("champion")
def test_what_a_person_or_an_audit_has_put_first_stays_first_when_the_pool_is_scored(project, add_images) -> None:
    images = add_images(range(20))
    raise_priority(project=project, priorities={images[7].pk: 3.0})
    backlog.score_pool(project.pk)
    assert Task.objects.get(image=images[7]).priority == 3.0


def test_a_label_made_before_the_prediction_measures_nothing(project, champion, add_images, owner) -> None:
    (image,) = add_images(range(1))
    decide_task(task=image.tasks.get(), answers={"label": "red"}, user=owner)
    late = timezone.now() + timedelta(seconds=5)
    Prediction.objects.create(
        project=project, image=image, version=champion, category="red", probability=1, uncertainty=0, created_at=late
    )
    assert Consensus.objects.filter(is_final=True).count() == 1
    assert backlog.judge(project.pk) == 0


@pytest.mark.usefixtures("champion")
def test_a_project_whose_images_are_all_labeled_has_nothing_to_score(project, add_images, owner) -> None:
    for image in add_images(range(2)):
        decide_task(task=image.tasks.get(), answers={"label": "red"}, user=owner)
    assert backlog.score_pool(project.pk) == 0
    assert ModelVersion.objects.count() == 1


def test_what_is_left_of_an_image_deleted_while_it_was_scored_is_swept_away(project, champion, add_images) -> None:
    add_images(range(5))
    facts = {"project": project, "version": champion, "category": "red", "probability": 1, "uncertainty": 0}
    Prediction.objects.create(image_id=999_999, **facts)
    backlog.score_pool(project.pk)
    assert Prediction.objects.filter(version=champion).count() == 5
    assert not Prediction.objects.filter(image_id=999_999).exists()


def test_hidden_gold_has_a_suggestion_like_the_rest_and_is_no_part_of_the_pool(
    project, champion, add_images, owner
) -> None:
    images = add_images(range(3))
    set_gold(task=images[0].tasks.get(), answers="red", user=owner)
    Project.objects.filter(pk=project.pk).update(show_suggestions=True)
    assert backlog.score_pool(project.pk) == 2
    assert Task.objects.filter(project=project, payload__suggested_by="model 1").count() == 3
    assert not Prediction.objects.filter(image=images[0]).exists()
