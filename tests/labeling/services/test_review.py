"""A reviewer's word stands, and causes what any other retirement causes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db.models import F

from labeling import services
from labeling.consensus.fitting import fit_project
from labeling.errors import CrowdtuneError
from labeling.models import Consensus, Project, Task, WebhookDelivery
from tests.labeling.conftest import claim, person

pytestmark = pytest.mark.django_db


def test_a_late_answer_does_not_overrule_a_decision_on_a_retired_task(
    make_project: Callable[..., Project], owner: User
) -> None:
    project = make_project(images=1, judgments_min=2, judgments_max=2, stopping="fixed", access="open")
    slow, quick, last = (person(name) for name in ("slow", "quick", "last"))
    late = claim(project, slow)
    given = claim(project, quick)
    services.submit_judgment(assignment_id=given.pk, worker=quick, answers={"category": "dog"})
    task = Task.objects.get()
    services.retire_task(task=task, user=owner)
    Task.objects.update(retired_because=Task.Because.CONFIDENT)  # as the background fit may have closed it
    services.decide_task(task=task, answers={"category": "cat"}, user=owner)
    services.submit_judgment(assignment_id=late.pk, worker=slow, answers={"category": "dog"})
    label = Consensus.objects.get()
    assert (label.answer, label.method, label.decided_by) == ("cat", "person", owner)
    assert Task.objects.get().retired_because == Task.Because.PERSON
    assert services.claim_assignment(project=project, worker=last) is None


def test_an_answer_to_a_task_that_was_closed_before_anybody_answered_is_its_label_at_once(
    make_project: Callable[..., Project], owner: User
) -> None:
    project = make_project(images=1, judgments_min=2, judgments_max=2, access="open")
    slow = person("slow")
    late = claim(project, slow)
    services.retire_task(task=Task.objects.get(), user=owner)
    services.submit_judgment(assignment_id=late.pk, worker=slow, answers={"category": "dog"})
    label = Consensus.objects.get()
    assert (label.answer, label.is_final, label.judgment_count) == ("dog", True, 1)
    task, project = Task.objects.get(), Project.objects.get()
    assert (task.retired_because, task.open_slots) == (Task.Because.PERSON, 0)
    assert (project.judgment_count, project.retired_count) == (1, 1)


def test_a_decision_that_is_taken_back_is_the_crowds_again(make_project: Callable[..., Project], owner: User) -> None:
    project = make_project(images=1, judgments_min=2, judgments_max=2, stopping="fixed", access="open")
    task = Task.objects.get()
    services.decide_task(task=task, answers={"category": "cat"}, user=owner)
    project.refresh_from_db()
    assert project.answers_version == 1, "who fits and who trains finds out"
    services.reopen_task(task=task, user=owner, count=2)
    label = Consensus.objects.get()
    assert (label.decided_by, label.is_final) == (None, False)
    for name in ("ann", "bob"):
        lease = claim(project, person(name))
        services.submit_judgment(assignment_id=lease.pk, worker=lease.worker, answers={"category": "dog"})
    label.refresh_from_db()
    assert (label.answer, label.method, label.is_final) == ("dog", project.aggregator, True)


def test_a_box_that_a_reviewer_accepts_goes_on_to_coverage(make_project: Callable[..., Project], owner: User) -> None:
    project = make_project(
        images=1, categories=["cat"], workflow="three_stage_boxes", judgments_min=2, judgments_max=3, access="open"
    )
    drawer = person("drawer")
    box = {"category": "cat", "box": [2.0, 3.0, 10.0, 12.0]}
    services.submit_judgment(assignment_id=claim(project, drawer).pk, worker=drawer, answers={"box": [box]})
    services.decide_task(task=Task.objects.get(stage="quality:1"), answers={"good": True}, user=owner)
    assert Task.objects.get(stage="coverage:1").payload == {"boxes": [box]}


def test_a_webhook_hears_of_a_decision(make_project: Callable[..., Project], owner: User) -> None:
    project = make_project(images=1, access="open")
    project.webhooks.create(url="https://example.org/", secret="s", events=["task.retired"])
    Project.objects.update(webhook_count=1)
    services.decide_task(task=Task.objects.get(), answers={"category": "cat"}, user=owner)
    assert WebhookDelivery.objects.get().event == "task.retired"


def test_another_aggregator_has_the_labels_fitted_anew(make_project: Callable[..., Project], owner: User) -> None:
    project = make_project(images=1, access="open")
    before = project.answers_version
    services.change_project(project=project, user=owner, name="Another name")
    assert Project.objects.get().answers_version == before
    services.change_project(project=project, user=owner, aggregator="majority")
    assert Project.objects.get().answers_version == before + 1


def sure(make_project: Callable[..., Project], **settings: object) -> Project:
    """One image about which two people agree, which is enough for the project."""
    project = make_project(images=1, judgments_min=2, access="open", **settings)
    for number in range(2):
        worker = person(f"early{number}")
        given = claim(project, worker)
        services.submit_judgment(assignment_id=given.pk, worker=worker, answers={"category": "cat"})
    return project


@pytest.mark.parametrize(
    "limits",
    [
        {"judgments_max": 5, "confidence": 0.6},
        {"judgments_max": 2, "confidence": 0.99},
        {"judgments_max": 2, "stopping": "fixed"},
    ],
    ids=["sure", "at its maximum", "a fixed number"],
)
def test_a_task_that_is_opened_again_waits_for_all_who_are_asked(
    make_project: Callable[..., Project], owner: User, limits: dict[str, object]
) -> None:
    project = sure(make_project, **limits)
    task = Task.objects.get()
    assert task.state == Task.State.RETIRED
    services.reopen_task(task=task, user=owner, count=2)
    Project.objects.update(answers_version=F("answers_version") + 1)
    fit_project(project.pk)
    for number in range(2):
        assert Task.objects.get().state == Task.State.OPEN
        worker = person(f"late{number}")
        given = claim(project, worker)
        services.submit_judgment(assignment_id=given.pk, worker=worker, answers={"category": "cat"})
    task.refresh_from_db()
    assert (task.state, task.judgment_count) == (Task.State.RETIRED, 4)


def test_a_known_answer_is_changed_as_gold_and_by_no_decision(
    make_project: Callable[..., Project], owner: User
) -> None:
    make_project(images=1)
    task = Task.objects.get()
    services.decide_task(task=task, answers={"category": "dog"}, user=owner)
    services.set_gold(task=task, answers="cat", user=owner)
    label = Consensus.objects.get()
    assert (label.answer, label.method, label.decided_by) == ("cat", "gold", None)
    with pytest.raises(CrowdtuneError, match="change it as gold"):
        services.decide_task(task=task, answers={"category": "dog"}, user=owner)
    label.refresh_from_db()
    assert label.answer == "cat"
