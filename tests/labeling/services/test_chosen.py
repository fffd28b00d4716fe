"""Images that were chosen by hand are changed together, and one that refuses keeps no other from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.models import AuditEntry, Consensus, Gold, Image, Project, Task
from labeling.services.chosen import Changed


def chosen(project: Project, *places: int) -> list[int]:
    pks = list(Image.objects.filter(project=project).order_by("id").values_list("pk", flat=True))
    return [pks[place] for place in places]


def test_chosen_images_are_decided_and_known_gold_among_them_stays(make_project: Callable[..., Project]) -> None:
    project, other = make_project(images=4), make_project(images=1)
    owner = project.owner
    known = Task.objects.get(image_id=chosen(project, 1)[0])
    services.set_gold(task=known, answers={"category": "dog"}, user=owner)
    ids = [*chosen(project, 0, 1, 2), *chosen(other, 0)]
    done = services.change_images(project=project, ids=ids, user=owner, change="decide", answers={"category": "cat"})
    assert (done.count, done.left) == (2, 1)
    assert "known" in done.why
    labels = Consensus.objects.order_by("task__image_id").values_list("answer", "decided_by", "is_final")
    assert list(labels) == [("cat", owner.pk, True), ("dog", None, True), ("cat", owner.pk, True)]


def test_chosen_images_are_made_gold_at_once_beside_what_is_known_of_them(make_project: Callable[..., Project]) -> None:
    collar = {"key": "collar", "kind": "yes_no", "prompt": "A collar?"}
    project = make_project(images=3, questions=[{"key": "category", "kind": "single_choice"}, collar])
    first = Task.objects.get(image_id=chosen(project, 0)[0])
    services.set_gold(task=first, answers={"collar": True}, user=project.owner, use="practice")
    ids, answers = chosen(project, 0, 2), {"category": "cat"}
    done = services.change_images(project=project, ids=ids, user=project.owner, change="gold", answers=answers)
    assert done == Changed(2, 0)
    golds = Gold.objects.order_by("task__image_id").values_list("answers", "use")
    assert list(golds) == [({"category": "cat", "collar": True}, "practice"), ({"category": "cat"}, "hidden")]
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.changes["count"]) == ("gold_set", 2)
    project.refresh_from_db()
    assert (project.gold_count, project.retired_count) == (1, 2)


def test_of_several_questions_what_is_sure_is_decided_with_the_one_that_is_named(
    make_project: Callable[..., Project],
) -> None:
    collar = {"key": "collar", "kind": "yes_no", "prompt": "A collar?"}
    project = make_project(images=3, questions=[{"key": "category", "kind": "single_choice"}, collar])
    for place, sure in ((0, 0.99), (1, 0.6)):
        task, question = Task.objects.get(image_id=chosen(project, place)[0]), project.questions.get(key="collar")
        Consensus.objects.create(task=task, project=project, question=question, answer=True, confidence=sure)

    def decide(**answers: Any) -> Changed:
        ids = chosen(project, 0, 1, 2)
        return services.change_images(project=project, ids=ids, user=project.owner, change="decide", answers=answers)

    done = decide(category="cat")
    assert (done.count, done.left) == (1, 2)
    assert "A collar?" in done.why
    decided = Consensus.objects.exclude(decided_by=None).order_by("question__position")
    assert list(decided.values_list("task__image_id", "answer")) == [
        (chosen(project, 0)[0], said) for said in ("cat", True)
    ]
    assert decide(category="dog", collar=False) == Changed(3, 0)


def test_chosen_images_are_asked_again_or_sooner_as_they_are_finished_or_open(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=3)
    ended, opened = Task.objects.get(image_id=chosen(project, 0)[0]), chosen(project, 1)
    services.retire_task(task=ended, user=project.owner)
    ids = [ended.image_id, *opened]

    def change(how: str, **more: Any) -> tuple[int, int]:
        done = services.change_images(project=project, ids=ids, user=project.owner, change=how, **more)
        assert bool(done.why) == bool(done.left)
        return done.count, done.left

    assert change("sooner") == (1, 1)
    assert Task.objects.order_by("-priority").values_list("image_id", flat=True)[0] == opened[0]
    assert change("ask_more") == (1, 1)
    ended.refresh_from_db()
    assert ended.state == Task.State.OPEN


@pytest.mark.parametrize(("change", "answers"), [("paint", {"category": "cat"}), ("decide", {}), ("gold", None)])
def test_a_change_that_is_none_or_lacks_its_answer_is_refused(
    project: Project, change: str, answers: dict[str, Any] | None
) -> None:
    with pytest.raises(CrowdtuneError) as refused:
        services.change_images(project=project, ids=[], user=project.owner, change=change, answers=answers)
    assert refused.value.code == "invalid"
