"""One change to the tasks of all labels that fit: asked again, handed out first, closed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client

from labeling import services
from labeling.actors import change_tasks
from labeling.collecting import changing, tasks
from labeling.models import AuditEntry, Consensus, Job, Project, Task, WebhookDelivery
from labeling.views.owner.answers import labels_of, names_of
from labeling.views.owner.images import filtered
from tests.labeling.conftest import claim, person
from tests.labeling.conftest import client as program_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def answered(make_project: Callable[..., Project]) -> Project:
    """Six images, four of them with one answer each, of which every other label is unsure."""
    project = make_project(images=6, judgments_min=1, judgments_max=3, stopping="fixed", access="open")
    worker = person("wanda")
    for number in range(4):
        assignment = claim(project, worker)
        services.submit_judgment(
            assignment_id=assignment.pk, worker=worker, answers={"category": "cat" if number < 3 else "dog"}
        )
    for number, row in enumerate(Consensus.objects.order_by("task_id")):
        Consensus.objects.filter(pk=row.pk).update(confidence=0.99 if number % 2 else 0.6)
    project.refresh_from_db()
    return project


def do(project: Project, change: str, count: int = 1, **where: Any) -> Job:
    question = project.primary_question()
    assert question is not None
    user = project.memberships.get(role="owner").user
    job = services.change_tasks(project=project, user=user, question=question, change=change, where=where, count=count)
    change_tasks(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED, job.error
    project.refresh_from_db()
    return job


def test_people_are_asked_again_about_the_unsure_labels_alone(answered: Project) -> None:
    unsure = set(Consensus.objects.filter(confidence__lt=0.9).values_list("task_id", flat=True))
    job = do(answered, "ask_more", count=2, below=0.9)
    asked = Task.objects.filter(pk__in=unsure)
    assert set(asked.values_list("state", "wanted", "open_slots")) == {("open", 3, 2)}
    assert set(Task.objects.filter(judgment_count=1).exclude(pk__in=unsure).values_list("state")) == {("retired",)}
    assert (job.result["changed"], job.result["unchanged"]) == (2, 0)
    assert answered.retired_count == Task.objects.filter(state="retired").count() == 2
    entry = AuditEntry.objects.get(action="tasks_changed")
    assert entry.changes == {"change": "ask_more", "count": 2, "question": "category", "below": 0.9}


def test_a_filter_by_answer_takes_no_other_label(answered: Project) -> None:
    do(answered, "ask_more", answer="dog")
    opened = Task.objects.filter(state="open", judgment_count=1)
    assert [task.consensus.get().answer for task in opened.prefetch_related("consensus")] == ["dog"]


BOX = {"category": "yes", "box": [1.0, 1.0, 9.0, 9.0]}


@pytest.mark.parametrize(
    ("kind", "said", "other"),
    [("single_choice", "yes", "no"), ("yes_no", True, False), ("multiple_choice", ["yes", "no"], ["no"]),
     ("boxes", [BOX, {**BOX, "category": "no"}], [{**BOX, "category": "no"}])],
)  # fmt: skip
def test_labels_are_found_by_what_they_say_whatever_the_kind(
    make_project: Callable[..., Project], kind: str, said: Any, other: Any
) -> None:
    asked = [{"key": "said", "kind": kind, "prompt": "Is it?"}]
    project = make_project(images=2, questions=asked, categories=["yes", "no"], access="open")
    worker = person("wanda")
    for answer in (said, other):
        assignment = claim(project, worker)
        services.submit_judgment(assignment_id=assignment.pk, worker=worker, answers={"said": answer})
    question = project.questions.get()
    rows = changing.labels_where(project=project, question=question, answer="yes")
    assert [row.task.judgments.get().answers for row in rows] == [{"said": said}]
    found = filtered(project, question, {"answer": "yes"})
    assert [image.pk for image in found] == [row.task.image_id for row in rows]
    offered = dict(labels_of(question, names_of(question)))
    assert list(offered) == ["yes", "no"]


def test_labels_are_found_and_changed_by_the_name_of_their_image(answered: Project, client: Client) -> None:
    name = Consensus.objects.order_by("task_id")[0].task.image.name  # not all six have a label
    part = name.removesuffix(".png")
    client.force_login(answered.owner)
    address = f"/projects/{answered.slug}/labels/"
    page = client.get(f"{address}?q={part}").content.decode()
    assert (page.count('<th scope="row">'), name in page) == (1, True)
    sent = {"q": part, "question": answered.questions.get().key, "change": "ask_more"}
    assert client.post(f"{address}tasks/", sent)["location"].startswith(f"{address}?q={part}")
    assert Job.objects.get(kind="change_tasks").arguments["where"]["name"] == part
    names = {
        label.task.image.name
        for label in changing.labels_where(project=answered, question=answered.questions.get(), name=part)
    }
    assert names == {name}


def test_open_tasks_are_closed_with_their_label_and_webhooks_hear_of_it(answered: Project) -> None:
    do(answered, "ask_more")
    answered.webhooks.create(url="https://example.org/", secret="s", events=["task.retired"])
    Project.objects.update(webhook_count=1)
    job = do(answered, "close", final=False)
    closed = Task.objects.filter(retired_because=Task.Because.PERSON)
    assert closed.count() == job.result["changed"] == WebhookDelivery.objects.count() == 4
    assert Consensus.objects.filter(task__in=closed, is_final=True).count() == 4
    assert answered.retired_count == 4
    assert Task.objects.filter(state="open").count() == 2  # those that nobody has answered have no label to close


def test_disputed_tasks_that_are_closed_wait_for_no_reviewer_and_keep_their_label(answered: Project) -> None:
    Task.objects.filter(judgment_count=1).update(retired_because=Task.Because.MAXIMUM, judgment_count=2, wanted=2)
    assert tasks.disputed_count(answered) == 2
    job = do(answered, "close", below=0.9)
    assert (job.result["changed"], job.result["unchanged"]) == (2, 0)
    assert tasks.disputed_count(answered) == 0
    assert Consensus.objects.filter(confidence=0.6, decided_by=None).count() == 2


def test_open_tasks_come_first_and_finished_ones_are_passed_over(answered: Project) -> None:
    do(answered, "ask_more", answer="dog")
    job = do(answered, "sooner")
    assert (job.result["changed"], job.result["unchanged"]) == (1, 3)
    first = Task.objects.filter(priority__gt=0).get()
    assert (first.state, first.consensus.get().answer) == ("open", "dog")


def test_gold_is_never_asked_again(answered: Project) -> None:
    gold = Task.objects.filter(state="retired").first()
    assert gold is not None
    Task.objects.filter(pk=gold.pk).update(is_gold=True)
    assert do(answered, "ask_more").result["changed"] == 3
    assert Task.objects.get(pk=gold.pk).state == "retired"


def test_a_killed_change_goes_on_where_it_stopped(answered: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "PART", 1)
    question = answered.primary_question()
    assert question is not None
    job = services.change_tasks(project=answered, user=None, question=question, change="ask_more", where={})
    reopen, calls = changing.tasks.reopen, iter(range(99))

    def dies(**options: Any) -> bool:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return reopen(**options)

    monkeypatch.setattr(changing.tasks, "reopen", dies)
    with pytest.raises(KeyboardInterrupt):
        change_tasks(str(job.pk))
    assert Task.objects.filter(state="open", judgment_count=1).count() == 2
    Job.objects.update(state=Job.State.QUEUED)  # as ``requeue_stuck`` does once the heartbeat is old
    change_tasks(str(job.pk))
    job.refresh_from_db()
    assert job.result["changed"] == 4
    assert Task.objects.filter(judgment_count=1, wanted=F("judgment_count") + 1, open_slots=1).count() == 4


def test_a_program_changes_them_when_it_may_manage(answered: Project, owner: User) -> None:
    path = f"/api/v1/projects/{answered.slug}/tasks/change/"
    services.add_member(project=answered, username=person("rita").username, role="reviewer")
    asked = program_of(User.objects.get(username="rita")).post(path, {"change": "ask_more"}, format="json")
    assert asked.status_code == 403
    program = program_of(owner)
    assert program.post(path, {"change": "explode"}, format="json").status_code == 400
    assert program.post(path, {"change": "ask_more", "count": 0}, format="json").status_code == 400
    assert program.post(path, {"change": "ask_more", "question": "none"}, format="json").status_code == 400
    answer = program.post(path, {"change": "ask_more", "below": 0.9}, format="json")
    assert answer.status_code == 202
    change_tasks(answer.json()["job"])
    assert Task.objects.filter(state="open", judgment_count=1).count() == 2


def test_the_page_changes_what_its_filter_shows(answered: Project, owner: User, client: Client) -> None:
    client.force_login(owner)
    page = client.get(f"/projects/{answered.slug}/labels/?below=0.8").content.decode()
    assert "The tasks behind the 2 labels that the filter shows." in page
    sent = {"question": "category", "answer": "", "final": "", "below": "0.8", "change": "ask_more", "count": "1"}
    answer = client.post(f"/projects/{answered.slug}/labels/tasks/", sent)
    assert answer.status_code == 302
    assert answer["Location"].endswith("/labels/?question=category&below=0.8")
    change_tasks(str(Job.objects.get(kind="change_tasks").pk))
    assert Task.objects.filter(state="open", judgment_count=1).count() == 2
    assert client.get(f"/projects/{answered.slug}/labels/").status_code == 200


def test_what_was_said_is_looked_for_among_the_answers_of_the_project_alone(answered: Project) -> None:
    rows = changing.labels_where(project=answered, question=answered.questions.get(), said="cat")
    assert rows.exists()
    (scan,) = re.findall(r"on labeling_judgment.*?(?=->|\Z)", rows.explain(), re.DOTALL)
    assert f"project_id = {answered.pk}" in scan, "where few said it, the judgments of all projects would be read"
