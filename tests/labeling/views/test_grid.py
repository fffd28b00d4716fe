"""A grid that was looked at for long: what became of one tile takes nothing from the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from labeling import services
from labeling.actors import expire_leases
from labeling.models import Assignment, Judgment, Membership, Project
from tests.labeling.conftest import claim, person

pytestmark = pytest.mark.django_db
CAT = {"key": "cat", "kind": "yes_no", "prompt": "Does it contain a cat?"}


def sent(client: Client, project: Project, shown: list[str], tapped: list[str]) -> str:
    address = f"/label/{project.slug}/grid/"
    return client.post(address, {"shown": shown, "tapped": tapped}, follow=True).content.decode()


def test_a_tile_that_went_to_somebody_else_takes_nothing_from_the_others(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=4, access="open", questions=[CAT], judgments_max=1)
    client = Client()
    client.force_login(worker)
    shown = [tile["id"] for tile in client.get(f"/label/{project.slug}/grid/").context["tiles"]]
    Assignment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    expire_leases()
    other = person("walt")
    lease = claim(project, other)
    services.submit_judgment(assignment_id=lease.pk, worker=other, answers={"cat": False})
    told = sent(client, project, shown, shown)
    assert "3 answers stored." in told
    assert "1 image was answered or handed on meanwhile" in told
    mine = Judgment.objects.filter(worker=worker)
    assert [row.answers for row in mine] == [{"cat": True}] * 3
    assert lease.task_id not in {row.task_id for row in mine}


def test_a_grid_of_which_nothing_is_left_to_store_says_so(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(images=2, access="open", questions=[CAT])
    client = Client()
    client.force_login(worker)
    shown = [tile["id"] for tile in client.get(f"/label/{project.slug}/grid/").context["tiles"]]
    for tile in shown:
        services.submit_judgment(assignment_id=tile, worker=worker, answers={"cat": True})
    told = sent(client, project, shown, [])
    assert "2 images were answered or handed on meanwhile" in told
    assert "answers stored" not in told


def test_a_grid_sent_in_haste_comes_back_as_it_was_answered(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(
        images=14, access="open", questions=[CAT], judgments_max=1, gold_rate=1.0, price_per_judgment=1
    )
    hidden = project.tasks.order_by("pk")[0]
    services.set_gold(task=hidden, answers=True, user=project.owner)
    client = Client()
    client.force_login(worker)
    address = f"/label/{project.slug}/grid/"
    page = client.get(address)
    assert not page.context["can_undo"]
    tiles = {tile["id"]: tile["task"] for tile in page.context["tiles"]}
    assert len(tiles) == 12
    assert hidden.pk in tiles.values()
    tapped = list(tiles)[:3]
    sent(client, project, list(tiles), tapped)
    assert client.get(address).context["can_undo"]
    assert Membership.objects.get(project=project, user=worker).judgment_count == 12
    back = client.post(address, {"undo": "1"}, follow=True)
    assert "The last grid is taken back" in back.content.decode()
    again = back.context["tiles"]
    assert {tile["task"] for tile in again} == set(tiles.values())
    assert {tile["task"] for tile in again if tile["tapped"]} == {tiles[one] for one in tapped}
    assert back.content.decode().count(" checked") == 3
    assert not back.context["can_undo"]
    member = Membership.objects.get(project=project, user=worker)
    assert (member.judgment_count, member.gold_seen, member.earned) == (0, 0, 0)
    sent(client, project, [tile["id"] for tile in again], [])
    said = Judgment.objects.filter(worker=worker, withdrawn_at=None)
    assert [row.answers for row in said] == [{"cat": False}] * 12
    client.post(address, {"undo": "1"})
    assert "There is no grid left" in client.post(address, {"undo": "1"}, follow=True).content.decode()


def test_no_earlier_grid_comes_back_for_one_that_was_answered_tile_by_tile(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=14, access="open", questions=[CAT], judgments_max=1)
    client = Client()
    client.force_login(worker)
    address = f"/label/{project.slug}/grid/"
    sent(client, project, [tile["id"] for tile in client.get(address).context["tiles"]], [])
    page = client.get(address)
    assert page.context["can_undo"]
    first, _second = [tile["id"] for tile in page.context["tiles"]]
    services.submit_judgment(assignment_id=first, worker=worker, answers={"cat": True})  # from where it had waited
    assert not client.get(address).context["can_undo"]
    assert "There is no grid left" in client.post(address, {"undo": "1"}, follow=True).content.decode()
    assert Judgment.objects.filter(worker=worker, withdrawn_at=None).count() == 13
