"""What waits on the device: where it keeps nothing, from an older checkout, and what is refused as the page leaves."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, Route, expect

from labeling import services
from labeling.models import Assignment, Judgment
from tests.e2e.conftest import happened, ready, until
from tests.e2e.test_labeling import ANIMAL, loaded_ahead, moved_on, sent, shown, stored
from tests.e2e.test_stages import DOG
from tests.e2e.test_what_is_stored import NOTE, SHARP

# A device that is full, and a window of another app, which keeps nothing unless that app says so.
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }"
NONE = "Object.defineProperty(window, 'localStorage', { value: null })"


@pytest.mark.parametrize("device", [FULL, NONE])
def test_answers_arrive_from_a_device_that_keeps_nothing(visit, make_project, join, worker, device):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=4)
    join(project, worker)
    page = visit("/label/", user=worker)
    page.context.add_init_script(device)
    page.goto(f"/label/{project.slug}/")
    ready(page)
    for key in ("1", "2"):
        before = shown(page)
        page.keyboard.press(key)
        moved_on(page, before)
    assert [row.answers["animal"] for row in stored(project, 2)] == ["cat", "dog"]


def test_answers_that_an_older_page_left_on_the_device_arrive(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=4)
    page = start(project, watch=False)
    loaded_ahead(page, 2)
    page.context.set_offline(True)
    before = shown(page)
    page.keyboard.press("1")
    moved_on(page, before)
    page.evaluate(
        """() => {
          const [name] = Object.keys(localStorage);
          const { at, tried, ...item } = JSON.parse(localStorage.getItem(name));
          localStorage.removeItem(name);
          localStorage.setItem(name.slice(0, name.lastIndexOf(":")), JSON.stringify([item]));
        }"""
    )
    page.context.set_offline(False)
    page.goto(f"/label/{project.slug}/")
    ready(page)
    assert stored(project, 1)[0].answers == {"animal": "cat"}
    until(page, "localStorage.length === 0")


def test_what_stood_in_the_form_outlives_a_reload_that_ends_before_its_image_is_there(
    visit, make_project, join, worker
):
    project = make_project(questions=[SHARP, NOTE], images=4)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    page.get_by_role("textbox").fill("took a while")
    held: list[Route] = []
    page.route("**/media/**", lambda route: held.append(route))
    page.goto(f"/label/{project.slug}/", wait_until="commit")
    happened(page, lambda: held)
    until(page, "document.readyState === 'interactive'")  # all scripts but the image have run
    page.unroute("**/media/**")
    page.goto(f"/label/{project.slug}/")
    ready(page)
    expect(page.get_by_role("textbox")).to_have_value("took a while")


def test_what_stood_in_the_form_outlives_a_reload_while_the_answer_before_it_is_on_its_way(
    visit, make_project, join, worker
):
    project = make_project(questions=[NOTE], images=4)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, watch=False)
    ready(page)
    page.route("**/judgment/", lambda route: route.abort())
    before = shown(page)
    page.get_by_role("textbox").fill("a dog")
    page.get_by_role("button", name="Send").click()
    moved_on(page, before)
    page.get_by_role("textbox").fill("took a while")
    page.reload()
    expect(page.get_by_role("textbox")).to_have_value("took a while")


def test_who_skips_a_first_image_that_does_not_come_keeps_what_is_drawn_on_the_next(visit, make_project, join, worker):
    place = {"key": "place", "kind": "boxes", "prompt": "Where?", "options": {"choices": ["it"]}}
    project = make_project(questions=[place], images=4)
    join(project, worker)
    page = visit("/label/", user=worker)
    held: list[Route] = []
    page.route("**/media/**", lambda route: route.continue_() if held else held.append(route))
    page.goto(f"/label/{project.slug}/", wait_until="commit")
    happened(page, lambda: held)
    before = shown(page)
    until(page, "document.querySelector('.boxes-tools') !== null")
    page.keyboard.press("s")
    page.get_by_role("button", name="The image does not load or is broken").press("Enter")
    moved_on(page, before)
    page.get_by_role("button", name="New box").click()
    drawn = page.locator("[data-json]").input_value()
    with page.expect_event("requestfinished", lambda request: request.url == held[0].request.url):
        held[0].continue_()
    page.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert page.locator("[data-json]").input_value() == drawn != "[]"


def test_an_image_that_the_line_has_lost_comes_when_it_is_back_and_a_broken_one_can_be_skipped(
    visit, make_project, join, worker
):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    join(project, worker)
    page = visit("/label/", user=worker, watch=False)
    asked: list[Route] = []

    def first_alone(route: Route) -> None:
        asked.append(route)
        route.continue_() if len(asked) == 1 else route.abort()

    page.route("**/media/**", first_alone)
    page.goto(f"/label/{project.slug}/")
    loaded_ahead(page, 2)
    before = shown(page)
    page.context.set_offline(True)
    page.keyboard.press("1")
    expect(page.locator("#image")).not_to_have_attribute("src", before)
    expect(page.locator("#loading")).to_be_visible()
    expect(page.locator(".toast")).to_contain_text("No connection")
    page.unroute("**/media/**")
    page.context.set_offline(False)
    before = shown(page)
    ready(page)
    page.route("**/media/**", lambda route: route.fulfill(status=404))
    page.keyboard.press("2")
    moved_on(page, before)
    assert [row.answers["animal"] for row in stored(project, 2)] == ["cat", "dog"]
    expect(page.locator("#broken")).to_contain_text("This image did not load. You can skip it.")
    page.keyboard.press("1")
    sent(page)
    assert len(stored(project, 2)) == 2
    page.locator("#broken button").click()
    expect(page.get_by_role("heading", name="Nothing is left for you here")).to_be_visible()
    assert Assignment.objects.get(state="skipped").reason == "broken"


def test_what_is_refused_as_the_page_leaves_is_told_on_the_next(make_project, start, owner):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=2)
    page = start(project, watch=False)
    loaded_ahead(page, 1)
    services.delete_images(project=project, ids=list(project.images.values_list("id", flat=True)), user=owner)
    before = shown(page)
    page.keyboard.press("1")
    moved_on(page, before)
    with page.expect_navigation():
        page.keyboard.press("1")
    expect(page.locator(".toast.bad").first).to_be_visible()


def test_a_page_that_could_not_load_its_editor_begins_anew_once_it_can(visit, make_project, join, worker):
    place = {"key": "place", "kind": "boxes", "prompt": "Where?", "options": {"choices": ["it"]}}
    project = make_project(questions=[place], images=2)
    join(project, worker)
    page = visit("/label/", user=worker, watch=False)
    lost: list[str] = []

    def lose(route: Route) -> None:
        if lost:
            return route.continue_()
        lost.append(route.request.url)
        return route.abort()

    page.route("**/boxes.js", lose)
    page.goto(f"/label/{project.slug}/")
    ready(page)
    page.get_by_role("button", name="New box").click()
    page.get_by_role("button", name="Send").click()
    assert len(stored(project, 1)[0].answers["place"]) == 1
    assert lost


def test_who_uses_the_device_next_finds_no_answer_of_another_person(visit, make_project, join, worker, owner):
    project = make_project(questions=[SHARP, NOTE], images=1, judgments_min=2)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    page.get_by_role("textbox").fill("mine alone")
    page.goto("/label/")
    join(project, owner)
    sign_in(page, visit.address, owner)
    page.goto(f"/label/{project.slug}/")
    ready(page)
    expect(page.get_by_role("textbox")).to_have_value("")


@pytest.mark.parametrize("path", ["", "grid/"])
def test_what_one_person_answered_waits_for_them_where_another_signs_in(visit, make_project, join, worker, owner, path):
    project = make_project("Dogs", questions=[DOG], images=4, judgments_min=2)
    join(project, worker)
    join(project, owner)
    page = visit(f"/label/{project.slug}/{path}", user=worker, watch=False)
    page.context.set_offline(True)
    if path:
        page.get_by_role("checkbox", name="Image 1", exact=True).check()
        page.get_by_role("button", name="Send").click()
    else:
        ready(page)
        page.get_by_role("button", name="Yes").click()
    expect(page.locator("#sync")).to_contain_text("waiting")
    sign_in(page, visit.address, owner)
    page.context.set_offline(False)
    expect(page.locator("#sync")).to_contain_text("Sign in to send")
    page.get_by_role("link", name="Sign in to send").click()
    page.wait_for_load_state()
    assert not Judgment.objects.filter(project=project).exists()
    sign_in(page, visit.address, worker)
    page.goto(f"/label/{project.slug}/")
    assert {row.worker_id for row in stored(project, 4 if path else 1)} == {worker.pk}


def test_the_list_of_projects_sends_what_waits_and_tells_what_waits_of_another(
    visit, make_project, join, worker, owner, axe, fits
):
    project = make_project("Dogs", questions=[DOG], images=4)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, watch=False, width=360, touch=True)
    loaded_ahead(page, 2)
    page.context.set_offline(True)
    before = shown(page)
    page.get_by_role("button", name="Yes").click()
    moved_on(page, before)
    sign_in(page, visit.address, owner)
    page.context.set_offline(False)
    page.goto("/label/")
    told = page.get_by_text("Answers of somebody else wait on this device.")
    expect(told).to_be_visible()
    axe(page)
    fits(page)
    assert not Judgment.objects.filter(project=project).exists()
    sign_in(page, visit.address, worker)
    page.goto("/label/")
    assert [row.worker_id for row in stored(project, 1)] == [worker.pk]
    expect(told).to_be_hidden()
    sent(page)


def test_the_list_of_projects_tells_in_one_line_how_much_waits_of_all_of_them(visit, make_project, join, worker):
    projects = [make_project(name, questions=[DOG], images=4) for name in ("Dogs", "Wolves")]
    page = visit("/label/", user=worker, watch=False, width=360, touch=True)
    page.route("**/judgment/", lambda route: route.abort())
    for project in projects:
        join(project, worker)
        page.goto(f"/label/{project.slug}/")
        loaded_ahead(page, 2)
        before = shown(page)
        page.get_by_role("button", name="Yes").click()
        moved_on(page, before)
    page.goto("/label/")
    expect(page.locator("#waiting")).to_have_text("Offline: 2 waiting")
    page.unroute("**/judgment/")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#waiting")).to_be_empty()
    assert all(stored(project, 1) for project in projects)


def test_answers_that_are_refused_for_one_reason_are_counted_in_one_message(
    visit, make_project, join, worker, owner, axe, fits
):
    project = make_project("Dogs", questions=[DOG], images=4)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, watch=False, width=360, touch=True)
    page.route("**/judgment/", lambda route: route.abort())
    loaded_ahead(page, 2)
    for _ in range(2):
        before = shown(page)
        page.get_by_role("button", name="Yes").click()
        moved_on(page, before)
    services.delete_images(project=project, ids=list(project.images.values_list("id", flat=True)), user=owner)
    page.goto("/label/")
    page.unroute("**/judgment/")
    page.evaluate("dispatchEvent(new Event('online'))")
    told = page.locator("#toasts .toast.bad")
    until(page, "[...document.querySelectorAll('#toasts .toast')].some((one) => one.dataset.times === '2')")
    expect(told).to_have_text("There is no such assignment of yours: its image may be gone.")
    axe(page)
    fits(page)


def test_what_waits_is_told_in_a_bar_that_keeps_its_height(visit, make_project, join, worker):
    arabic = {"questions": {"dog": {"prompt": "كلب؟"}}}
    project = make_project("Dogs", questions=[DOG], instructions="Look.", language="en", wordings={"ar": arabic})
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, watch=False, width=360, touch=True)
    ready(page)
    height = page.locator(".task-bar").bounding_box()["height"]
    page.context.set_offline(True)
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#sync")).to_contain_text("waiting")
    assert page.locator(".task-bar").bounding_box()["height"] == height


def sign_in(page: Page, address: str, user: Any) -> None:
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": address}])


def test_who_was_signed_out_has_lost_no_connection_and_holds_no_more_tasks(visit, make_project, join, worker):
    project = make_project("Dogs", questions=[DOG], images=12)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, watch=False)
    loaded_ahead(page, 2)
    page.route("**/judgment/", lambda route: route.fulfill(status=401, json={}))
    before = shown(page)
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#sync")).to_contain_text("Sign in to send")
    moved_on(page, before)
    page.unroute_all()
    page.evaluate("dispatchEvent(new Event('online'))")
    sent(page)
    ready(page)
    before = shown(page)
    page.get_by_role("button", name="Yes").click()
    moved_on(page, before)
    sent(page)
    happened(page, lambda: Assignment.objects.filter(project=project, state="leased").count() == 3)
