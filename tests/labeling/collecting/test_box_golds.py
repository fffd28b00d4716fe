"""Hidden gold that the three-stage box workflow makes by itself of covered images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.utils import timezone

from labeling import services
from labeling.collecting import box_golds, rightness
from labeling.consensus import fitting
from labeling.models import AuditEntry, Consensus, Gold, Membership, Project, Task
from tests.labeling.collecting.test_concurrency import together
from tests.labeling.collecting.test_locks import beside_an_answer
from tests.labeling.collecting.test_workflow import BOX, OTHER, answer, cover
from tests.labeling.conftest import claim, person, picture

pytestmark = pytest.mark.django_db
Make = Callable[..., Project]


def staged(make_project: Make, images: int = 1, **settings: Any) -> Project:
    counts = {"judgments_min": 1, "judgments_max": 1, **settings}
    return make_project(images=images, categories=["cat"], workflow="three_stage_boxes", access="open", **counts)


def drawn(project: Project, boxes: list[dict[str, Any]], images: int | None = None) -> None:
    """The owner covers so many images that are not covered yet."""
    for task in Task.objects.filter(project=project, stage="draw:1", state="open").order_by("pk")[:images]:
        services.decide_task(task=task, answers={"box": boxes}, user=project.owner)


def made() -> int:
    return Task.objects.filter(stage__contains=":gold-").count()


@pytest.fixture
def crowd(db: None) -> list[User]:
    return [person(f"w{number}") for number in range(3)]


def test_where_one_box_is_asked_for_gold_of_all_is_right_by_any_of_them(make_project: Make, crowd: list[User]) -> None:
    project = staged(make_project)
    task = Task.objects.get(stage="draw:1")
    services.set_gold(task=task, answers={"box": [BOX, OTHER]}, user=project.owner, use=Gold.Use.PRACTICE)
    told = []
    for worker, boxes in zip(crowd, ([OTHER], [{**BOX, "box": [1.0, 1.0, 4.0, 4.0]}], []), strict=True):
        services.ensure_member(project=project, user=worker)
        lease = claim(project, worker)
        judgment, _new = services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"box": boxes})
        told.append(services.feedback(judgment=judgment) or {})
    assert [one["right"] for one in told] == [True, False, False]
    assert told[0]["expected"] == {"box": [BOX, OTHER]}
    assert Consensus.objects.get(task=task).answer == [BOX, OTHER]


def test_gold_is_made_by_itself_once_an_image_is_covered(make_project: Make, crowd: list[User]) -> None:
    project = staged(make_project)
    cover(project, crowd)
    for _again in range(3):
        fitting.fit_project(project.pk)
    assert {gold.task.stage: gold.answers for gold in Gold.objects.select_related("task")} == {
        "quality:gold-good": {"good": True},
        "quality:gold-bad": {"good": False},
        "coverage:gold-all": {"covered": True},
        "coverage:gold-one-missing": {"covered": False},
    }
    assert Project.objects.get().gold_count == 4
    (entry,) = AuditEntry.objects.filter(action="box_golds_made")
    assert (entry.user, entry.changes) == (None, {"count": 4})
    assert fitting.due() == []
    assert services.make_box_golds(project=project, user=project.owner) == 0  # of an image that gave some


def test_a_fit_that_is_killed_before_it_makes_gold_is_made_up_for(make_project: Make) -> None:
    project = staged(make_project)
    drawn(project, [BOX])
    died = timezone.now() - 2 * fitting.ABANDONED
    Project.objects.update(fitted_version=F("answers_version"), fit_started_at=died, fitted_at=died)
    assert fitting.due() == [project.pk]
    fitting.fit_project(project.pk)
    assert made() == 4


def test_there_is_as_much_gold_as_its_rate_needs_and_it_grows_with_what_is_covered(make_project: Make) -> None:
    project = staged(make_project, images=7, gold_rate=0.3)
    drawn(project, [BOX], images=3)
    assert [box_golds.keep(project.pk) for _again in range(2)] == [4, 0]
    drawn(project, [BOX])
    assert [box_golds.keep(project.pk) for _again in range(2)] == [8, 0]
    assert services.make_box_golds(project=project, user=project.owner) == 16  # of the other four: it asked for more
    for task in Task.objects.filter(is_gold=True):
        services.remove_gold(task=task, user=project.owner)
    assert box_golds.keep(project.pk) == 0  # an owner's word stands


@pytest.mark.parametrize(
    "state",
    [
        {"gold_rate": 0.0},
        {"archived_at": timezone.now()},
        {"price_per_judgment": 1, "budget": 0},
        {"deleted_at": timezone.now()},
    ],
)
def test_none_is_made_where_none_is_asked(make_project: Make, state: dict[str, Any]) -> None:
    project = staged(make_project)
    drawn(project, [BOX])
    before = {name: getattr(project, name) for name in state}
    Project.objects.update(**state)
    assert box_golds.keep(project.pk) == 0
    assert not AuditEntry.objects.filter(action="box_golds_made").exists()
    Project.with_deleted.update(**before)
    assert box_golds.keep(project.pk) == 4


def test_none_is_made_of_what_waits_for_a_reviewer(make_project: Make, crowd: list[User]) -> None:
    project = staged(make_project, judgments_min=2, judgments_max=2, confidence=0.99)
    answer(project, crowd[0], {"box": [BOX]})
    for worker in crowd[1:]:
        answer(project, worker, {"good": True})
    for worker in crowd[1:]:
        answer(project, worker, {"covered": True})
    Consensus.objects.filter(task__stage="quality:1").update(confidence=0.6)
    assert box_golds.keep(project.pk) == 0
    Consensus.objects.filter(task__stage="quality:1").update(confidence=0.995)
    Consensus.objects.filter(task__stage="coverage:1").update(confidence=0.995)
    assert box_golds.keep(project.pk) == 4


def test_who_drew_is_not_asked_and_has_skipped_nothing(make_project: Make, crowd: list[User]) -> None:
    project = staged(make_project)
    rule = {"measure": "skips_in_a_row", "comparison": "at_least", "threshold": 3, "window": 3, "action": "pause"}
    services.add_rule(project=project, user=project.owner, **rule)
    cover(project, crowd)
    box_golds.keep(project.pk)
    services.add_images(project=project, images={"more.png": picture(9)})
    services.change_project(project=project, user=project.owner, gold_rate=1.0)
    assert claim(Project.objects.get(), person("new")).task.is_gold
    asked = claim(Project.objects.get(), crowd[0])
    assert asked.task.stage == "draw:1"
    services.skip_assignment(assignment_id=asked.pk, worker=crowd[0])
    assert not Membership.objects.get(user=crowd[0]).is_paused


def test_a_perturbed_box_is_wrong_for_every_object_of_its_image_however_large(make_project: Make) -> None:
    project = staged(make_project, images=6, gold_rate=1.0)
    width, height = project.images.values_list("width", "height")[0]
    whole = {"category": "cat", "box": [0.0, 0.0, float(width), float(height)]}
    drawn(project, [whole])
    assert box_golds.keep(project.pk) == 24
    wrong = [task.payload["candidate"] for task in Task.objects.filter(stage="quality:gold-bad")]
    assert not any(rightness.matches([box], [whole]) for box in wrong)
    assert len({str(box) for box in wrong}) == 6  # not spoiled alike, which would tell it


def test_a_box_around_what_another_is_around_is_not_left_out(make_project: Make) -> None:
    project = staged(make_project, images=2, gold_rate=1.0)
    twice = {**BOX, "box": [2.5, 3.0, 10.0, 12.0]}
    drawn(project, [BOX])
    first, second = Consensus.objects.filter(task__stage="draw:1").order_by("pk").values_list("pk", flat=True)
    Consensus.objects.filter(pk=first).update(answer=[BOX, twice])  # as of two rounds, and of three
    Consensus.objects.filter(pk=second).update(answer=[BOX, twice, OTHER])
    assert box_golds.keep(project.pk) == 4
    assert Task.objects.get(stage="coverage:gold-one-missing").payload == {"boxes": [BOX, twice]}


@pytest.mark.django_db(transaction=True)
def test_gold_is_made_once_by_two_at_once(make_project: Make) -> None:
    project = staged(make_project, images=4, gold_rate=1.0)
    drawn(project, [BOX])
    assert together([project.owner] * 4, lambda _user: box_golds.keep(project.pk)) == []
    assert (made(), Gold.objects.count(), Project.objects.get().gold_count) == (16, 16, 16)
    assert sum(entry.changes["count"] for entry in AuditEntry.objects.filter(action="box_golds_made")) == 16


@pytest.mark.django_db(transaction=True)
def test_gold_is_not_made_of_a_box_that_is_found_bad_meanwhile(make_project: Make, crowd: list[User]) -> None:
    project = staged(make_project)
    cover(project, crowd)
    first = Task.objects.get(stage="draw:1")
    beside_an_answer(first, lambda: box_golds.keep(project.pk), lambda: Consensus.objects.update(is_final=False))
    assert made() == 0
