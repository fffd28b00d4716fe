"""Projects in a worker's languages come first, by API and on the page, and the others can be left out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation

from labeling import services
from labeling.accounts.languages import months
from labeling.models import Profile, Project
from tests.labeling.conftest import client, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(make_project: Callable[..., Project]) -> User:
    """Reads Hindi and Tamil; of four open projects two are for people who do."""
    for name, languages in (("Hindi", ["hi", "en"]), ("None", []), ("German", ["de"]), ("Tamil", ["ta"])):
        make_project(images=1, name=name, access="open", languages=languages)
    user = person("riya")
    Profile.objects.create(user=user, languages=["hi", "ta"])
    return user


def listed(user: User, query: str = "") -> list[str]:
    return [row["name"] for row in client(user).get(f"/api/v1/projects/{query}").json()["results"]]


def shown(user: User, query: str = "") -> list[str]:
    page = Client()
    page.force_login(user)
    return [project.name for project, _told in page.get(f"/label/{query}").context["open"]]


def test_projects_that_the_person_reads_come_first_then_those_that_state_none(reader: User) -> None:
    assert listed(reader) == shown(reader) == ["Tamil", "Hindi", "None", "German"]


def test_the_others_can_be_left_out(reader: User) -> None:
    assert listed(reader, "?language=mine") == shown(reader, "?language=mine") == ["Tamil", "Hindi", "None"]
    assert listed(reader, "?language=de,ta") == ["Tamil", "German", "None"]


def test_someone_without_languages_sees_those_that_state_none_first(reader: User) -> None:
    assert listed(person("nils"))[0] == "None"


def test_the_cursor_walks_through_the_order(reader: User) -> None:
    api = client(reader)
    names, address = [], "/api/v1/projects/?page_size=1"
    for _page in range(4):
        page = api.get(address).json()
        names += [row["name"] for row in page["results"]]
        address = page["next"]
    assert (names, address) == (["Tamil", "Hindi", "None", "German"], None)
    assert names == ["Tamil", "Hindi", "None", "German"]


def test_a_joined_project_stays_on_the_page_whatever_its_language(reader: User) -> None:
    german = Project.objects.get(name="German")
    services.ensure_member(project=german, user=reader)
    page = Client()
    page.force_login(reader)
    context = page.get("/label/?language=mine").context
    assert [project.name for project, *_rest in context["joined"]] == ["German"]


def test_the_months_of_plots_are_in_the_readers_language() -> None:
    with translation.override("en"):
        assert months()[:2] == ["Jan", "Feb"]
    with translation.override("hi"):
        assert months()[0] == "जन"


def test_a_project_whose_budget_is_spent_is_not_said_to_be_labeled(make_project: Callable[..., Project]) -> None:
    make_project(images=2, access="open", name="Spent", price_per_judgment="1.00", budget="0.50")
    browser = Client()
    browser.force_login(person("wanda"))
    page = browser.get("/label/").content.decode()
    assert "Closed: the budget is spent" in page
    assert "answered by you" not in page
    assert "2 images" not in page
