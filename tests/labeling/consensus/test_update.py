"""What becomes of a task when a judgment arrives."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labeling import figures, services
from labeling.collecting import tasks
from labeling.consensus.fitting import fit_project
from labeling.consensus.update import update_task
from labeling.models import Consensus, Membership, Project, Question, Task, WorkerSkill
from tests.labeling.crowds import make_project, make_tasks, person, say

pytestmark = pytest.mark.django_db
A, B, C, D = "worker1", "worker2", "worker3", "worker4"


def told(task: Task, *answers, key: str = "label") -> Consensus:
    for name, answer in zip((A, B, C, D, "worker5", "worker6", "worker7"), answers, strict=False):
        say(task, person(name), {key: answer})
    update_task(task_id=task.pk)
    task.refresh_from_db()
    return Consensus.objects.get(task=task, question__key=key)


def test_before_any_fit_most_votes_win():
    [task] = make_tasks(make_project(), 1)
    row = told(task, "cat", "dog", "cat")
    assert row.answer == "cat"
    assert row.posterior["cat"] == pytest.approx(0.7)
    assert sum(row.posterior.values()) == pytest.approx(1)
    assert row.judgment_count == 3
    assert not row.is_final


def test_skills_of_the_last_fit_outweigh_numbers():
    project = make_project()
    [task] = make_tasks(project, 1)
    question = Question.objects.get(project=project)
    pooled = [[0.6, 0.4], [0.4, 0.6]]
    question.fit = {"classes": ["cat", "dog"], "prior": [0.5, 0.5], "pooled": pooled, "accuracy": 0.6}
    question.save()
    Project.objects.update(fitted_version=1)
    WorkerSkill.objects.create(
        question=question, worker=person(A), accuracy=0.98, confusion=[[0.98, 0.02], [0.02, 0.98]]
    )
    assert told(task, "cat", "dog", "dog").answer == "cat"


def test_a_lowered_weight_counts_less():
    project = make_project()
    [task] = make_tasks(project, 1)
    for name in (B, C):
        Membership.objects.create(project=project, user=person(name), weight=0.1)
    assert told(task, "cat", "dog", "dog").answer == "cat"


def test_a_confident_task_retires_and_its_rows_are_final():
    project = make_project(confidence=0.9)
    [task] = make_tasks(project, 1)
    row = told(task, "cat", "cat", "cat")
    assert (task.state, task.retired_because) == ("retired", "confident")
    assert row.is_final
    assert Project.objects.get().retired_count == 1


@pytest.mark.parametrize(("required", "state"), [(True, "open"), (False, "retired")])
def test_a_task_is_as_sure_as_the_least_sure_of_what_must_be_answered(required, state):
    questions = [{"key": key, "kind": "yes_no", "required": must} for key, must in (("pet", True), ("wild", required))]
    [task] = make_tasks(make_project(questions, confidence=0.9), 1)
    for name, wild in ((A, True), (B, False), (C, True)):
        say(task, person(name), {"pet": True, "wild": wild})
    update_task(task_id=task.pk)
    task.refresh_from_db()
    assert task.state == state


@pytest.mark.parametrize(("pet", "state"), [(False, "retired"), (True, "open")])
@pytest.mark.parametrize("by_fit", [False, True])
def test_what_few_were_asked_in_error_keeps_no_task_open(pet, state, by_fit):
    """One took a stone for a pet, and was asked whether it is wild: of stones nobody asks more about that."""
    wild = {"key": "wild", "kind": "yes_no", "show_if": {"question": "pet", "equals": True}}
    project = make_project([{"key": "pet", "kind": "yes_no"}, wild], confidence=0.82, judgments_max=9)
    [task] = make_tasks(project, 1)
    for name in (A, B, C, D, "worker5", "worker6"):
        say(task, person(name), {"pet": pet, **({"wild": name in {A, B, C}} if pet else {})})
    say(task, person("worker7"), {"pet": not pet, **({} if pet else {"wild": True})})
    if by_fit:
        if not pet:  # a fit leaves what is ruled out as the answers' own updates have left it
            values = {"answer": True, "confidence": 0.6, "method": "dawid_skene", "judgment_count": 1}
            Consensus.objects.create(task=task, project=project, question=project.questions.get(key="wild"), **values)
        Task.objects.update(wanted=9, judgment_count=7)
        Project.objects.update(answers_version=7, judgment_count=7)
        fit_project(project.pk)
    else:
        update_task(task_id=task.pk)
    task.refresh_from_db()
    sure = dict(Consensus.objects.values_list("question__key", "confidence"))
    assert sure["pet"] >= 0.82 > sure["wild"]
    assert task.state == state


@pytest.mark.parametrize(("wild", "state"), [((True, True, True), "retired"), ((True, False, True), "open")])
def test_imagenet_s_table_is_of_what_must_be_answered_and_does_not_speak_for_other_questions(wild, state):
    questions = [
        {"key": "seen", "kind": "yes_no", "required": False},  # its table trusts nothing
        {"key": "plate", "kind": "text"},  # has none
        {"key": "label", "kind": "single_choice"},
        {"key": "wild", "kind": "yes_no"},
    ]
    project = make_project(questions, confidence=0.9, stopping="imagenet")
    [task] = make_tasks(project, 1)
    for key, table in (("seen", {"yes": {"3,0": 0.1}}), ("label", {"cat": {"3,0": 0.99}})):
        Question.objects.filter(project=project, key=key).update(fit={"classes": [], "table": table})
    Project.objects.update(fitted_version=1)
    for name, other in zip((A, B, C), wild, strict=True):
        say(task, person(name), {"seen": True, "plate": "X 1", "label": "cat", "wild": other})
    update_task(task_id=task.pk)
    task.refresh_from_db()
    assert task.state == state


def test_an_unsure_task_asks_for_one_more():
    [task] = make_tasks(make_project(), 1)
    told(task, "cat", "dog", "cat")
    assert (task.state, task.wanted, task.open_slots) == ("open", 4, 1)


def test_a_task_that_is_sure_waits_for_all_who_were_asked():
    [task] = make_tasks(make_project(confidence=0.9), 1)
    assert services.open_more(task=task)
    told(task, "cat", "cat", "cat")
    assert (task.state, task.wanted, task.open_slots) == ("open", 4, 1)
    say(task, person(D), {"label": "cat"})
    update_task(task_id=task.pk)
    task.refresh_from_db()
    assert (task.state, task.retired_because) == ("retired", "confident")


def test_who_asks_for_more_than_the_maximum_gets_as_many():
    [task] = make_tasks(make_project(judgments_min=2, judgments_max=2), 1)
    told(task, "cat", "dog")
    assert tasks.reopen(task_id=task.pk, count=2)
    for name, state in ((C, "open"), (D, "retired")):
        say(task, person(name), "cat")
        update_task(task_id=task.pk)
        task.refresh_from_db()
        assert task.state == state


def test_where_nothing_must_be_answered_all_that_was_answered_has_to_be_sure():
    questions = [{"key": key, "kind": "yes_no", "required": False} for key in ("pet", "wild")]
    [task] = make_tasks(make_project(questions, confidence=0.9), 1)
    for name in (A, B, C):
        say(task, person(name), {"pet": True})
    update_task(task_id=task.pk)
    task.refresh_from_db()
    assert (task.state, task.retired_because) == ("retired", "confident")


def test_a_task_retires_at_the_maximum_with_the_reason():
    [task] = make_tasks(make_project(judgments_min=2, judgments_max=2), 1)
    row = told(task, "cat", "dog")
    assert (task.state, task.retired_because) == ("retired", "maximum")
    assert row.is_final


def test_a_fixed_number_is_asked_where_the_owner_wants_that():
    [task] = make_tasks(make_project(stopping="fixed"), 1)
    told(task, "cat", "dog", "cat")
    assert (task.state, task.retired_because) == ("retired", "maximum")
    cost = figures.cost(task.project)
    assert (cost["judgments_per_task"], cost["judgments_saved"]) == (3, 0)  # nobody would have asked more


def test_what_a_person_closes_unasked_is_no_task_that_needed_so_few():
    task, unasked = make_tasks(make_project(judgments_min=2, judgments_max=5), 2)
    told(task, "cat", "dog", "cat", "dog", "cat")
    services.retire_task(task=unasked, user=person("owner"))
    cost = figures.cost(task.project)
    assert (cost["judgments_per_task"], cost["judgments_saved"]) == (5, 0)


def test_when_the_budget_is_spent_the_task_takes_what_it_has():
    project = make_project(budget=1, price_per_judgment="0.5", spent="0.9")
    [task] = make_tasks(project, 1)
    told(task, "cat")
    assert (task.state, task.retired_because) == ("retired", "budget")


def test_who_cannot_tell_casts_no_vote():
    [task] = make_tasks(make_project(), 1)
    row = told(task, "cat", "cant_tell", "cat")
    assert row.answer == "cat"
    assert row.posterior["cat"] == pytest.approx(0.49 / 0.58, abs=1e-4)


def test_when_most_cannot_tell_that_is_the_answer():
    [task] = make_tasks(make_project(), 1)
    row = told(task, "cat", "cant_tell", "cant_tell")
    assert row.answer == "cant_tell"
    assert not Consensus.objects.for_training(Project.objects.get()).exists()


def test_yes_and_no_come_back_as_booleans():
    [task] = make_tasks(make_project([{"key": "there", "kind": "yes_no"}]), 1)
    row = told(task, True, True, False, key="there")
    assert row.answer is True
    assert row.posterior["yes"] > row.posterior["no"]


def test_of_several_choices_each_is_decided_alone():
    [task] = make_tasks(make_project([{"key": "all", "kind": "multiple_choice"}], ("cat", "dog", "fox")), 1)
    row = told(task, ["cat", "dog"], ["cat"], ["cat", "dog"], key="all")
    assert row.answer == ["cat", "dog"]
    assert set(row.posterior) == {"cat", "dog", "fox"}


def test_a_rating_is_the_likeliest_step():
    [task] = make_tasks(make_project([{"key": "stars", "kind": "rating"}]), 1)
    row = told(task, 4, 4, 5, key="stars")
    assert row.answer == 4
    assert sum(row.posterior.values()) == pytest.approx(1, abs=1e-4)


def test_a_slip_of_the_finger_does_not_move_a_number():
    [task] = make_tasks(make_project([{"key": "count", "kind": "number", "options": {"whole": True}}]), 1)
    assert told(task, 12, 13, 12, 1200, key="count").answer == 12


def test_texts_agree_without_regard_to_case_and_spaces():
    [task] = make_tasks(make_project([{"key": "plate", "kind": "text"}]), 1)
    row = told(task, "AB 12", "ab  12", "AB 13", key="plate")
    assert row.answer == "AB 12"
    assert row.confidence == pytest.approx(2 / 3)


def test_boxes_of_several_people_become_one():
    [task] = make_tasks(make_project([{"key": "where", "kind": "boxes"}]), 1)
    drawn = [[{"category": "cat", "box": [x, 20, 50, 60]}] for x in (10, 12, 11)]
    stray = [{"category": "cat", "box": [400, 300, 30, 30]}]
    row = told(task, drawn[0], drawn[1], drawn[2] + stray, key="where")
    assert len(row.answer) == 1
    assert row.answer[0]["box"] == pytest.approx([11, 20, 50, 60], abs=0.5)


def test_what_a_person_decided_stays():
    project = make_project()
    [task] = make_tasks(project, 1)
    row = told(task, "cat", "cat", "dog")
    Consensus.objects.filter(pk=row.pk).update(answer="dog", decided_by=person("owner"))
    Task.objects.update(state="retired", retired_because="person", open_slots=0)
    say(task, person("worker9"), "cat")
    update_task(task_id=task.pk)
    row.refresh_from_db()
    assert row.answer == "dog"


def test_what_a_person_only_closed_stays_closed_for_that_reason_and_hears_who_was_answering():
    [task] = make_tasks(make_project(), 1)
    Task.objects.update(state="retired", retired_because="person", open_slots=0)
    row = told(task, "dog")
    assert (row.answer, row.is_final) == ("dog", True)
    assert (task.state, task.retired_because, task.open_slots) == ("retired", "person", 0)


def test_what_is_known_stays_whatever_is_said():
    project = make_project()
    [task] = make_tasks(project, 1)
    services.set_gold(task=task, answers={"label": "cat"}, user=project.owner)
    row = told(task, "dog", "dog", "dog")
    assert (row.answer, row.method, row.confidence) == ("cat", "gold", 1)


def test_an_update_takes_few_statements_however_many_judged():
    project = make_project(judgments_min=5, judgments_max=7)
    [task] = make_tasks(project, 1)
    told(task, "cat", "dog", "cat", "cat")
    with CaptureQueriesContext(
        connection,
    ) as spoken:
        update_task(task_id=task.pk)
    assert len(spoken) <= 4
