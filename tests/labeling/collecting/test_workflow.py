"""ImageNet's three-stage boxes, from the first box to the covered image, and the gold that comes of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from labeling import exporting, figures, services
from labeling.collecting import box_golds, rightness, workflow
from labeling.consensus import fitting
from labeling.errors import CrowdtuneError
from labeling.jobs import Report
from labeling.models import Assignment, Consensus, Gold, Job, Membership, Project, Task
from tests.labeling.conftest import claim, client, person

pytestmark = pytest.mark.django_db
BOX = {"category": "cat", "box": [2.0, 3.0, 10.0, 12.0]}
OTHER = {"category": "cat", "box": [20.0, 5.0, 8.0, 8.0]}


@pytest.fixture
def boxes(make_project: Callable[..., Project]) -> Project:
    return make_project(
        images=1, categories=["cat"], workflow="three_stage_boxes", judgments_min=1, judgments_max=1, access="open"
    )


@pytest.fixture
def crowd(db: None) -> list[User]:
    return [person(f"w{number}") for number in range(3)]


def answer(project: Project, worker: User, answers: dict[str, Any], seconds: float = 2.0) -> str:
    """Answer the next task; returns its stage."""
    assignment = claim(project, worker)
    services.submit_judgment(assignment_id=assignment.pk, worker=worker, answers=answers, seconds=seconds)
    return assignment.task.stage


def cover(project: Project, crowd: list[User]) -> None:
    """One box, found good, and nothing left."""
    answer(project, crowd[0], {"box": [BOX]}, 8.0)
    answer(project, crowd[1], {"good": True}, 2.0)
    answer(project, crowd[2], {"covered": True}, 3.0)


def test_a_box_goes_from_draw_to_quality_to_coverage(boxes: Project, crowd: list[User]) -> None:
    assert answer(boxes, crowd[0], {"box": [BOX]}) == "draw:1"
    assert Task.objects.get(stage="quality:1").payload == {"boxes": [], "candidate": BOX}
    assert answer(boxes, crowd[1], {"good": True}) == "quality:1"
    assert Task.objects.get(stage="coverage:1").payload == {"boxes": [BOX]}
    assert answer(boxes, crowd[2], {"covered": True}) == "coverage:1"
    label = Consensus.objects.get(task__stage="draw:1")
    assert (label.answer, label.is_final, label.method) == ([BOX], True, "three_stage_boxes")
    assert not Task.objects.filter(state="open").exists()


def test_a_bad_box_is_drawn_again_and_a_gap_asks_for_the_next(boxes: Project, crowd: list[User]) -> None:
    answer(boxes, crowd[0], {"box": [BOX]})
    answer(boxes, crowd[1], {"good": False})
    assert Task.objects.get(stage="draw:2").payload == {"boxes": [], "rejected": BOX}
    answer(boxes, crowd[0], {"box": [BOX]})
    answer(boxes, crowd[1], {"good": True})
    answer(boxes, crowd[2], {"covered": False})
    assert Task.objects.get(stage="draw:3").payload == {"boxes": [BOX]}
    answer(boxes, crowd[0], {"box": [OTHER]})
    answer(boxes, crowd[1], {"good": True})
    answer(boxes, crowd[2], {"covered": True})
    label = Consensus.objects.get(task__stage="draw:1")
    assert label.answer == [BOX, OTHER]
    sure = dict(Consensus.objects.exclude(pk=label.pk).values_list("task__stage", "confidence"))
    assert max(sure.values()) < 1
    assert label.confidence == pytest.approx(sure["quality:2"] * sure["quality:3"] * sure["coverage:3"])


def open_stages() -> list[str]:
    return sorted(Task.objects.filter(state="open").values_list("stage", flat=True))


def test_a_verdict_that_is_decided_anew_voids_what_followed_the_first(boxes: Project, crowd: list[User]) -> None:
    answer(boxes, crowd[0], {"box": [BOX]})
    answer(boxes, crowd[1], {"good": True})
    leased = claim(boxes, crowd[2])
    assert leased.task.stage == "coverage:1"
    services.decide_task(task=Task.objects.get(stage="quality:1"), answers={"good": False}, user=boxes.owner)
    assert open_stages() == ["draw:2"]
    with pytest.raises(CrowdtuneError) as lost:
        services.submit_judgment(assignment_id=leased.pk, worker=crowd[2], answers={"covered": True})
    assert lost.value.code == "lease_lost"
    services.decide_task(task=Task.objects.get(stage="quality:1"), answers={"good": True}, user=boxes.owner)
    assert open_stages() == ["coverage:1"]
    answer(boxes, person("other"), {"covered": True})
    label = Consensus.objects.get(task__stage="draw:1")
    assert (label.answer, label.is_final, open_stages()) == ([BOX], True, [])


def test_an_image_is_no_longer_covered_when_its_box_is_found_bad_after_all(boxes: Project, crowd: list[User]) -> None:
    cover(boxes, crowd)
    services.decide_task(task=Task.objects.get(stage="quality:1"), answers={"good": False}, user=boxes.owner)
    assert not Consensus.objects.get(task__stage="draw:1").is_final
    assert workflow.figures(boxes)["covered_images"] == 0
    assert box_golds.make(project=boxes) == 0  # of a box that is bad
    assert open_stages() == ["draw:2"]
    services.decide_task(task=Task.objects.get(stage="quality:1"), answers={"good": True}, user=boxes.owner)
    assert Consensus.objects.get(task__stage="draw:1").is_final
    assert open_stages() == []


def test_a_verdict_that_the_background_fit_makes_sure_of_goes_on_too(
    make_project: Callable[..., Project], crowd: list[User]
) -> None:
    project = make_project(
        images=1, categories=["cat"], workflow="three_stage_boxes", judgments_max=3, confidence=0.99, access="open"
    )
    answer(project, crowd[0], {"box": [BOX]})
    answer(project, crowd[1], {"good": True})
    assert Task.objects.get(stage="quality:1").state == "open"  # one vote is not sure enough
    Project.objects.update(confidence=0.5)
    fitting.fit_project(project.pk)
    assert Task.objects.get(stage="quality:1").retired_because == "confident"
    assert Task.objects.get(stage="coverage:1").payload == {"boxes": [BOX]}


def test_an_image_without_objects_goes_to_coverage_at_once(boxes: Project, crowd: list[User]) -> None:
    answer(boxes, crowd[0], {"box": []})
    assert services.claim_assignment(project=boxes, worker=crowd[0]) is None  # who said so does not verify it
    assert answer(boxes, crowd[1], {"covered": True}) == "coverage:1"
    assert Consensus.objects.get(task__stage="draw:1").answer == []


def test_nobody_judges_a_box_of_their_own(boxes: Project, crowd: list[User]) -> None:
    answer(boxes, crowd[0], {"box": [BOX]})
    assert services.claim_assignment(project=boxes, worker=crowd[0]) is None
    assert Assignment.objects.get(task__stage="quality:1").reason == "drew the box"


def test_seconds_per_accepted_box_are_told_by_stage(boxes: Project, crowd: list[User]) -> None:
    cover(boxes, crowd)
    found = figures.of_project(boxes)["boxes"]
    assert found["accepted_boxes"] == 1
    assert found["seconds_per_accepted_box"] == {"draw": 8.0, "quality": 2.0, "coverage": 3.0}


def test_gold_of_a_box_that_is_found_bad_after_all_is_taken_back_and_counts_against_nobody(
    boxes: Project, crowd: list[User]
) -> None:
    cover(boxes, crowd)
    box_golds.make(project=boxes)
    services.change_project(project=boxes, user=boxes.owner, gold_rate=1.0)
    new = person("new")
    for _ in range(4):
        asked = claim(Project.objects.get(), new)
        said = {"good": False} if asked.task.stage.startswith("quality") else {"covered": False}
        services.submit_judgment(assignment_id=asked.pk, worker=new, answers=said)
    member = Membership.objects.get(user=new)
    assert (member.gold_seen, member.gold_right) == (4, 2)
    services.decide_task(task=Task.objects.get(stage="quality:1"), answers={"good": False}, user=boxes.owner)
    member.refresh_from_db()
    assert (member.judgment_count, member.gold_seen, member.gold_right) == (4, 0, 0)
    assert (Project.objects.get().gold_count, Gold.objects.count(), open_stages()) == (0, 0, ["draw:2"])
    assert figures.of_project(boxes)["boxes"]["accepted_boxes"] == 0


def test_gold_is_made_of_covered_images_and_asked_as_hidden_gold(boxes: Project, crowd: list[User]) -> None:
    cover(boxes, crowd)
    labels = figures.agreement(boxes)
    address = f"/api/v1/projects/{boxes.slug}/tasks/box-golds/"
    assert [client(boxes.owner).post(address).json() for _again in range(2)] == [{"count": 4}, {"count": 0}]
    assert figures.agreement(boxes) == labels  # it is no label of an image
    bad = Task.objects.get(stage="quality:gold-bad")
    assert bad.gold.answers == {"good": False}
    assert not rightness.matches([bad.payload["candidate"]], [BOX])
    boxes.refresh_from_db()
    assert boxes.gold_count == 4
    services.change_project(project=boxes, user=boxes.owner, gold_rate=1.0)
    asked = claim(Project.objects.get(pk=boxes.pk), person("new"))
    assert asked.task.is_gold


def test_made_gold_that_is_taken_back_stays_closed_and_says_nothing_of_its_image(
    boxes: Project, crowd: list[User]
) -> None:
    cover(boxes, crowd)
    services.make_box_golds(project=boxes, user=boxes.owner)
    before = sorted(workflow.labels_of(boxes).values_list("pk", flat=True))
    services.change_project(project=boxes, user=boxes.owner, gold_rate=1.0)
    services.submit_judgment(**given(Project.objects.get(pk=boxes.pk), person("new")))
    for task in Task.objects.filter(is_gold=True):
        services.remove_gold(task=task, user=boxes.owner)
    assert open_stages() == []
    fitting.fit_project(boxes.pk)
    assert sorted(workflow.labels_of(boxes).values_list("pk", flat=True)) == before
    assert workflow.figures(boxes)["accepted_boxes"] == 1
    services.decide_task(task=Task.objects.get(stage="quality:gold-bad"), answers={"good": False}, user=boxes.owner)
    services.decide_task(task=Task.objects.get(stage="quality:1"), answers={"good": False}, user=boxes.owner)
    assert open_stages() == ["draw:2"]


def given(project: Project, worker: User) -> dict[str, Any]:
    """An answer to the next task, whatever it asks."""
    lease = claim(project, worker)
    asked = {"quality": "good", "coverage": "covered"}[lease.task.stage.partition(":")[0]]
    return {"assignment_id": lease.pk, "worker": worker, "answers": {asked: True}}


def test_who_takes_a_drawing_back_is_judged_by_the_next(boxes: Project, crowd: list[User]) -> None:
    answer(boxes, crowd[0], {"box": [BOX]})
    late = given(boxes, crowd[1])
    services.undo_last(project=boxes, worker=crowd[0])
    assert open_stages() == ["draw:1"]
    with pytest.raises(CrowdtuneError) as lost:
        services.submit_judgment(**late)
    assert lost.value.code == "lease_lost"
    answer(boxes, crowd[0], {"box": [OTHER]})
    assert Task.objects.get(stage="quality:1").payload == {"boxes": [], "candidate": OTHER}
    answer(boxes, crowd[1], {"good": True})
    answer(boxes, crowd[2], {"covered": True})
    assert Consensus.objects.get(task__stage="draw:1").answer == [OTHER]


@pytest.mark.parametrize(("box", "stage"), [(OTHER, "quality:1"), (BOX, "coverage:1")])
def test_a_verdict_is_about_the_box_that_was_judged(
    boxes: Project, crowd: list[User], box: dict[str, Any], stage: str
) -> None:
    answer(boxes, crowd[0], {"box": [BOX]})
    answer(boxes, crowd[1], {"good": True})
    services.undo_last(project=boxes, worker=crowd[0])
    assert open_stages() == ["draw:1"]
    answer(boxes, crowd[0], {"box": [box]})
    assert open_stages() == [stage]


def exported(project: Project) -> dict[str, Any]:
    """What an export says of the only image: question -> answer."""
    header = exporting.header_of(project, {})
    (row,) = exporting.Rows(project, header, Report(Job(project=project)))._rows(list(project.images.all()))
    return {key: label.answer for key, label in row.labels.items()}


def test_an_export_says_what_the_last_stages_say_and_no_box_that_is_not_verified(
    boxes: Project, crowd: list[User]
) -> None:
    answer(boxes, crowd[0], {"box": [BOX]})
    assert exported(boxes) == {}
    answer(boxes, crowd[1], {"good": False})
    answer(boxes, crowd[0], {"box": [BOX]})
    answer(boxes, crowd[1], {"good": True})
    answer(boxes, crowd[2], {"covered": False})
    answer(boxes, crowd[0], {"box": [OTHER]})
    answer(boxes, crowd[1], {"good": True})
    answer(boxes, crowd[2], {"covered": True})
    services.make_box_golds(project=boxes, user=boxes.owner)
    # As after a rewrite of the table, where rows lie in any order.
    early = Consensus.objects.filter(task__stage__in=["quality:1", "coverage:2", "draw:3", "quality:gold-bad"])
    early.update(updated_at=timezone.now())
    assert exported(boxes) == {"box": [BOX, OTHER], "good": True, "covered": True}


def test_a_perturbed_box_never_overlaps_by_a_half_and_stays_in_the_image() -> None:
    dice = random.Random(1)
    for _ in range(300):
        box = {"category": "cat", "box": [dice.uniform(0, 60), dice.uniform(0, 60), dice.uniform(5, 40), 20.0]}
        x, y, width, height = box_golds.perturbed(box, 100, 100, dice)["box"]
        assert x >= 0
        assert y >= 0
        assert x + width <= 100.02
        assert y + height <= 100.02
        assert not rightness.matches([{"category": "cat", "box": [x, y, width, height]}], [box])


def test_a_box_is_no_label_before_its_image_is_covered(boxes: Project, crowd: list[User]) -> None:
    def listed() -> list[tuple[str, bool]]:
        found = client(boxes.owner).get(f"/api/v1/projects/{boxes.slug}/labels/").json()["results"]
        return [(row["question"], row["is_final"]) for row in found if row["question"] == "box"]

    answer(boxes, crowd[0], {"box": [BOX]})
    assert listed() == []
    answer(boxes, crowd[1], {"good": True})
    answer(boxes, crowd[2], {"covered": True})
    assert listed() == [("box", True)]


def test_what_a_reviewer_draws_is_the_label_with_what_was_accepted_before(boxes: Project, crowd: list[User]) -> None:
    services.decide_task(task=Task.objects.get(stage="draw:1"), answers={"box": [BOX]}, user=boxes.owner)
    assert labels(boxes) == [[BOX]]
    assert open_stages() == []


def test_a_reviewer_s_drawing_keeps_the_boxes_before_it_and_ends_what_was_open(
    boxes: Project, crowd: list[User]
) -> None:
    answer(boxes, crowd[0], {"box": [BOX]})
    answer(boxes, crowd[1], {"good": True})
    answer(boxes, crowd[2], {"covered": False})
    answer(boxes, crowd[0], {"box": [BOX]})
    assert open_stages() == ["quality:2"]
    services.decide_task(task=Task.objects.get(stage="draw:2"), answers={"box": [OTHER]}, user=boxes.owner)
    assert labels(boxes) == [[BOX, OTHER]]
    assert open_stages() == []


def labels(project: Project) -> list[list[dict[str, object]]]:
    return list(workflow.labels_of(project).filter(question__kind="boxes").values_list("answer", flat=True))


def test_an_image_is_finished_when_it_is_covered_however_many_of_its_tasks_are(
    boxes: Project, crowd: list[User]
) -> None:
    answer(boxes, crowd[0], {"box": [BOX]})
    answer(boxes, crowd[1], {"good": True})
    boxes.refresh_from_db()
    assert (boxes.retired_count, boxes.task_count, boxes.finished) == (2, 3, (0, 1))
    assert figures.of_project(boxes)["progress"]["share"] == 0
    answer(boxes, crowd[2], {"covered": True})
    boxes.refresh_from_db()
    assert boxes.finished == (1, 1)
    assert figures.cost(boxes)["judgments_to_finish"] == 0


def test_the_forecast_counts_the_rounds_ahead_and_no_drawing_as_saved(
    make_project: Callable[..., Project], crowd: list[User]
) -> None:
    project = make_project(
        images=2, categories=["cat"], workflow="three_stage_boxes", judgments_min=1, judgments_max=3, access="open"
    )
    first = figures.cost(project)
    low, high = first["judgments_to_finish_between"]
    assert 2 * 3 <= low <= first["judgments_to_finish"] <= 2 * 2 * 3 <= high  # nobody knows how many boxes there are
    said = sum(_answer_whatever(project, crowd[number % 3]) for number in range(5))  # two boxes an image take 12
    cost = figures.cost(project)
    low, high = (said + more for more in cost["judgments_to_finish_between"])
    assert low <= 12 <= high
    verified = Task.objects.filter(project=project, state="retired").exclude(stage__startswith="draw:").count()
    assert cost["judgments_saved"] == 2 * verified  # of three; who draws is one person anyway
    others = [person(f"late{number}") for number in range(3)]  # who drew is asked for no verdict
    while any(_answer_whatever(project, worker) for worker in [*crowd, *others]):
        pass
    ended = figures.cost(project)
    assert (ended["judgments_to_finish"], ended["judgments_to_finish_between"]) == (0, [0, 0])


def test_the_forecast_has_the_gold_that_is_made_later_by_itself(make_project: Callable[..., Project]) -> None:
    options = {"categories": ["cat"], "workflow": "three_stage_boxes", "judgments_min": 1, "judgments_max": 3}
    with_gold, without = (make_project(images=10, name=str(rate), gold_rate=rate, **options) for rate in (0.5, 0.0))
    more, plain = (figures.cost(project)["judgments_to_finish"] for project in (with_gold, without))
    assert plain < more <= plain + 5 * box_golds.OF_AN_IMAGE  # five images give gold, and one person is asked


def _answer_whatever(project: Project, worker: User) -> bool:
    """The next task of images that have two boxes each, whichever stage it is of; False where there is none."""
    lease = services.claim_assignment(project=Project.objects.get(pk=project.pk), worker=worker)
    if lease is None:
        return False
    kind, _, turn = Task.objects.get(assignments=lease.id).stage.partition(":")
    answers = {"draw": {"box": [BOX]}, "quality": {"good": True}, "coverage": {"covered": turn == "2"}}[kind]
    services.submit_judgment(assignment_id=lease.id, worker=worker, answers=answers, seconds=2.0)
    return True
