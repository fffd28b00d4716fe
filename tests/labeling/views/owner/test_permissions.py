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

REVIEW = ["", "activity/", "images/", "tasks/", "labels/", "review/", "jobs/", "settings/survey/schema/"]
MANAGE = [
    "workers/",
    "settings/",
    "settings/survey/",
    "settings/survey/preview/",
    "settings/survey/languages/",
    "settings/survey/languages/hi.csv",
    "settings/categories/",
    "settings/rules/",
    "settings/webhooks/",
    "settings/keys/",
    "settings/log/",
    "settings/danger/",
]
PAGES = [*REVIEW, *MANAGE]
POSTS = [
    "images/add/",
    "images/delete/",
    "images/golds/",
    "workers/add/",
    "workers/invite/",
    "settings/owner/",
    "settings/survey/json/",
    "labels/import/",
    "labels/tasks/",
]
REVIEWERS_POST = ["images/change/"]  # but for gold, as its own test says
LEAD_THERE = ["overview/", "adjudication/"]  # to pages of the matrix, whoever asks


def named(project: Project, role: str) -> User | None:
    if role == "nobody":
        return None
    if role == "owner":
        return project.owner
    user = person(role)
    if role != "stranger":
        services.add_member(project=project, username=role, role=role)
    return user


@pytest.mark.parametrize("role", ["owner", "manager", "reviewer", "worker", "stranger", "nobody"])
def test_each_page_is_for_its_roles(
    role: str, make_project: Callable[..., Project], signed_in: Callable[[User | None], Client]
) -> None:
    project = make_project(images=0)
    client = signed_in(named(project, role))
    seen = {path: client.get(f"/projects/{project.slug}/{path}").status_code for path in PAGES}
    expected = {
        "owner": dict.fromkeys(PAGES, 200),
        "manager": dict.fromkeys(PAGES, 200),
        "reviewer": {**dict.fromkeys(REVIEW, 200), **dict.fromkeys(MANAGE, 403)},
        "worker": dict.fromkeys(PAGES, 403),
        "stranger": dict.fromkeys(PAGES, 404),
        "nobody": dict.fromkeys(PAGES, 302),
    }
    assert seen == expected[role]


@pytest.mark.parametrize(("role", "expected"), [("reviewer", 403), ("worker", 403), ("stranger", 404)])
def test_what_changes_a_project_is_for_those_who_manage_it(
    role: str, expected: int, make_project: Callable[..., Project], signed_in: Callable[[User | None], Client]
) -> None:
    project = make_project(images=0)
    client = signed_in(named(project, role))
    for path in POSTS:
        assert client.post(f"/projects/{project.slug}/{path}").status_code == expected
    for path in REVIEWERS_POST:
        assert client.post(f"/projects/{project.slug}/{path}").status_code == (302 if role == "reviewer" else expected)


@pytest.mark.parametrize(
    ("role", "expected"), [("manager", 302), ("reviewer", 403), ("stranger", 404), ("nobody", 302)]
)
@pytest.mark.parametrize("path", ["settings/copy/", "settings/archive/"])
def test_who_manages_a_project_copies_and_archives_it(
    path: str,
    role: str,
    expected: int,
    make_project: Callable[..., Project],
    signed_in: Callable[[User | None], Client],
) -> None:
    project = make_project(images=0)
    assert signed_in(named(project, role)).post(f"/projects/{project.slug}/{path}").status_code == expected
    project.refresh_from_db()
    done = Project.objects.count() == 2 if "copy" in path else project.archived_at is not None
    assert done == (role == "manager")


def test_a_visitor_of_an_open_project_may_label_but_not_look_behind_it(
    make_project: Callable[..., Project], signed_in: Callable[[User | None], Client]
) -> None:
    project = make_project(access="open")
    assert signed_in(person("stranger")).get(f"/projects/{project.slug}/").status_code == 403


def test_every_page_of_a_project_is_in_this_matrix_or_needs_a_row() -> None:
    paths = {str(page.pattern) for page in project_pages if isinstance(page, URLPattern)}
    with_rows = {path for path in paths if "<" in path}
    assert paths - with_rows == {*PAGES, *POSTS, *REVIEWERS_POST, *LEAD_THERE, "labels/export/"} & paths


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


def test_a_role_that_is_wanting_is_named_in_the_readers_language(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1)
    user = person("walt")
    services.ensure_member(project=project, user=user)
    client = Client()
    client.force_login(user)
    page = client.get(f"/projects/{project.slug}/", headers={"Accept-Language": "hi"}).content.decode()
    assert "समीक्षक" in page
    assert "कार्यकर्ता" in page
    assert "reviewer" not in page
