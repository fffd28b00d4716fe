"""A project with judgments, written straight into the tables: for tests of what is made of judgments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db.models import F

from labeling.models import Category, Image, Judgment, Membership, Project, Question, Role, SurveyVersion, Task


def person(name: str) -> User:
    return User.objects.get_or_create(username=name)[0]


def make_project(
    questions: Sequence[Mapping[str, Any]] = ({"key": "label", "kind": "single_choice"},),
    categories: Sequence[str] = ("cat", "dog"),
    **settings: Any,
) -> Project:
    """A project with its survey at version 1."""
    owner = person("owner")
    project = Project.objects.create(
        slug=f"project-{Project.objects.count()}", name="A project", owner=owner, **settings
    )
    Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    for position, key in enumerate(categories):
        Category.objects.create(project=project, key=key, name=key.title(), position=position)
    rows = [
        Question.objects.create(project=project, prompt="?", position=position, **question)
        for position, question in enumerate(questions)
    ]
    fields = ("id", "key", "kind", "prompt", "help_text", "required", "options", "show_if", "stage")
    SurveyVersion.objects.create(
        project=project,
        version=1,
        document={
            "categories": [{"key": key, "name": key.title()} for key in categories],
            "questions": [{name: getattr(row, name) for name in fields} for row in rows],
        },
    )
    return project


def make_tasks(project: Project, count: int, **values: Any) -> list[Task]:
    """Images without files, each with an open task."""
    start = Image.objects.filter(project=project).count()
    images = Image.objects.bulk_create(
        Image(
            project=project, sha256=f"{start + n:064x}", name=f"{start + n:05}.jpg", width=640, height=480, byte_count=1
        )
        for n in range(count)
    )
    wanted = project.judgments_min
    made = Task.objects.bulk_create(
        Task(project=project, image=image, **{"wanted": wanted, "open_slots": wanted, **values}) for image in images
    )
    Project.objects.filter(pk=project.pk).update(task_count=start + count, image_count=start + count)
    return made


def say(task: Task, worker: User, answers: Mapping[str, Any] | str, seconds: float | None = 2.0) -> Judgment:
    """One judgment, with the counters that a submit would move; no consensus."""
    given = {"label": answers} if isinstance(answers, str) else dict(answers)
    judgment = Judgment.objects.create(
        task=task, project_id=task.project_id, worker=worker, answers=given, seconds=seconds
    )
    task.refresh_from_db()
    task.judgment_count += 1
    task.wanted = max(task.wanted, task.judgment_count)
    task.open_slots = min(task.open_slots, task.wanted - task.judgment_count)
    task.save()
    Membership.objects.get_or_create(project_id=task.project_id, user=worker)
    one_more = {"answers_version": F("answers_version") + 1, "judgment_count": F("judgment_count") + 1}
    Project.objects.filter(pk=task.project_id).update(**one_more)
    return judgment
