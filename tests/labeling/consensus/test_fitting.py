"""The full fit in the background."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from labeling.aggregation import AGGREGATORS
from labeling.consensus import fitting, viewpoints
from labeling.consensus.update import update_task
from labeling.models import Consensus, Gold, Judgment, Membership, Project, Question, Task, WorkerSkill
from tests.labeling.crowds import make_project, make_tasks, person, say

pytestmark = pytest.mark.django_db


def crowd_of(project: Project, tasks: int = 30, seed: int = 0) -> list[str]:
    """Three good workers and one who always says dog; returns the truth."""
    rng = np.random.default_rng(seed)
    truth = [("cat", "dog")[n] for n in rng.integers(2, size=tasks)]
    made = make_tasks(project, tasks)
    skills = {"worker1": 0.95, "worker2": 0.9, "worker3": 0.9}
    rows = []
    for task, label in zip(made, truth, strict=True):
        wrong = "dog" if label == "cat" else "cat"
        said = {name: label if rng.random() < skill else wrong for name, skill in skills.items()} | {"worker4": "dog"}
        rows += [
            Judgment(task=task, project=project, worker=person(name), answers={"label": answer})
            for name, answer in said.items()
        ]
    Judgment.objects.bulk_create(rows)
    for name in (*skills, "worker4"):
        Membership.objects.create(project=project, user=person(name))
    Task.objects.filter(project=project).update(judgment_count=4, wanted=4, open_slots=0)
    Project.objects.filter(pk=project.pk).update(answers_version=len(rows), judgment_count=len(rows))
    return truth


def test_a_fit_writes_skills_answers_and_figures():
    project = make_project()
    truth = crowd_of(project)
    assert fitting.fit_project(project.pk)
    rows = Consensus.objects.filter(project=project).order_by("task_id")
    right = np.mean([row.answer == label for row, label in zip(rows, truth, strict=True)])
    assert right >= 0.9
    skills = dict(WorkerSkill.objects.values_list("worker__username", "accuracy"))
    assert skills["worker1"] > 0.8
    assert skills["worker4"] < min(skills[name] for name in ("worker1", "worker2", "worker3"))
    assert Membership.objects.get(user__username="worker1").accuracy == pytest.approx(skills["worker1"], abs=1e-3)
    stored = Question.objects.get().fit
    assert stored["classes"] == ["cat", "dog"]
    assert 0 < stored["figures"]["percent"] < 1
    assert set(rows[0].others) == set(AGGREGATORS) - {"adaptive"}


def test_who_wants_all_fitted_waits_for_another_process_that_is_at_it():
    project = make_project()
    crowd_of(project)
    Project.objects.filter(pk=project.pk).update(fit_started_at=timezone.now())
    waited = []

    def waiting(_share: float, _message: str) -> None:
        waited.append(1)
        if len(waited) == 2:  # the other one is done
            Project.objects.filter(pk=project.pk).update(fitted_version=10**6, fit_started_at=None)

    fitting.settle(project.pk, waiting)
    assert len(waited) == 2
    fitting.settle(project.pk, waiting)
    fitting.settle(0, waiting)  # a project that is gone
    assert len(waited) == 2


def test_a_second_message_finds_nothing_to_do():
    project = make_project()
    crowd_of(project)
    assert fitting.fit_project(project.pk)
    assert not fitting.fit_project(project.pk)
    assert fitting.due() == []


def test_a_clock_that_was_set_back_puts_no_fit_off():
    project = make_project()
    crowd_of(project)
    ahead = timezone.now() + timedelta(hours=2)
    Project.objects.update(fitted_at=ahead)
    assert fitting.due() == [project.pk]
    Project.objects.update(fit_started_at=ahead)  # by a process that died before
    assert fitting.due() == [project.pk]
    assert fitting.fit_project(project.pk)


def test_a_fit_that_another_process_has_claimed_is_left_to_it():
    project = make_project()
    crowd_of(project)
    Project.objects.update(fit_started_at=timezone.now())
    assert not fitting.fit_project(project.pk)
    Project.objects.update(fit_started_at=timezone.now() - timedelta(hours=1))
    assert fitting.due() == [project.pk]
    assert fitting.fit_project(project.pk)


def test_an_unchanged_row_is_not_written_again():
    project = make_project()
    crowd_of(project)
    fitting.fit_project(project.pk)
    before = dict(Consensus.objects.values_list("pk", "updated_at"))
    Project.objects.update(answers_version=10_000)
    fitting.fit_project(project.pk)
    assert dict(Consensus.objects.values_list("pk", "updated_at")) == before


def test_judgments_that_came_meanwhile_are_not_overwritten():
    project = make_project()
    crowd_of(project, 10)
    fitting.fit_project(project.pk)
    row = Consensus.objects.first()
    Consensus.objects.filter(pk=row.pk).update(judgment_count=9, answer="cat", confidence=0.123)
    Project.objects.update(answers_version=10_000)
    fitting.fit_project(project.pk)
    row.refresh_from_db()
    assert row.confidence == 0.123


def test_what_a_person_decided_survives_a_fit():
    project = make_project()
    truth = crowd_of(project, 10)
    fitting.fit_project(project.pk)
    row = Consensus.objects.order_by("task_id").first()
    other = "dog" if truth[0] == "cat" else "cat"
    Consensus.objects.filter(pk=row.pk).update(answer=other, decided_by=person("owner"))
    Project.objects.update(answers_version=10_000)
    fitting.fit_project(project.pk)
    row.refresh_from_db()
    assert row.answer == other


def test_tasks_that_the_skills_make_sure_of_retire():
    project = make_project(judgments_min=3, judgments_max=7, confidence=0.9)
    crowd_of(project)
    fitting.fit_project(project.pk)
    sure = Consensus.objects.filter(confidence__gte=0.9)
    assert sure.exists()
    assert {row.task.retired_because for row in sure.select_related("task")} == {"confident"}
    assert not Task.objects.filter(state="retired").exclude(pk__in=sure.values("task")).exists()


@pytest.mark.parametrize(("known", "labeled"), [({"label": "cat"}, 0), ({"label": "cat", "q": 1}, 0), ({"q": 1}, 1)])
def test_gold_teaches_skills_and_has_a_consensus_only_of_what_it_leaves_out(known: dict[str, Any], labeled: int):
    project = make_project()
    crowd_of(project, 20)
    task = Task.objects.filter(project=project).first()
    Task.objects.filter(pk=task.pk).update(is_gold=True, state="retired", retired_because="gold")
    Gold.objects.create(task=task, answers=known)
    fitting.fit_project(project.pk)
    assert Consensus.objects.filter(task=task, is_final=True).count() == labeled
    assert Consensus.objects.exclude(task=task).count() == 19


def test_hidden_gold_on_which_people_err_together_makes_labels_less_sure_and_practice_does_not():
    project = make_project()
    crowd_of(project, 60)
    fitting.fit_project(project.pk)
    said = Consensus.objects.order_by("task_id")[:12].values_list("task_id", "answer")
    for task, answer in said:  # the crowd was mostly of one mind there, and is told that it was wrong
        Gold.objects.create(task_id=task, answers={"label": "dog" if answer == "cat" else "cat"})
    found = {}
    for version, use in enumerate((Gold.Use.PRACTICE, Gold.Use.HIDDEN)):
        Gold.objects.update(use=use)
        Project.objects.update(answers_version=10_000 + version)
        fitting.fit_project(project.pk)
        rows = Consensus.objects.exclude(task__gold__isnull=False)
        found[use] = Question.objects.get().fit["correlation"], np.mean([row.confidence for row in rows])
    assert found[Gold.Use.HIDDEN][0] > found[Gold.Use.PRACTICE][0]
    assert found[Gold.Use.HIDDEN][1] < found[Gold.Use.PRACTICE][1]


def test_the_update_at_a_submit_uses_the_new_skills():
    project = make_project(judgments_min=7, judgments_max=7)
    crowd_of(project)
    fitting.fit_project(project.pk)
    [task] = make_tasks(project, 1)
    say(task, person("worker4"), "dog")
    say(task, person("worker1"), "cat")
    update_task(task_id=task.pk)
    assert Consensus.objects.get(task=task).answer == "cat"


KINDS_SAID = pytest.mark.parametrize(
    ("kind", "answers", "expected"),
    [
        ("multiple_choice", [["cat"], ["cat", "dog"], ["cat"]], ["cat"]),
        ("rating", [4, 4, 5], 4),
        ("number", [7.0, 7.2, 6.8], 7.0),
        ("text", ["\u00e4 b", "A\u0308  B", "c"], "\u00e4 b"),
        ("yes_no", [True, True, False], True),
        ("boxes", [[{"category": "cat", "box": [10, 10, 40, 40]}]] * 3, [{"category": "cat", "box": [10, 10, 40, 40]}]),
    ],
)
SPAM = {
    "multiple_choice": ["dog"],
    "rating": 1,
    "number": 900.0,
    "text": "spam",
    "yes_no": False,
    "boxes": [{"category": "dog", "box": [60, 60, 20, 20]}],
}


@KINDS_SAID
def test_every_kind_of_question_can_be_fitted(kind, answers, expected):
    project = make_project([{"key": "q", "kind": kind}])
    for task in make_tasks(project, 4):
        for number, answer in enumerate(answers):
            say(task, person(f"worker{number}"), {"q": answer})
    assert fitting.fit_project(project.pk)
    row = Consensus.objects.first()
    if kind == "number":
        assert row.answer == pytest.approx(expected, abs=0.1)
    else:
        assert row.answer == expected


def test_numbers_that_one_person_each_gave_are_not_sure():
    project = make_project([{"key": "q", "kind": "number"}])
    alone, *shared = make_tasks(project, 3)
    for task, number in zip([alone, *shared], (7.1, 30.5, 90.0), strict=True):
        say(task, person("ann"), {"q": number})
    fitting.fit_project(project.pk)
    assert max(Consensus.objects.values_list("confidence", flat=True)) < 0.9, "it was 1: they differ from nobody's"
    for task, number in zip(shared, (30.4, 90.1), strict=True):
        say(task, person("ben"), {"q": number})
    fitting.fit_project(project.pk)
    assert Consensus.objects.get(task=alone).confidence > 0.9


def test_ratings_at_an_end_of_the_scale_tell_nothing_of_how_far_people_are_apart():
    project = make_project([{"key": "q", "kind": "rating"}])
    for task in make_tasks(project, 4):
        for name in "abc":
            say(task, person(name), {"q": 5})
    fitting.fit_project(project.pk)
    assert Question.objects.get().fit["spread"] == pytest.approx(0.8), "what was expected: a fifth of the scale"


@KINDS_SAID
def test_nothing_is_learned_from_who_counts_for_nothing(kind, answers, expected):
    learned = []
    for is_joined in (False, True):
        project = make_project([{"key": "q", "kind": kind}])
        Membership.objects.create(project=project, user=person("spam"), weight=0, accuracy=0.4)
        for task in make_tasks(project, 3):
            for name, answer in [*zip("abc", answers, strict=True), *[("spam", SPAM[kind])] * is_joined]:
                say(task, person(name), {"q": answer})
        fits = fitting.fit_all(project, "adaptive")
        learned += [[(fit.stored, fit.skills) for fit in fits.values()]]
        fitting.fit_project(project.pk)
        Project.objects.filter(pk=project.pk).update(answers_version=100)  # so that majority is counted anew
        viewpoints.show(project, rows := list(Consensus.objects.filter(project=project)), "majority")
        learned[-1] += [row.answer if kind != "number" else round(row.answer, 3) for row in rows]
    assert learned[0] == learned[1]
    assert Membership.objects.get(project=project, user=person("spam")).accuracy == 0.4, "the last that was known"
    Membership.objects.filter(project=project).update(weight=0)
    assert fitting.fit_all(project, "adaptive"), "nobody counts"


def test_a_large_project_rests_longer_between_fits():
    assert fitting.rest(100) == timedelta(seconds=5)
    assert fitting.rest(1_000_000) == timedelta(minutes=5)
    assert fitting.rest(20_000, is_filling=True) == timedelta(seconds=100)
    assert fitting.rest(1_000_000, is_filling=True) == timedelta(minutes=5)


@pytest.mark.parametrize("kind", fitting.BRINGING)
def test_a_project_that_a_file_fills_is_fitted_between_its_chunks_a_tenth_as_often(kind):
    project = make_project()
    crowd_of(project)
    Project.objects.update(fitted_at=timezone.now() - timedelta(seconds=15))
    assert fitting.due() == [project.pk]
    job = project.jobs.create(kind=kind, state="running")
    assert fitting.due() == []
    Project.objects.update(fitted_at=timezone.now() - timedelta(seconds=55))
    assert fitting.due() == [project.pk]
    Project.objects.update(fitted_at=timezone.now() - timedelta(seconds=15))
    job.state = "succeeded"
    job.save()
    assert fitting.due() == [project.pk]
