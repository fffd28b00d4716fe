"""A browser's session without a browser, and a project in which something has happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from labeling import services
from labeling.models import Project, Task
from tests.labeling.conftest import person


@pytest.fixture
def signed_in() -> Callable[[User | None], Client]:
    """``signed_in(user)`` -> a client of that person; None is nobody."""

    def make(user: User | None) -> Client:
        client = Client()
        if user is not None:
            client.force_login(user)
        return client

    return make


@pytest.fixture
def owning(owner: User, signed_in: Callable[[User | None], Client]) -> Client:
    return signed_in(owner)


def judged(project: Project, people: int = 2, answers: tuple[str, ...] = ("cat",), seconds: float = 2.5) -> None:
    """Every open task is answered by so many workers, who answer alike or take turns in ``answers``."""
    for number in range(people):
        user = User.objects.filter(username=f"worker{number}").first() or person(f"worker{number}")
        member = services.ensure_member(project=project, user=user)
        for _ in range(Task.objects.filter(project=project).count()):
            lease = services.claim_assignment(project=project, worker=member.user)
            if lease is None:
                break
            answer: Any = {"category": answers[number % len(answers)]}
            services.submit_judgment(assignment_id=lease.id, worker=user, answers=answer, seconds=seconds)


def answered(project: Project, user: User, answers: Callable[[int], dict[str, Any]]) -> None:
    """All of the project's tasks are answered by this worker, each by what is said of its image."""
    while lease := services.claim_assignment(project=Project.objects.get(pk=project.pk), worker=user):
        services.submit_judgment(assignment_id=lease.id, worker=user, answers=answers(lease.task.image_id))
