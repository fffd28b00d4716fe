"""Known answers that are taken back: the task goes on as if its answer had never been known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from labeling import services
from labeling.models import Consensus, Project, Task
from tests.labeling.conftest import claim, person

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("answers", "ended"), [(("cat", "cat"), "confident"), (("cat", "dog"), "")])
def test_what_was_said_of_gold_counts_when_it_is_gold_no_more(
    make_project: Callable[..., Project], answers: tuple[str, ...], ended: str
) -> None:
    project = make_project(images=1, judgments_min=2, confidence=0.6, access="open", gold_rate=1)
    task = Task.objects.get()
    services.set_gold(task=task, answers="cat", user=project.owner)
    project.refresh_from_db()
    for number, said in enumerate(answers):
        worker = person(f"w{number}")
        lease = claim(project, worker)
        services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"category": said})
    services.remove_gold(task=task, user=project.owner)
    task.refresh_from_db()
    label = Consensus.objects.get()
    assert (label.judgment_count, label.is_final, task.retired_because) == (2, bool(ended), ended)
    assert task.open_slots == (0 if ended else 1)


def test_the_project_counts_the_gold_that_hides_whatever_becomes_of_it(make_project: Callable[..., Project]) -> None:
    project = make_project(images=3)
    first, second, third = Task.objects.order_by("id")
    counted = []
    for task, use in [
        (first, "hidden"), (first, "hidden"), (second, "practice"), (second, "hidden"), (third, "hidden"),
        (first, "qualification"), (first, "practice"),
    ]:  # fmt: skip
        services.set_gold(task=task, answers="cat", use=use, user=project.owner)
        counted.append(Project.objects.get().gold_count)
    services.remove_gold(task=second, user=project.owner)
    services.delete_images(project=project, ids=[third.image_id], user=project.owner)
    assert [*counted, Project.objects.get().gold_count] == [1, 1, 1, 2, 3, 2, 2, 0]
