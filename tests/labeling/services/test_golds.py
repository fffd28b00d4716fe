"""Known answers that are taken back: the task goes on as if its answer had never been known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labeling import services
from labeling.collecting import marking, tasks
from labeling.consensus import fitting
from labeling.errors import CrowdtuneError
from labeling.importing import judgments, labels
from labeling.jobs import Report
from labeling.models import Consensus, Gold, Job, Membership, Project, Task
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


def test_a_record_follows_what_gold_says_and_what_it_is_for(make_project: Callable[..., Project]) -> None:
    project = make_project(images=2, access="open", gold_rate=1)
    first, second = Task.objects.order_by("id")
    for task in (first, second):
        services.set_gold(task=task, answers="cat", user=project.owner)
    project.refresh_from_db()
    worker = person("wanda")
    for said in ("cat", "cat"):
        lease = claim(project, worker)
        services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"category": said})
    records = []
    for use, answer in [
        ("check", "cat"), ("hidden", "cat"), ("practice", "cat"), ("qualification", "cat"), ("hidden", "dog"),
        ("hidden", "dog"), ("check", "dog"),
    ]:  # fmt: skip
        services.set_gold(task=first, answers=answer, use=use, user=project.owner)
        records.append(Membership.objects.values_list("gold_seen", "gold_right").get(user=worker))
    services.remove_gold(task=second, user=project.owner)
    services.set_gold(task=second, answers="cat", user=project.owner)
    records.append(Membership.objects.values_list("gold_seen", "gold_right").get(user=worker))
    assert records == [(1, 1), (2, 2), (1, 1), (2, 2), (2, 1), (2, 1), (1, 1), (1, 1)]


TWO = [
    {"key": "what", "kind": "single_choice", "prompt": "What?", "choices": ["cat", "dog"]},
    {"key": "legs", "kind": "number", "prompt": "How many legs?"},
]


def labels_of(project: Project) -> dict[str, list[Any]]:
    rows = Consensus.objects.filter(project=project)
    fields = ("question__key", "answer", "method", "is_final", "judgment_count")
    return {key: rest for key, *rest in rows.values_list(*fields)}


def known_in_part(make_project: Callable[..., Project], **settings: Any) -> tuple[Project, Task]:
    """One picture, which shows a cat; how many legs it has nobody has told."""
    project = make_project(images=1, questions=TWO, access="open", gold_rate=1, judgments_max=5, **settings)
    task = Task.objects.get()
    services.set_gold(task=task, answers={"what": "cat"}, user=project.owner)
    return project, task


CAT = ["cat", "gold", True, 0]


@pytest.mark.parametrize("use", sorted(set(Gold.Use.values) - {Gold.Use.CHECK}))
def test_a_question_that_gold_leaves_out_is_labeled_by_what_people_say(
    make_project: Callable[..., Project], use: str
) -> None:
    project, task = known_in_part(make_project, judgments_min=2, budget="10", price_per_judgment="0.1")
    services.set_gold(task=task, answers={"what": "cat"}, use=use, user=project.owner)
    people = [person("ann"), person("ben")]
    for number, worker in enumerate(people, start=1):
        services.submit_judgment(
            assignment_id=claim(project, worker).pk, worker=worker, answers={"what": "dog", "legs": 4}
        )
        assert labels_of(project) == {"what": CAT, "legs": [4, "adaptive", True, number]}
    fitting.fit_project(project.pk)
    project.refresh_from_db()
    paid = "0.2000" if use == "hidden" else "0.0000"
    assert (project.judgment_count, str(project.spent), project.retired_count) == (2, paid, 1)
    assert labels_of(project) == {"what": CAT, "legs": [4, "adaptive", True, 2]}
    if use == "hidden":
        for left, worker in enumerate(people):
            services.undo_last(project=project, worker=worker)
            rest = {} if left else {"legs": [4, "adaptive", True, 1]}
            assert labels_of(project) == {"what": CAT, **rest}


def test_a_check_does_not_end_what_people_are_still_asked_of_its_image(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1, questions=TWO, access="open", judgments_min=2, judgments_max=2)
    task, what = Task.objects.get(), project.questions.get(key="what")
    found: list[str] = []
    for worker in (person("ann"), person("ben")):
        lease = claim(project, worker)
        services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"what": "dog", "legs": 4})
        if worker.username == "ann":
            with pytest.raises(CrowdtuneError, match="still asked") as refused:
                services.set_gold(task=task, answers={"what": "cat"}, use="check", user=project.owner)
            names = {"gold": {"0000.png": {"answers": {"what": "cat"}, "use": "check"}}, "project": project}
            files = [(task.image.name, task.image.sha256)]
            marking.mark_by_name(files=files, report=lambda *told: found.append(told[1]), **names)
            assert found == [refused.value.code] == ["still_asked"]
        Consensus.objects.filter(question=what).update(others={"majority": {"answer": "cat", "confidence": 1}})
        assert tasks.differing(what).exists() is (worker.username == "ben")
    services.set_gold(task=task, answers={"what": "cat"}, use="check", user=project.owner)
    assert labels_of(project) == {"what": CAT, "legs": [4, "adaptive", True, 2]}


def test_labels_that_come_in_as_gold_leave_what_is_known_what_it_is_for(make_project: Callable[..., Project]) -> None:
    project = make_project(images=2, questions=TWO)
    for task, use in zip(Task.objects.order_by("pk"), ("check", "practice"), strict=True):
        answers = {"what": "cat", "legs": 3}
        services.set_gold(task=task, answers=answers, use=use, explanation="Look.", position=7, user=project.owner)
        found = [(task.image, labels._asked(project, "gold")["what"], "dog", "")]
        labels.TAKES["gold"](project, found, {"source": "them"}, Report(Job()))
        gold = Gold.objects.get(task=task)
        assert (gold.answers, gold.use) == ({"what": "dog", "legs": 3}, use)
        assert (gold.explanation, gold.position) == ("Look.", 7)


def test_judgments_that_come_in_label_what_gold_leaves_out(make_project: Callable[..., Project]) -> None:
    project, task = known_in_part(make_project)
    found = {(task.image_id, person(name).pk): {"what": "dog", "legs": 3} for name in ("ann", "ben")}
    judgments.store(project, found, dict.fromkeys(found), {task.image_id: task.image})
    assert labels_of(project) == {"what": CAT, "legs": [3, "adaptive", True, 2]}


def test_labels_of_other_questions_stay_when_gold_comes_later_or_goes(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1, questions=TWO, access="open", gold_rate=1, judgments_min=2)
    task, worker = Task.objects.get(), person("ann")
    services.submit_judgment(assignment_id=claim(project, worker).pk, worker=worker, answers={"what": "dog", "legs": 4})
    said = {"legs": [4, "adaptive", True, 1]}
    services.set_gold(task=task, answers={"what": "cat"}, user=project.owner)
    assert labels_of(project) == {"what": CAT, **said}
    services.set_gold(task=task, answers={"what": "cat", "legs": 2}, user=project.owner)
    assert labels_of(project) == {"what": CAT, "legs": [2, "gold", True, 0]}
    services.set_gold(task=task, answers={"what": "cat"}, user=project.owner)
    fitting.fit_project(project.pk)
    assert labels_of(project) == {"what": CAT, **said}
    services.remove_gold(task=task, user=project.owner)
    assert labels_of(project) == {"what": ["dog", "adaptive", False, 1], "legs": [4, "adaptive", False, 1]}


def test_what_a_person_decided_of_another_question_stays_with_gold(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1, questions=TWO, access="open", gold_rate=1)
    task, worker = Task.objects.get(), person("ann")
    services.decide_task(task=task, answers={"what": "dog", "legs": 3}, user=project.owner)
    services.set_gold(task=task, answers={"what": "cat"}, user=project.owner)
    services.submit_judgment(assignment_id=claim(project, worker).pk, worker=worker, answers={"what": "cat", "legs": 4})
    fitting.fit_project(project.pk)
    assert labels_of(project) == {"what": CAT, "legs": [3, "person", True, 0]}


@pytest.mark.parametrize("written", [1, 25])
def test_what_a_file_says_of_an_image_in_several_lines_is_known_together(
    make_project: Callable[..., Project], run_actors: Callable[[], int], monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """However many are written in one go; and one number is the same in any form."""
    monkeypatch.setattr(labels, "WRITTEN", written)
    project = make_project(images=2, questions=TWO)
    lines = ["0000.png,what,cat", "0000.png,legs,4", "0000.png,legs,4.0", "0000.png,legs,-1", "0001.png,what,dog"]
    file = SimpleUploadedFile("a.csv", "\n".join(["image,question,answer", *lines]).encode())
    services.import_labels(project=project, file=file, form="csv", take_as="gold", source="", user=None)
    run_actors()
    found = Gold.objects.order_by("task__image__name").values_list("answers", flat=True)
    assert list(found) == [{"what": "cat", "legs": 4}, {"what": "dog"}]
    result = Job.objects.get().result
    assert (result["imported"], result["labels"], result["refused"]) == (3 if written > 1 else 4, 5, 1)  # of two images
    assert Consensus.objects.filter(method="gold", is_final=True).count() == 3
    assert [row["code"] for row in Job.objects.get().errors] == ["bad_answer"]
    project.refresh_from_db()
    assert (project.gold_count, project.retired_count) == (2, 2)


def test_the_project_that_everybody_waits_for_is_written_once_for_many_known_answers(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=3)
    question = labels._asked(project, "gold")["category"]
    found = [(task.image, question, "cat", "") for task in Task.objects.order_by("pk")]
    with CaptureQueriesContext(connection) as of_one:
        labels.TAKES["gold"](project, found[:1], {"source": "them"}, Report(Job()))
    with CaptureQueriesContext(connection) as said:
        assert labels.TAKES["gold"](project, found, {"source": "them"}, Report(Job())) == {"imported": 3}
    assert len(said) == len(of_one)
    written = [number for number, one in enumerate(said) if one["sql"].startswith('UPDATE "labeling_project"')]
    rest = [one["sql"].split()[0] for one in said.captured_queries[written[0] + 1 :]]
    assert (len(written), rest) == (1, ["RELEASE"])
    project.refresh_from_db()
    assert (project.gold_count, project.retired_count) == (3, 3)


@pytest.mark.parametrize("take_as", labels.TAKES)
def test_labels_of_an_image_that_is_deleted_while_they_come_in_are_told_and_the_others_taken(
    make_project: Callable[..., Project], run_actors: Callable[[], int], monkeypatch: pytest.MonkeyPatch, take_as: str
) -> None:
    monkeypatch.setattr(labels, "WRITTEN", 1)
    project = make_project(images=3)
    image, checkpoint = project.images.get(name="0001.png"), Report.checkpoint

    def delete(report: Report, fraction: float, message: str = "") -> None:
        services.delete_images(project=project, ids=[image.pk], user=None)
        checkpoint(report, fraction, message)

    monkeypatch.setattr(Report, "checkpoint", delete)
    file = SimpleUploadedFile("a.csv", b"image,answer\n0000.png,cat\n0001.png,cat\n0002.png,dog\n")
    services.import_labels(project=project, file=file, form="csv", take_as=take_as, source="them", user=None)
    run_actors()
    job = Job.objects.get()
    assert [(row["item"], row["code"]) for row in job.errors] == [("0001.png", "unknown_image")]
    assert (job.state, job.result["imported"]) == ("succeeded", 2)
