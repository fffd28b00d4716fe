"""What the tests of this room are about: a project with pictures, its people, and clients that speak for them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from PIL import Image as Pillow
from rest_framework.test import APIClient

from labeling import services
from labeling.accounts.keys import create_key
from labeling.aggregation import adaptive
from labeling.models import Assignment, Judgment, Project


def picture(seed: int = 0, size: tuple[int, int] = (40, 30), kind: str = "PNG", **options: Any) -> bytes:
    """A file that differs for each seed; ``size`` is (width, height)."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def person(name: str, **fields: Any) -> User:
    return User.objects.create_user(name, password="a long enough one", **fields)


def client(user: User | None = None, **options: Any) -> APIClient:
    """A program of this person, with a key of its own; without a person, a stranger."""
    return APIClient(headers={"Authorization": f"Token {create_key(user=user, **options)[1]}"} if user else {})


def claim(project: Project, worker: User) -> Assignment:
    """The lease that there must be for this person. As in a request, the project is read anew each time."""
    found = services.claim_assignment(project=Project.objects.get(pk=project.pk), worker=worker)
    assert found is not None
    return found


def answer(project: Project, worker: User, value: Any = "cat", seconds: float | None = 2.0) -> Judgment:
    """Claim the next task and answer it."""
    answers = {"category": value}
    lease = claim(project, worker)
    return services.submit_judgment(assignment_id=lease.pk, worker=worker, answers=answers, seconds=seconds)[0]


@pytest.fixture(autouse=True)
def short_chains(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Aggregation takes as few sweeps as for a large crowd, a tenth of the time, where nobody asks for long chains."""
    if "long_chains" not in request.fixturenames:
        monkeypatch.setattr(adaptive, "BURN", adaptive.LEAST_BURN)
        monkeypatch.setattr(adaptive, "KEEP", adaptive.LEAST_KEEP)


@pytest.fixture
def long_chains() -> None:
    """For tests of what so many sweeps conclude as a small crowd is given."""


@pytest.fixture
def owner(db: None) -> User:
    return person("olivia")


@pytest.fixture
def make_project(owner: User) -> Callable[..., Project]:
    """A project of ``owner`` over cat and dog, with so many pictures."""

    def make(images: int = 3, **settings: Any) -> Project:
        values: dict[str, Any] = {"name": "Pets", "categories": ["cat", "dog"], "judgments_min": 1, "judgments_max": 3}
        project = services.create_project(owner=owner, **{**values, **settings})
        services.add_images(project=project, images={f"{n:04d}.png": picture(n) for n in range(images)})
        project.refresh_from_db()
        return project

    return make


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    return make_project()


@pytest.fixture
def worker(project: Project) -> User:
    user = person("wanda")
    services.add_member(project=project, username="wanda", role="worker")
    return user
