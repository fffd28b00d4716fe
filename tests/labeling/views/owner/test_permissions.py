"""Who sees which of the owner's pages: cell by cell."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern

from labeling import services
from labeling.models import Image, Project
from labeling.owner_urls import project_pages
from tests.labeling.conftest import person

REVIEW = {
    "": 200,
    "activity/": 200,
    "images/": 200,
    "tasks/": 200,
    "labels/": 200,
    "review/": 200,
    "jobs/": 200,
    "settings/survey/schema/": 200,
}
MANAGE = {
    "workers/": 200,
    "settings/": 200,
    "settings/survey/": 200,
    "settings/survey/preview/": 200,
    "settings/categories/": 200,
    "settings/rules/": 200,
    "settings/webhooks/": 200,
    "settings/keys/": 200,
    "settings/log/": 200,
    "settings/danger/": 200,
}
PAGES = [*REVIEW, *MANAGE]
POSTS = {
    "images/add/": "manage",
    "workers/add/": "manage",
    "workers/invite/": "manage",
    "settings/survey/json/": "manage",
}


def named(project: Project, role: str) -> User | None:
    if role == "nobody":
        return None
    if role == "owner":
        return project.owner
    user = person(role)
    if role != "stranger":
        services.add_member(project=project, username=role, role=role)
    return user


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("role", ["owner", "manager", "reviewer", "worker", "stranger", "nobody"])
def test_each_page_is_for_its_roles(
    path: str, role: str, project: Project, signed_in: Callable[[User | None], Client]
) -> None:
    expected = {
        "owner": 200,
        "manager": 200,
        "reviewer": 200 if path in REVIEW else 403,
        "worker": 403,
        "stranger": 404,
        "nobody": 302,
    }[role]
    response = signed_in(named(project, role)).get(f"/projects/{project.slug}/{path}")
    assert response.status_code == expected


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(("role", "expected"), [("reviewer", 403), ("worker", 403), ("stranger", 404)])
def test_what_changes_a_project_is_for_those_who_manage_it(
    path: str, role: str, expected: int, project: Project, signed_in: Callable[[User | None], Client]
) -> None:
    response = signed_in(named(project, role)).post(f"/projects/{project.slug}/{path}")
    assert response.status_code == expected


def test_a_visitor_of_an_open_project_may_label_but_not_look_behind_it(
    make_project: Callable[..., Project], signed_in: Callable[[User | None], Client]
) -> None:
    project = make_project(access="open")
    assert signed_in(person("stranger")).get(f"/projects/{project.slug}/").status_code == 403


def test_every_page_of_a_project_is_in_this_matrix_or_needs_a_row() -> None:
    paths = {str(page.pattern) for page in project_pages if isinstance(page, URLPattern)}
    with_rows = {path for path in paths if "<" in path}
    assert paths - with_rows == {*PAGES, *POSTS, "labels/export/"} & paths


def test_rows_of_another_project_are_not_found(
    project: Project, make_project: Callable[..., Project], owning: Client
) -> None:
    other = make_project(name="Other")
    image = Image.objects.filter(project=other).first()
    assert image is not None
    assert owning.get(f"/projects/{other.slug}/images/{image.pk}/").status_code == 200
    assert owning.get(f"/projects/{project.slug}/images/{image.pk}/").status_code == 404


def test_a_reviewer_sees_no_tab_that_would_refuse_them(
    project: Project, signed_in: Callable[[User | None], Client]
) -> None:
    page = signed_in(named(project, "reviewer")).get(f"/projects/{project.slug}/").content.decode()
    assert f"/projects/{project.slug}/review/" in page
    assert f"/projects/{project.slug}/settings/" not in page
