"""Open tasks follow a project that asks more or fewer people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from labeling import services
from labeling.actors import follow_bounds
from labeling.collecting import unseen
from labeling.consensus import bounds
from labeling.models import Consensus, Job, Project, Task
from tests.labeling.conftest import answer, claim, person

pytestmark = pytest.mark.django_db
Make = Callable[..., Project]
Run = Callable[[], int]


def ask(project: Project, **settings: Any) -> None:
    services.change_project(project=project, user=project.owner, **settings)


def tasks(project: Project) -> list[tuple[str, int, int, int]]:
    rows = Task.objects.filter(project=project).order_by("-judgment_count", "pk")
    return list(rows.values_list("state", "judgment_count", "wanted", "open_slots"))


def test_tasks_with_answers_enough_end_when_fewer_people_are_asked(make_project: Make, run_actors: Run) -> None:
    project = make_project(images=2, judgments_min=3, judgments_max=5)
    answer(project, project.owner)
    ask(project, judgments_min=1, judgments_max=1)
    run_actors()
    assert tasks(project) == [("retired", 1, 1, 0), ("open", 0, 1, 1)]
    assert Task.objects.get(state="retired").retired_because == Task.Because.MAXIMUM
    assert Project.objects.get().retired_count == 1


def test_a_task_that_is_not_sure_with_fewer_people_wants_one_more(make_project: Make, run_actors: Run) -> None:
    project = make_project(images=1, judgments_min=3, judgments_max=5, confidence=0.99)
    answer(project, project.owner)
    ask(project, judgments_min=1)
    run_actors()
    assert tasks(project) == [("open", 1, 2, 1)]


def test_tasks_that_nobody_has_answered_want_as_many_as_they_would_now(make_project: Make, run_actors: Run) -> None:
    project = make_project(images=2, judgments_min=1, judgments_max=5)
    claim(project, project.owner)
    ask(project, judgments_min=4)
    run_actors()
    assert sorted(tasks(project)) == [("open", 0, 4, 3), ("open", 0, 4, 4)]


def test_what_a_person_asked_for_is_asked_still(make_project: Make, run_actors: Run) -> None:
    project = make_project(images=1, judgments_min=1, judgments_max=1)
    answer(project, project.owner)
    services.reopen_task(task=Task.objects.get(), user=project.owner)
    ask(project, confidence=0.6)
    run_actors()
    assert tasks(project) == [("open", 1, 2, 1)]


def test_another_policy_ends_what_has_enough_by_it(make_project: Make, run_actors: Run) -> None:
    project = make_project(images=1, judgments_min=1, judgments_max=5, confidence=0.99)
    answer(project, project.owner)
    assert tasks(project) == [("open", 1, 2, 1)]
    ask(project, stopping="fixed")
    run_actors()
    assert tasks(project) == [("retired", 1, 1, 0)]


def test_answers_to_a_question_that_is_gone_are_none_of_those_that_are_asked_for(
    make_project: Make, run_actors: Run
) -> None:
    project = make_project(images=1, judgments_min=3, judgments_max=5)
    answer(project, project.owner)
    services.replace_survey(project=project, user=project.owner, questions=[{"key": "whole", "kind": "yes_no"}])
    ask(Project.objects.get(), judgments_min=1, judgments_max=1)
    run_actors()
    assert tasks(project) == [("open", 1, 2, 1)], "it would have ended without a label"
    other = person("wanda")
    services.add_member(project=project, username="wanda")
    held = claim(Project.objects.get(), other)
    services.submit_judgment(assignment_id=held.pk, worker=other, answers={"whole": True})
    assert tasks(project) == [("retired", 2, 2, 0)]
    assert Consensus.objects.get().answer is True


def test_a_box_that_a_person_wants_drawn_anew_is_drawn_anew(make_project: Make, run_actors: Run) -> None:
    project = make_project(images=1, categories=["cat"], workflow="three_stage_boxes", judgments_min=1, judgments_max=3)
    held = claim(project, project.owner)
    box = {"category": "cat", "box": [2.0, 3.0, 10.0, 12.0]}
    services.submit_judgment(assignment_id=held.pk, worker=project.owner, answers={"box": [box]})
    services.reopen_task(task=held.task, user=project.owner)
    ask(project, judgments_min=2)
    run_actors()
    assert list(Task.objects.filter(state="open").values_list("stage", "wanted", "open_slots")) == [("draw:1", 2, 1)]


def test_how_far_it_is_stands_beside_the_settings_and_a_crash_loses_no_part(
    make_project: Make, run_actors: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(images=5, judgments_min=1)
    monkeypatch.setattr(bounds, "PART", 2)
    ask(project, judgments_min=3)
    job = Job.objects.get(kind="follow_bounds")
    assert "Applying the settings to open tasks" in page(project.owner, f"/projects/{project.slug}/settings/")
    part, parts = bounds._part, []

    def crash(project_id: int, last: int) -> list[int]:
        parts.append(last)
        if len(parts) == 2:
            raise KeyboardInterrupt
        return part(project_id, last)

    monkeypatch.setattr(bounds, "_part", crash)
    with pytest.raises(KeyboardInterrupt):
        follow_bounds(str(job.pk))
    job.refresh_from_db()
    assert (job.progress, str(job.message)) == (0.4, "2 of 5 tasks")
    Job.objects.update(state="queued")
    run_actors()
    job.refresh_from_db()
    assert (job.state, job.result["done"]) == ("succeeded", 5)
    assert parts == [0, parts[1], *sorted(set(parts[1:]))], "it went on after the part that was done"
    assert tasks(project) == [("open", 0, 3, 3)] * 5


def test_where_no_task_is_open_there_is_nothing_to_follow(make_project: Make) -> None:
    project = make_project(images=0)
    ask(project, judgments_min=2)
    assert not Job.objects.exists()


def page(user: User, path: str) -> str:
    browser = Client()
    browser.force_login(user)
    return browser.get(path).content.decode()


def test_an_owner_is_told_of_tasks_that_everybody_has_seen(make_project: Make, run_actors: Run) -> None:
    project = make_project(images=3, judgments_min=2, judgments_max=3)
    other = person("wanda")
    services.add_member(project=project, username="wanda")
    answer(project, project.owner)
    overview = f"/projects/{project.slug}/"
    assert "wait for a person" not in page(project.owner, overview)
    answer(project, project.owner)
    answer(project, project.owner)
    services.skip_assignment(assignment_id=claim(project, other).pk, worker=other)
    cache.clear()
    shown = page(project.owner, overview)
    assert "1 task waits for a person who has not seen it: invite more people" in shown
    assert "Or label them yourself" not in shown, "the owner has seen it, too"
    assert "ask at most 2 people per task" in shown
    assert "What is open waits for other people" in page(project.owner, f"/label/{project.slug}/")
    ask(project, judgments_min=1, judgments_max=1)
    run_actors()
    cache.clear()
    assert "who has not seen" not in page(project.owner, overview)


def test_so_much_of_the_queue_is_looked_through_for_them_and_no_more(
    make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(images=3, judgments_min=2, judgments_max=3)
    for _task in range(2):
        answer(project, project.owner)
    project.refresh_from_db()
    assert unseen.by_all(project) == 2
    monkeypatch.setattr(unseen, "LOOKED_AT", 1)
    assert unseen.by_all(project) == 1
    head = Task.objects.order_by("random").first()
    Task.objects.exclude(pk=head.pk if head else 0).update(priority=5)
    monkeypatch.setattr(unseen, "LOOKED_AT", 2)
    assert unseen.by_all(project) == 1


def test_tasks_of_all_who_label_wait_though_the_owner_has_not_looked_at_them(make_project: Make) -> None:
    project = make_project(images=2, judgments_min=2, judgments_max=3)
    overview, people = f"/projects/{project.slug}/", [person("vera"), person("wim")]
    for user in people:
        services.ensure_member(project=project, user=user)
    for user, said in zip(people, ["cat", "dog"], strict=True):
        assert "wait for a person" not in page(project.owner, overview)
        answer(project, user, said), answer(project, user, said)
        cache.clear()
    shown = page(project.owner, overview)
    assert "2 tasks wait for a person who has not seen them: invite more people" in shown
    assert "Or label them yourself" in shown
    assert "ask at most 2 people per task" in shown
    assert "#id_judgments_max" in shown
