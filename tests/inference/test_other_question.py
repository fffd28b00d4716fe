"""A project that asks another question with the same categories: its versions answer only what they learned."""

from __future__ import annotations

from typing import Any

import pytest

from inference import actors
from inference.engine.routing import routes
from inference.feedback import autolabel, backlog, challenger, predictions
from inference.models import AutoLabel, Deployment, Prediction
from labeling.models import Project, Task
from labeling.services import decide_task, hand_out_sooner, raise_priority, replace_survey
from tests.inference.feedback.test_autolabel import see
from tests.inference.serving import ask

OLD = {"key": "label", "kind": "single_choice", "prompt": "What colour is it?", "required": False}
NEW = {"key": "frame", "kind": "single_choice", "prompt": "What colour is its frame?"}


def ask_another(project: Project, owner: Any) -> None:
    replace_survey(project=project, user=owner, questions=[NEW, OLD])
    project.refresh_from_db()


def test_the_pool_is_neither_ordered_nor_suggested_for_by_a_version_of_another_question(
    project, add_version, champion, add_images, owner
) -> None:
    add_images(range(20))
    Project.objects.filter(pk=project.pk).update(show_suggestions=True)
    ask_another(project, owner)
    assert backlog.due_projects() == []
    assert backlog.score_pool(project.pk) == 0
    assert not Task.objects.filter(project=project, payload__has_key="suggestions").exists()
    assert not Prediction.objects.exists()
    add_version(seed=2, alias="champion")
    assert backlog.due_projects() == [project.pk]
    assert backlog.score_pool(project.pk) == 20


def test_the_order_that_a_version_gave_the_pool_goes_with_the_question_that_it_learned(
    project, add_version, champion, add_images, owner
) -> None:
    images = add_images(range(20))
    first = images[0].tasks.get()
    hand_out_sooner(task=first)  # a person's wish is no order of a version
    raise_priority(project=project, priorities={images[1].pk: 2.5, images[2].pk: 3.0})  # an audit, a wrong answer
    backlog.score_pool(project.pk)
    assert Task.objects.order_by("-priority").first() == first
    raised = Task.objects.filter(project=project, priority__gt=0)
    before = raised.count()
    actors.score_pools()
    assert raised.count() == before > 1
    ask_another(project, owner)
    actors.score_pools()
    assert list(raised.all()) == [first]
    replace_survey(project=project, user=owner, questions=[OLD])  # the champion answers what is asked again
    assert backlog.due_projects() == [project.pk]
    assert backlog.score_pool(project.pk) == 20
    assert raised.count() > 1


def test_nothing_is_labeled_by_a_version_of_another_question(project, champion, add_images, owner) -> None:
    images = add_images(range(40))
    see(project, champion, images)
    Deployment.objects.update(auto_label=True, error_bound=0.1)
    ask_another(project, owner)
    assert autolabel.step(project) == 0
    assert not AutoLabel.objects.exists()


def test_a_version_is_judged_by_answers_to_what_it_learned_alone(project, champion, add_images, owner) -> None:
    first, second = add_images(range(2))
    backlog.score_pool(project.pk)
    decide_task(task=first.tasks.get(), answers={"label": "red"}, user=owner)
    assert predictions.judge(project.pk) == 1
    ask_another(project, owner)
    decide_task(task=second.tasks.get(), answers={"frame": "red"}, user=owner)
    assert predictions.judge(project.pk) == 0
    assert Prediction.objects.get(image=second).is_correct is None


def test_a_challenger_of_another_question_is_not_compared_with_the_champion_nor_answers_its_callers(
    project, add_version, champion, owner
) -> None:
    ask_another(project, owner)
    other = add_version(seed=2, alias="challenger")
    Deployment.objects.create(project=project, challenger_mode="share", challenger_share=0.5)
    routes.forget()
    assert routes.get(project.pk).challenger is None
    assert challenger.running(Deployment.objects.get()) == other
    replace_survey(project=project, user=owner, questions=[OLD, NEW])
    assert challenger.running(Deployment.objects.get()) is None


@pytest.mark.usefixtures("champion")
def test_programs_still_get_the_answers_of_what_the_champion_learned(api, project, owner) -> None:
    ask_another(project, owner)
    assert ask(api).status_code == 200


@pytest.mark.parametrize("page", ["serving", "models"])
@pytest.mark.usefixtures("champion")
def test_the_owner_reads_that_the_champion_answers_another_question(client, project, owner, page) -> None:
    client.force_login(owner)
    told = "which is no longer the question"
    assert told not in client.get(f"/projects/colours/{page}/").text
    ask_another(project, owner)
    body = client.get(f"/projects/colours/{page}/").text
    assert told in body
    assert "What colour is it?" in body


@pytest.mark.parametrize("page", ["serving", "models"])
@pytest.mark.usefixtures("champion")
def test_the_owner_reads_what_the_champion_can_answer_though_the_survey_has_it_no_longer(
    client, project, owner, page
) -> None:
    client.force_login(owner)
    left = [{"key": key, "name": key.title()} for key in ("red", "green")]
    told = "can still answer “blue”, which is no category of the survey"
    assert told not in client.get(f"/projects/colours/{page}/").text
    replace_survey(project=project, user=owner, categories=left)
    assert told in client.get(f"/projects/colours/{page}/").text
