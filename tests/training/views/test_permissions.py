"""Who may not see the pages."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from labeling.models import Membership, Project

PAGES = [
    "training/",
    "training/live/",
    "training/summary/",
    "training/compare/",
    "training/insights/",
    "models/",
]


@pytest.mark.parametrize("path", PAGES)
def test_a_worker_sees_none_of_the_owners_pages(path: str, project: Project, client: Client) -> None:
    worker = get_user_model().objects.create_user("worker1")
    Membership.objects.create(project=project, user=worker, role="worker")
    client.force_login(worker)

    assert client.get(f"/projects/shapes/{path}").status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_cannot_tell_that_the_project_exists(path: str, project: Project, client: Client) -> None:
    client.force_login(get_user_model().objects.create_user("stranger"))

    assert client.get(f"/projects/shapes/{path}").status_code == 404
