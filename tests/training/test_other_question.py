"""Another question with the same categories takes the primary one's place: what was learned before is not of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labeling.models import Consensus, Project
from labeling.services import replace_survey
from training import services
from training.models import TrainingPolicy, TrainingRun
from training.runs import due
from training.snapshots.freezing import freeze_snapshot
from training.versions import champions

OLD = {"key": "what", "kind": "single_choice", "prompt": "What is it?", "required": False}
NEW = {"key": "shade", "kind": "single_choice", "prompt": "What is its shadow?", "required": False}


def ask(project: Project, *questions: dict[str, Any]) -> None:
    replace_survey(project=project, user=None, questions=questions)
    project.refresh_from_db()


def answered_alike(project: Project) -> None:
    """The crowd says of every shadow what it said of the thing."""
    ask(project, NEW, OLD)
    question = project.primary_question()
    assert question is not None
    for row in Consensus.objects.filter(project=project):
        row.pk, row.question = None, question
        row.save(force_insert=True)


def train(project: Project, run_actors: Callable[[], int]) -> TrainingRun:
    run = services.request_run(project=project, cause="person")
    run_actors()
    run.refresh_from_db()
    assert run.state == "succeeded", run.failure
    return run


def test_the_same_answers_to_another_question_are_another_training_set(project: Project) -> None:
    first = freeze_snapshot(project=project)
    answered_alike(project)
    second = freeze_snapshot(project=project)
    assert second != first
    assert second.digest == first.digest
    assert second.question == project.primary_question()


def test_every_label_of_another_question_is_new_though_an_image_had_the_same_one_before(
    project: Project, run_actors: Callable[[], int]
) -> None:
    train(project, run_actors)
    answered_alike(project)
    TrainingPolicy.objects.update_or_create(project=project, defaults={"quiet_seconds": 0})
    decision = due.check_due(project)
    assert decision.new_labels == 60
    assert decision.start


def test_the_first_version_of_another_question_need_not_beat_a_champion_that_never_learned_it(
    project: Project, run_actors: Callable[[], int]
) -> None:
    old = train(project, run_actors).model_version
    answered_alike(project)
    assert champions.champion_of_other_question(project) == old
    new = train(project, run_actors).model_version
    assert champions.champion_of_question(project) == new
    assert new.decision.startswith("First model of this question, version 1 learned another")


def test_a_run_whose_question_was_replaced_meanwhile_does_not_take_the_place_of_one_that_learned_the_new(
    project: Project, run_actors: Callable[[], int]
) -> None:
    answered_alike(project)
    champion = train(project, run_actors).model_version
    ask(project, OLD, NEW)
    run = services.request_run(project=project, cause="person")
    ask(project, NEW, OLD)
    run_actors()
    run.refresh_from_db()
    assert run.model_version.alias == "challenger"
    assert "another question" in run.model_version.decision
    assert champions.champion_of_question(project) == champion
