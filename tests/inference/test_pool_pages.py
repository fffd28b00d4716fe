"""The gallery of what the champion says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inference import pool_pages
from inference.models import Deployment, Prediction
from labeling.services import add_member
from training.models import ModelVersion

POOL = "/projects/colours/serving/images/"
LIST = "/api/v1/projects/colours/predictions/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(owner) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def said(project, champion, add_images) -> list[Prediction]:
    """Seven images: red but for one, surer and surer, the last three as sure; of two people have said something."""
    sure = [0.5, 0.7, 0.85, 0.96, 1, 1, 1]
    return Prediction.objects.bulk_create(
        Prediction(
            project=project, version=champion, image=image, category="blue" if n == 1 else "red", probability=sure[n],
            uncertainty=1 - sure[n], is_correct={2: True, 3: False}.get(n),
        )
        for n, image in enumerate(add_images(range(7), embed=False))
    )  # fmt: skip


def shown(browser: Client, asked: str = "") -> list[str]:
    page = browser.get(POOL + asked).content.decode()
    return re.findall(r'title="(\d)\.png"', page)


def test_images_are_shown_by_what_the_champion_takes_them_for(browser, said) -> None:
    page = browser.get(POOL).content.decode()
    assert "7 images that waited for people when version 1 looked at them" in page
    assert re.findall(r"(\w+) \((\d)\)</option>", page) == [("red", "6"), ("blue", "1")]
    assert f'href="/projects/colours/images/{said[0].image_id}/"' in page
    assert re.search(r"blue</strong><span[^>]*>70.%<", page)
    assert shown(browser)[:4] == ["0", "1", "2", "3"]
    assert shown(browser, "?order=-probability")[-2:] == ["1", "0"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("category=blue", ["1"]), ("category=red&sure=0.8-0.95", ["2"]), ("sure=0.95-1", ["3", "4", "5", "6"]),
        ("sure=0-0.6", ["0"]), ("said=unlabeled", ["0", "1", "4", "5", "6"]), ("said=right", ["2"]),
        ("said=wrong", ["3"]), ("category=green", []), ("sure=x&said=y&order=z", ["0", "1", "2", "3", "4", "5", "6"]),
    ],
)  # fmt: skip
def test_the_gallery_is_narrowed(browser, said, asked: str, found: list[str]) -> None:
    assert shown(browser, f"?{asked}") == found


@pytest.mark.parametrize("order", ["probability", "-probability"])
def test_pages_of_equally_sure_images_show_each_once_there_and_back(browser, said, monkeypatch, order: str) -> None:
    monkeypatch.setattr(pool_pages, "PAGE", 2)
    pages, asked = [], f"?order={order}"
    while asked:
        page = browser.get(POOL + asked).context["page"]
        pages.append([row.image_id for row in page.rows])
        asked, back = page.next, page.previous
    expected = [row.image_id for row in said]
    assert [pk for page in pages for pk in page] == (expected if order == "probability" else expected[::-1])
    assert [row.image_id for row in browser.get(POOL + back).context["page"].rows] == pages[-2]


@pytest.mark.parametrize("place", ["[0.5]", "[1e999,1]", "[NaN,1]", "[0.5,1e40]", f"[0.5,{10**40}]", "[0.8,0.5]", "x"])
def test_a_place_of_ones_own_making_shows_images_all_the_same(browser, said, place: str) -> None:
    for side in ("after", "before"):
        assert shown(browser, f"?{side}={place}")


def test_of_many_categories_the_most_frequent_are_offered_and_the_chosen_one(browser, said, monkeypatch) -> None:
    monkeypatch.setattr(pool_pages, "MOST_CATEGORIES", 1)
    for asked, offered in (("", ["red"]), ("?category=blue", ["red", "blue"]), ("?category=green", ["red"])):
        page = browser.get(POOL + asked).content.decode()
        assert re.findall(r"(\w+) \(\d\)</option>", page) == offered


def test_a_page_and_the_counts_look_at_the_index_alone(browser, said) -> None:
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as asked:
        browser.get(POOL + "?category=blue&said=unlabeled&sure=0.6-0.8&after=[0.6,1]")
        ours = [row["sql"] for row in asked.captured_queries if "inference_prediction" in row["sql"]]
        assert len(ours) == 2
        cursor.execute("SET LOCAL enable_seqscan = off")
        for statement in ours:
            cursor.execute("EXPLAIN " + statement)
            assert any("Index Only Scan using prediction_sure" in row[0] for row in cursor.fetchall())


def test_a_gallery_without_images_says_what_comes_next(browser, champion, project) -> None:
    assert "The champion has not looked yet" in browser.get(POOL).content.decode()
    Deployment.objects.create(project=project, scored_version=champion)
    assert "No image waits for people" in browser.get(POOL).content.decode()
    ModelVersion.objects.update(alias="")
    assert "No version answers yet" in browser.get(POOL).content.decode()


def test_an_image_that_was_deleted_meanwhile_is_passed_over(browser, said) -> None:
    Prediction.objects.filter(pk=said[0].pk).update(image_id=10**9)
    assert shown(browser)[:2] == ["1", "2"]


@pytest.mark.parametrize("page", ["serving/", "models/"])
def test_the_gallery_is_linked_where_a_champion_is_told_of(browser, champion, page: str) -> None:
    assert f'href="{POOL}"' in browser.get(f"/projects/colours/{page}").content.decode()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["6", "5", "4", "3", "2", "1", "0"]), ({"category": "blue"}, ["1"]), ({"is_labeled": "true"}, ["3", "2"]),
        ({"min_probability": 0.8, "max_probability": 0.9}, ["2"]), ({"is_correct": "false"}, ["3"]),
    ],
)  # fmt: skip
def test_programs_get_the_same_as_a_list(api, said, asked: dict[str, Any], found: list[str]) -> None:
    rows = api.get(LIST, asked).json()["results"]
    assert [row["name"].removesuffix(".png") for row in rows] == found
    assert {row["model_version"] for row in rows} == {1}
    assert rows[0]["url"].startswith("http://testserver/")


def test_the_list_is_empty_without_a_champion_and_refuses_what_it_does_not_know(api, said) -> None:
    assert api.get(LIST, {"min_probability": 2}).status_code == 400
    assert api.get(LIST, {"probability": 1}).status_code == 400
    ModelVersion.objects.update(alias="")
    assert api.get(LIST).json()["results"] == []


@pytest.mark.parametrize(("role", "status"), [("worker", 403), ("reviewer", 403), ("manager", 200), ("", 404)])
def test_the_gallery_is_for_those_who_manage(champion, project, client_of, role: str, status: int) -> None:
    person: Any = User.objects.create_user("robin")
    if role:
        add_member(project=project, username="robin", role=role)
    pages = Client()
    pages.force_login(person)
    assert pages.get(POOL).status_code == status
    assert client_of(person).get(LIST).status_code == status
