"""Labels that a version doubts, and their way back to the crowd."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from labeling.models import Consensus, Gold, Project, Task
from training import services
from training.errors import NothingToDo
from training.models import ModelVersion, Suspect
from training.suspects import suspects_among


def test_a_label_that_a_sure_model_contradicts_is_suspected() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 0])
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 3 + [[0.05, 0.95]])

    assert suspects_among(probabilities, labels).tolist() == [6]


def test_an_unsure_contradiction_is_not_suspected() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 0])
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 3 + [[0.45, 0.55]])

    assert suspects_among(probabilities, labels).tolist() == []


def test_the_most_striking_comes_first() -> None:
    labels = np.array([0, 1] * 6)
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9]] * 5 + [[0.2, 0.8], [0.99, 0.01]])

    assert suspects_among(probabilities, labels).tolist() == [11, 10]


def test_a_model_that_knows_no_more_than_chance_suspects_nothing() -> None:
    labels = np.array([0, 1] * 20)
    probabilities = np.array([[0.6, 0.4], [0.4, 0.6], [0.3, 0.7], [0.7, 0.3]] * 10)

    assert suspects_among(probabilities, labels).tolist() == []


@pytest.fixture
def version(project: Project, run_actors: Callable[[], int]) -> ModelVersion:
    services.request_run(project=project, cause="person")
    run_actors()
    return ModelVersion.objects.get()


def test_a_wrong_label_of_the_crowd_is_found_after_the_run_and_told_on_the_overview(
    project: Project, client: Client, run_actors: Callable[[], int]
) -> None:
    row = Consensus.objects.filter(project=project, answer="circle").order_by("pk")[3]
    Consensus.objects.filter(pk=row.pk).update(answer="square", posterior={"square": 0.97})

    services.request_run(project=project, cause="person")
    run_actors()

    worst = ModelVersion.objects.get().suspects.order_by("label_probability").first()
    assert worst is not None
    assert (worst.image_id, worst.label, worst.predicted) == (row.task.image_id, "square", "circle")
    client.force_login(project.owner)
    page, count = client.get("/projects/shapes/training/summary/").content.decode(), Suspect.objects.count()
    assert f"{count} label{'s' * (count > 1)} that it doubts<" in page
    Consensus.objects.filter(pk=row.pk).update(answer="circle")  # a person has corrected it meanwhile
    page = client.get("/projects/shapes/training/insights/").content.decode()
    assert f'name="suspects" value="{worst.pk}"' not in page
    assert page.count('name="suspects"') == count - 1
    Suspect.objects.update(sent_at=timezone.now())
    assert "that it doubts" not in client.get("/projects/shapes/training/summary/").content.decode()


def suspect(version: ModelVersion, task: Task) -> Suspect:
    row, _created = Suspect.objects.get_or_create(
        version=version,
        image=task.image,
        defaults={
            "label": "circle",
            "predicted": "square",
            "label_probability": 0.1,
            "predicted_probability": 0.9,
        },
    )
    return row


def test_suspects_go_back_to_the_crowd_before_other_tasks(version: ModelVersion, project: Project) -> None:
    task = Task.objects.filter(project=project).order_by("id")[0]
    row = suspect(version, task)

    assert services.send_back(version=version, suspect_ids=[row.pk], user=project.owner) == 1

    task.refresh_from_db()
    assert (task.state, task.open_slots) == ("open", 2)
    assert task.priority > 2.0  # which is the most that a model gives, each time that it orders the pool
    assert not Consensus.objects.get(task=task).is_final
    row.refresh_from_db()
    assert row.sent_at is not None


def test_a_suspect_is_sent_back_once(version: ModelVersion, project: Project) -> None:
    row = suspect(version, Task.objects.filter(project=project).order_by("id")[0])
    services.send_back(version=version, suspect_ids=[row.pk], user=project.owner)

    with pytest.raises(NothingToDo):
        services.send_back(version=version, suspect_ids=[row.pk], user=project.owner)
    with pytest.raises(NothingToDo, match="Choose the images"):
        services.send_back(version=version, suspect_ids=[], user=project.owner)


def test_an_owner_decides_what_is_doubted_and_the_next_one_comes(
    version: ModelVersion, project: Project, client: Client
) -> None:
    version.suspects.all().delete()
    tasks = list(Task.objects.filter(project=project, consensus__answer="circle").order_by("id")[:3])
    kept, taken, later = (suspect(version, task) for task in tasks)
    client.force_login(project.owner)
    address = "/projects/shapes/training/insights/"

    def press(row: Suspect, take: str) -> str:
        form = {"version": version.number, "suspect": row.pk, "take": take, "at": 0}
        return client.post(f"{address}decide/", form, follow=True).content.decode()

    assert f'name="suspect" value="{kept.pk}"' in client.get(address).content.decode()
    assert f'name="suspect" value="{taken.pk}"' in press(kept, "label")
    page = press(taken, "model")
    assert f'name="suspect" value="{later.pk}"' in page
    assert page.count('name="suspects"') == 1
    labels = Consensus.objects.filter(task__in=tasks).order_by("task_id").values_list("answer", "decided_by")
    assert list(labels) == [("circle", project.owner_id), ("square", project.owner_id), ("circle", None)]
    assert "not doubted any more" in press(Suspect(pk=later.pk + 1), "model")


def test_gold_that_looks_wrong_is_for_the_owner_to_correct(
    version: ModelVersion, project: Project, client: Client
) -> None:
    task = Task.objects.filter(project=project).order_by("id")[0]  # its gold counts before what people said of it
    Task.objects.filter(pk=task.pk).update(is_gold=True)
    gold = Gold.objects.create(task=task, answers={"what": "circle"})
    Consensus.objects.filter(task=task).update(answer="square")
    row = suspect(version, task)
    client.force_login(project.owner)

    page = client.get("/projects/shapes/training/insights/").content.decode()

    assert f'href="/projects/shapes/images/{task.image_id}/">Gold: correct it yourself' in page
    assert f'value="{row.pk}"' not in page
    for corrected in ({"what": "square"}, {"other": True}):  # which leaves this question to what people said
        Gold.objects.filter(pk=gold.pk).update(answers=corrected)
        assert "Gold: correct" not in client.get("/projects/shapes/training/insights/").content.decode()
