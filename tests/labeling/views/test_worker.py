"""What a worker reads before the first task: which projects there are, and what one begins with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from labeling import services
from labeling.models import Membership, Project, Task
from labeling.views import worker
from tests.labeling.conftest import answer, claim, person


@pytest.fixture
def working(db: None) -> Client:
    client = Client()
    client.force_login(person("wendy"))
    return client


def page(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_the_first_page_of_a_project_says_that_practice_and_a_test_come_first(
    make_project: Callable[..., Project], working: Client
) -> None:
    project = make_project(images=6, access="open", qualification_share=0.75)
    for number, task in enumerate(Task.objects.order_by("id")[:3]):
        use = "practice" if number < 2 else "qualification"
        services.set_gold(task=task, answers={"category": "cat"}, use=use, user=project.owner)
    told = page(working, f"/label/{project.slug}/")
    assert "begins with 2 images to practice on" in told
    assert "a test of 1 image; 75\u202f% have to be right" in told
    plain = make_project(name="Plain", access="open")
    told = page(working, f"/label/{plain.slug}/")
    assert "practice" not in told
    assert "a test of" not in told


def test_practice_says_which_of_how_many_images_it_is(make_project: Callable[..., Project], working: Client) -> None:
    project = make_project(images=4, access="open")
    for task in Task.objects.order_by("id")[:2]:
        services.set_gold(task=task, answers={"category": "cat"}, use="practice", user=project.owner)
    address = f"/label/{project.slug}/"
    working.post(f"{address}start/")
    for place in ("1 of 2", "2 of 2"):
        response = working.get(address)
        assert place in response.content.decode()
        working.post(address, {"assignment": response.context["task"]["id"], "a.category": "cat"})
    assert " of 2" not in page(working, address)
    assert 'id="count"' in page(working, address)


def test_a_project_without_images_is_not_offered_and_does_not_ask_to_start(
    make_project: Callable[..., Project], working: Client
) -> None:
    empty = make_project(images=0, access="open")
    assert empty.name not in page(working, "/label/")
    told = page(working, f"/label/{empty.slug}/")
    assert "no images here yet" in told
    assert "start/" not in told
    owning = Client()
    owning.force_login(empty.owner)
    for address in (f"/label/{empty.slug}/", f"/projects/{empty.slug}/labels/"):
        told = page(owning, address)
        assert "Add images" in told
        assert ("Nothing is left" in told, "Start yourself" in told) == (False, False)


def test_who_finds_nothing_reads_whether_others_are_at_work_on_what_is_open(
    make_project: Callable[..., Project], working: Client
) -> None:
    project = make_project(images=1, access="open", judgments_max=1)
    working.post(f"/label/{project.slug}/start/")
    other = person("wanda")
    lease = claim(project, other)
    assert "What is open is with other people" in page(working, f"/label/{project.slug}/")
    services.submit_judgment(assignment_id=lease.pk, worker=other, answers={"category": "cat"})
    assert "More may come" in page(working, f"/label/{project.slug}/")


def test_who_verifies_that_all_is_boxed_reads_what_needs_a_box_and_hears_of_no_model_at_the_end(
    make_project: Callable[..., Project], working: Client
) -> None:
    project = make_project(
        categories=["cat", "dog"], workflow="three_stage_boxes", images=1, judgments_min=1, access="open"
    )
    wanda, wendy = person("wanda"), User.objects.get(username="wendy")
    services.submit_judgment(assignment_id=claim(project, wanda).pk, worker=wanda, answers={"box": []})
    working.post(f"/label/{project.slug}/start/")
    asked = page(working, f"/label/{project.slug}/")
    assert "No box is accepted so far. What needs one: cat, dog." in asked
    services.submit_judgment(assignment_id=claim(project, wendy).pk, worker=wendy, answers={"covered": True})
    ended = page(working, f"/label/{project.slug}/")
    assert ("Nothing is left" in ended, "More may come" in ended) == (True, False)


@pytest.mark.parametrize(
    ("closed", "told"),
    [({"budget": 0, "price_per_judgment": 1}, "Closed: the budget is spent"), ({"is_paused": True}, "Paused by the")],
)
def test_who_comes_to_a_project_that_is_closed_reads_so_before_joining(
    make_project: Callable[..., Project], working: Client, closed: dict[str, object], told: str
) -> None:
    project = make_project(access="open")
    address = f"/label/{project.slug}/"
    assert "start/" in page(working, address)
    Project.objects.filter(pk=project.pk).update(**closed)
    assert told in page(working, "/label/")
    shown = page(working, address)
    assert told in shown
    assert "start/" not in shown
    if "budget" in closed:
        working.post(f"{address}start/")  # by a page from before
        shown = page(working, address)
        assert "budget is spent" in shown
        assert "You gave 0" not in shown


def test_what_waits_for_a_worker_stands_above_what_does_not(
    make_project: Callable[..., Project], working: Client
) -> None:
    names = ("Waiting", "Halted", "Failed")
    for project in [make_project(name=name, access="open") for name in names]:
        working.post(f"/label/{project.slug}/start/")
    Membership.objects.filter(project__name="Halted", user__username="wendy").update(is_paused=True)
    Membership.objects.filter(project__name="Failed", user__username="wendy").update(phase="failed")
    told = page(working, "/label/")
    assert told.index(">Waiting<") < min(told.index(">Halted<"), told.index(">Failed<"))


def test_who_has_answered_everything_is_not_told_to_continue(
    make_project: Callable[..., Project], working: Client
) -> None:
    project = make_project(name="Done", access="open")
    working.post(f"/label/{project.slug}/start/")
    member = Membership.objects.filter(project=project, user__username="wendy")
    for answers, word in ((1, "Continue"), (project.image_count, "Look again")):
        member.update(judgment_count=answers)
        assert f'/label/{project.slug}/">{word}<span' in page(working, "/label/")
    member.update(judgment_count=1)
    Project.objects.filter(pk=project.pk).update(retired_count=project.task_count)
    assert f'<a class="button" href="/label/{project.slug}/">Look again<span' in page(working, "/label/")


def test_whose_test_was_not_passed_and_whose_work_is_paused_reads_both(
    make_project: Callable[..., Project], working: Client
) -> None:
    project = make_project(name="Tested", access="open")
    working.post(f"/label/{project.slug}/start/")
    Membership.objects.filter(project=project, user__username="wendy").update(
        phase="failed", is_paused=True, paused_because="You answered cat for every dog."
    )
    told = page(working, f"/label/{project.slug}/")
    assert "The test was not passed" in told
    assert "You answered cat for every dog." in told


def test_ones_own_projects_are_listed_however_many_others_there_are(
    make_project: Callable[..., Project], working: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MOST_OTHERS", 2)
    first = make_project(name="First", access="open", images=1)
    working.post(f"/label/{first.slug}/start/")
    for number in range(4):
        make_project(name=f"Other {number}", access="open", images=1)
    told = page(working, "/label/")
    assert ">First<" in told
    assert told.count("<h3>Other ") == 2


def test_a_streak_is_over_after_a_day_without_an_answer(make_project: Callable[..., Project], working: Client) -> None:
    working.post(f"/label/{make_project(images=1, access='open').slug}/start/")
    today = timezone.now().date()
    for ago, told in ((0, True), (1, True), (2, False)):
        Membership.objects.update(judgment_count=9, streak_days=4, last_day=today - timedelta(days=ago))
        assert ("4 days in a row" in page(working, "/label/")) is told
        assert (">4</dd>" in page(working, "/label/")) is told


def test_practice_is_one_image_at_a_time_with_its_answer_told_and_no_grid(
    make_project: Callable[..., Project], working: Client
) -> None:
    project = make_project(images=4, access="open", questions=[{"key": "cat", "kind": "yes_no", "prompt": "A cat?"}])
    practice = Task.objects.order_by("id")[0]
    services.set_gold(task=practice, answers={"cat": True}, use="practice", user=project.owner)
    address = f"/label/{project.slug}/"
    working.post(f"{address}start/")
    response = working.get(address)
    assert "As a grid" not in response.content.decode()
    assert working.get(f"{address}grid/")["Location"] == address
    told = working.post(address, {"assignment": response.context["task"]["id"], "a.cat": "no"})
    assert "labeling/feedback.html" in [template.name for template in told.templates]
    assert "As a grid" in page(working, address)
    assert working.get(f"{address}grid/").status_code == 200


def test_who_answered_what_is_deleted_since_is_told_what_is_left(
    make_project: Callable[..., Project], working: Client
) -> None:
    project = make_project(images=4, access="open")
    wendy = User.objects.get(username="wendy")
    services.ensure_member(project=project, user=wendy)
    gone = [answer(project, wendy).task.image_id for _ in range(2)]
    services.delete_images(project=project, ids=gone, user=project.owner)
    told = page(working, "/label/")
    assert "2 of 4 answered by you" in told
    assert "Continue" in told


def test_no_total_is_told_where_nobody_knows_how_many_rounds_an_image_takes(
    make_project: Callable[..., Project], working: Client
) -> None:
    project = make_project(images=1, categories=["cat"], workflow="three_stage_boxes", access="open")
    services.ensure_member(project=project, user=User.objects.get(username="wendy"))
    for address in ("/label/", f"/label/{project.slug}/"):
        told = page(working, address)
        assert project.name in told
        assert "answered by you" not in told
        assert "<progress" not in told


def test_a_browser_shows_the_examples_of_a_question_from_where_they_lie_and_pictures_from_nowhere_else(
    make_project: Callable[..., Project], working: Client
) -> None:
    places = [
        "https://Pictures.example:8443/a.png",
        "//bücher.example/b.png",
        "/static/c.png",
        "data:image/png;base64,",
    ]
    sly = ["https://x;script-src:*/d.png", "https://* https:/e.png", "https://[::1]/f.png", "https://a.example:x/g.png"]
    question = {"key": "q", "kind": "yes_no", "prompt": "A cat?", "options": {"examples": [*places, *sly]}}
    project = make_project(access="open", questions=[question])
    address = f"/label/{project.slug}/"
    first = working.get(address)
    working.post(f"{address}start/")
    allowed, plain = (
        dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
        for answer in (working.get(address), first)
    )
    hosts = {"https://pictures.example:8443", "xn--bcher-kva.example"}
    assert set(allowed["img-src"].split()) - set(plain["img-src"].split()) == hosts
    assert allowed | {"img-src": ""} == plain | {"img-src": ""}
