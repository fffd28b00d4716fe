"""Pages cost the same number of queries for few rows as for many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from labeling import services
from labeling.models import Image, Project
from tests.labeling.conftest import picture
from tests.labeling.views.owner.conftest import judged

PATHS = ["", "activity/", "images/", "tasks/", "workers/", "labels/", "review/", "settings/log/"]


def count(client: Client, path: str) -> int:
    cache.clear()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(path).status_code == 200
    return len(queries)


def test_queries_do_not_grow_with_rows(make_project: Callable[..., Project], owning: Client) -> None:
    project = make_project(images=3, judgments_max=2)
    judged(project, 2, ("cat", "dog"))
    addresses = [f"/projects/{project.slug}/{path}" for path in PATHS]
    for address in addresses:
        owning.get(address)  # the first visit fills caches of the process
    few = {address: count(owning, address) for address in addresses}
    services.add_images(project=project, images={f"more{n}.png": picture(100 + n) for n in range(9)})
    judged(project, 3, ("cat", "dog", "cat"))
    for address in addresses:
        owning.get(address)  # a small crowd is fitted once when its labels are compared
    many = {address: count(owning, address) for address in addresses}
    assert {address: n for address, n in many.items() if n > few[address] + 1} == {}
    assert max(many.values()) <= 25


def test_the_page_of_an_image_costs_the_same_for_few_judgments_as_for_many(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=1, judgments_min=5, judgments_max=5)
    image: Any = Image.objects.get(project=project)
    address = f"/projects/{project.slug}/images/{image.pk}/"
    judged(project, 1)
    few = count(owning, address)
    judged(project, 5, ("cat", "dog"))
    assert count(owning, address) <= few + 1


def test_the_least_sure_labels_are_sorted_before_anything_is_joined_to_them(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=1, judgments_max=2)
    judged(project, 1)
    with CaptureQueriesContext(connection) as queries:
        owning.get(f"/projects/{project.slug}/labels/?order=confidence")
    sorting = [one["sql"] for one in queries if 'ORDER BY "labeling_consensus"."confidence"' in one["sql"]]
    assert [" JOIN " in sql for sql in sorting] == [False]
