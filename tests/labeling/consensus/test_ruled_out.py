"""A question that a task's labels rule out has no label there: "not asked", wherever labels are told."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from django.db.models import JSONField, Value

from labeling import figures, services
from labeling.collecting import rules, tasks, workflow
from labeling.consensus import provenance
from labeling.consensus.fitting import fit_project
from labeling.consensus.update import update_task
from labeling.models import Consensus, Judgment, Membership, Project, Question, Task
from labeling.questions import conditions
from tests.labeling.crowds import make_project, make_tasks, person, say

pytestmark = pytest.mark.django_db
UNTOLD = object()

CONDITIONS = [
    {"question": "a", "equals": True},
    {"question": "a", "equals": 1},
    {"question": "a", "equals": "cat"},
    {"question": "a", "equals": ["dog", "cat"]},
    {"question": "a", "equals": []},
    {"question": "a", "in": ["cat", 2, False]},
    {"question": "a", "in": []},
    {"question": "a", "contains": "cat"},
    {"question": "a", "answered": True},
    {"question": "a", "answered": False},
    {"question": "a", "at_least": 2},
    {"question": "a", "at_most": 1.5},
    {"not": {"question": "a", "equals": "cat"}},
    {"any": [{"question": "b", "equals": "x"}, {"question": "a", "equals": "cat"}]},
    {"all": [{"question": "b", "equals": "x"}, {"not": {"question": "a", "at_least": 2}}]},
]


def stored(answer: Any) -> Any:
    return Value(None, JSONField()) if answer is None else answer


def test_labels_are_ruled_out_in_the_database_as_answers_are_in_a_form() -> None:
    project = make_project([{"key": key, "kind": "text"} for key in "abc"])
    a, b, c = Question.objects.order_by("position")
    values = [UNTOLD, True, False, 1, 2, 1.5, "cat", "1", None, [], ["cat"], ["cat", "dog"]]
    told = {}
    for task, answers in zip(make_tasks(project, 2 * len(values)), product(values, [UNTOLD, "x"]), strict=True):
        labels = dict(zip("abc", [*answers, "said"], strict=True))
        told[task.pk] = {key: label for key, label in labels.items() if label is not UNTOLD}
        Consensus.objects.bulk_create(
            Consensus(task=task, project=project, question=q, answer=stored(told[task.pk][q.key]), confidence=1)
            for q in (a, b, c)
            if q.key in told[task.pk]
        )
    for on_a, condition in product([{"question": "a", "equals": "cat"}, None], CONDITIONS):
        b.show_if, c.show_if = on_a, condition
        Question.objects.bulk_update([b, c], ["show_if"])
        found: dict[int, set[str]] = {}
        for task_id, key in Consensus.objects.asked(project).values_list("task_id", "question__key"):
            found.setdefault(task_id, set()).add(key)
        for task_id, labels in told.items():
            asked = {question.key for question in conditions.shown([a, b, c], labels)} & labels.keys()
            assert found.get(task_id, set()) == asked, (on_a, condition, labels)


def of_animals(**settings: Any) -> tuple[Project, list[Task]]:
    """Two cats, of which two people of five took each for a dog and disagreed on its collar; and a dog."""
    collar = {"key": "collar", "kind": "yes_no", "show_if": {"question": "animal", "equals": "dog"}}
    project = make_project([{"key": "animal", "kind": "single_choice"}, collar], **settings)
    found = make_tasks(project, 3, wanted=5)
    for task in found[:2]:
        for name in ("ann", "ben", "cem"):
            say(task, person(name), {"animal": "cat"})
        say(task, person("dia"), {"animal": "dog", "collar": True})
        say(task, person("eva"), {"animal": "dog", "collar": False})
    for name in ("ann", "ben", "cem", "dia", "eva"):
        say(found[2], person(name), {"animal": "dog", "collar": True})
    Task.objects.update(judgment_count=5)
    Project.objects.update(answers_version=15, judgment_count=15)
    return project, found


def test_a_cat_s_collar_is_no_label_and_waits_for_no_reviewer() -> None:
    project, (cat, _other, dog) = of_animals(aggregator="majority", confidence=0.6)
    for task in Task.objects.all():
        update_task(task_id=task.pk)
    Task.objects.update(state="retired", retired_because="maximum", open_slots=0)
    assert list(Consensus.objects.filter(task=cat).values_list("question__key", flat=True)) == ["animal", "collar"]
    assert not tasks.disputed(project).exists()
    labels = workflow.labels_of(project).values_list("task_id", "question__key")
    assert [task for task, key in labels if key == "collar"] == [dog.pk]
    assert figures.agreement(project)["collar"]["labels"] == 1
    assert [label["question"] for label in provenance.of_task(cat)["labels"]] == ["animal"]
    Question.objects.filter(key="collar").update(show_if=None)
    assert tasks.disputed(project).count() == 2


def test_answers_about_a_cat_s_collar_say_nothing_of_a_language() -> None:
    _project, found = of_animals()
    for task in found:
        update_task(task_id=task.pk)
    Judgment.objects.update(language="en")
    Judgment.objects.filter(worker__username="eva").update(language="hi")
    collar = Question.objects.get(key="collar")
    assert figures.by_language(collar) == {"en": (4, 4), "hi": (1, 1)}
    collar.show_if = None
    collar.save()
    assert sum(said for said, _same in figures.by_language(collar).values()) == 9


def test_what_labels_rule_out_is_nothing_to_agree_with() -> None:
    many = {"key": "many", "kind": "yes_no", "show_if": {"question": "legs", "at_least": 100}}
    project = make_project([{"key": "legs", "kind": "number"}, many])
    (task,) = make_tasks(project, 1, wanted=6)
    Membership.objects.create(project=project, user=person("wanda"))
    for name in "abc":
        say(task, person(name), {"legs": 99})
    for name in "de":
        say(task, person(name), {"legs": 101, "many": True})
    say(task, person("wanda"), {"legs": 100, "many": False})
    update_task(task_id=task.pk)
    rule = {"measure": "agreement", "window": 1, "comparison": "below", "threshold": 1, "action": "warn"}
    services.add_rule(project=project, user=project.owner, **rule)
    project.refresh_from_db()
    applied: dict[str, Any] = {"project": project, "worker_id": person("wanda").pk, "task_id": task.pk}
    assert not rules.apply(**applied)
    Question.objects.filter(key="many").update(show_if=None)
    assert rules.apply(**applied)


def test_a_collar_counts_again_once_a_person_says_dog_and_gold_stays_what_its_owner_knows() -> None:
    project, (cat, other, dog) = of_animals()
    fit_project(project.pk)
    services.decide_task(task=cat, answers={"animal": "dog", "collar": True}, user=project.owner)
    services.decide_task(task=dog, answers={"animal": "cat"}, user=project.owner)
    services.set_gold(task=other, answers={"collar": True}, user=project.owner)
    collars = workflow.labels_of(project).filter(question__key="collar").values_list("task_id", flat=True)
    assert sorted(collars) == [cat.pk, other.pk]


def test_a_fit_learns_of_collars_only_from_what_is_labeled_a_dog_and_deletes_nothing() -> None:
    project, (cat, *_others) = of_animals()
    fit_project(project.pk)
    told = Question.objects.get(key="collar").fit["figures"]
    assert (told["tasks"], told["judgments"]) == (1, 5)
    assert sum(map(sum, told["confusion"])) == 5
    assert Question.objects.get(key="animal").fit["figures"]["tasks"] == 3
    assert Judgment.objects.filter(task=cat, answers__has_key="collar").count() == 2
    services.decide_task(task=cat, answers={"animal": "dog", "collar": True}, user=project.owner)
    fit_project(project.pk)
    assert Question.objects.get(key="collar").fit["figures"]["tasks"] == 2
