"""A grid over a line that fails: its answers wait on the device, as those of the labeling page do."""

from __future__ import annotations

from playwright.sync_api import Page, Route, expect

from labeling import services
from labeling.models import Assignment, Gold, Membership
from tests.e2e.conftest import happened, lose_first_reply, painted, ready, until
from tests.e2e.test_labeling import stored
from tests.e2e.test_stages import DOG


def yes(rows: list) -> int:
    return sum(row.answers["dog"] for row in rows)


def tap(page: Page, *numbers: int) -> None:
    for number in numbers:
        page.get_by_role("checkbox", name=f"Image {number}", exact=True).check()


def test_a_grid_sent_without_a_connection_arrives_when_it_is_back(visit, make_project, join, worker):
    project = make_project("Dogs", questions=[DOG], images=14)
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker, watch=False)
    tap(page, 2, 4)
    page.context.set_offline(True)
    page.get_by_role("button", name="Send 12 answers").click()
    expect(page.locator("#sync")).to_have_text("Offline: 12 waiting")
    expect(page.get_by_role("button", name="Send 12 answers")).to_be_focused()
    page.context.set_offline(False)
    assert yes(stored(project, 12)) == 2
    expect(page.get_by_role("button", name="Send 2 answers")).to_be_enabled()
    until(page, "localStorage.length === 0")


def test_a_grid_that_is_taken_back_is_as_it_was_sent_and_the_next_one_as_it_was_left(
    visit, make_project, join, worker, axe, fits
):
    project = make_project("Dogs", questions=[DOG], images=16)
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker, width=360, touch=True, watch=False)
    tap(page, 2, 4)
    page.get_by_role("button", name="Send 12 answers").click()
    expect(page.get_by_role("button", name="Send 4 answers")).to_be_visible()
    tap(page, 3)
    axe(page)
    fits(page)
    page.get_by_role("button", name="Undo the last grid").click()
    expect(page.get_by_role("button", name="Send 12 answers")).to_be_visible()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(2)
    page.get_by_role("checkbox", checked=True).first.uncheck()
    page.reload()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(1)
    expect(page.locator("#tapped")).to_have_text("1")
    page.get_by_role("button", name="Send 12 answers").click()
    expect(page.get_by_role("button", name="Send 4 answers")).to_be_visible()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(1)
    assert yes(stored(project, 12)) == 1
    page.context.set_offline(True)
    page.get_by_role("button", name="Send 4 answers").click()
    expect(page.get_by_role("button", name="Send 4 answers")).to_have_attribute("aria-disabled", "true")
    page.context.set_offline(False)
    assert yes(stored(project, 16)) == 2


def test_a_grid_that_waited_in_a_closed_tab_arrives_from_the_labeling_page(visit, make_project, join, worker):
    project = make_project("Dogs", questions=[DOG], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker, watch=False)
    again = page.context.new_page()
    again.goto("/label/")
    tap(page, 1)
    page.context.set_offline(True)
    page.get_by_role("button", name="Send").click()
    until(again, "localStorage.length === 3")
    page.close()
    again.context.set_offline(False)
    again.goto(f"/label/{project.slug}/")
    assert yes(stored(project, 3)) == 1
    expect(again.get_by_role("heading", name="Nothing is left for you here")).to_be_visible()


def test_a_grid_that_waits_is_not_asked_again_by_the_next_page(visit, make_project, join, worker):
    project = make_project("Dogs", questions=[DOG], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker, watch=False)
    tap(page, 1)
    fails = lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    page.context.route("**/*", fails)
    page.get_by_role("button", name="Send").click()
    until(page, "localStorage.length === 3")
    page.reload()
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    page.context.unroute("**/*", fails)
    page.evaluate("dispatchEvent(new Event('online'))")
    assert yes(stored(project, 3)) == 1
    expect(page.get_by_role("heading", name="Nothing is left for you here")).to_be_visible()


def test_a_grid_that_waits_goes_on_when_another_tab_has_sent_it(visit, make_project, join, worker):
    project = make_project("Dogs", questions=[DOG], images=14)
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker, watch=False)
    page.evaluate("() => { window.fetch = () => Promise.reject(new TypeError('lost')); }")
    page.get_by_role("button", name="Send 12 answers").click()
    expect(page.locator("#sync")).to_have_text("Offline: 12 waiting")
    again = page.context.new_page()
    again.goto(f"/label/{project.slug}/")
    assert not yes(stored(project, 12))
    expect(page.get_by_role("button", name="Send 2 answers")).to_be_enabled()
    expect(page.locator("#sync")).to_be_empty()


def test_a_grid_on_its_way_is_not_left_when_another_tab_has_sent_an_answer(visit, make_project, join, worker):
    project = make_project("Dogs", questions=[DOG], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker)
    again = page.context.new_page()
    again.goto("/label/")
    held: list[Route] = []
    page.route(f"**/label/{project.slug}/grid/", lambda route: route.continue_() if held else held.append(route))
    page.get_by_role("button", name="Send").click()
    happened(page, lambda: held)
    page.evaluate("addEventListener('storage', () => { window.heard = true; })")
    name = f"crowdtune:outbox:{worker.pk}:{project.slug}:one"
    again.evaluate("name => { localStorage.setItem(name, '{}'); localStorage.removeItem(name); }", name)
    until(page, "window.heard")
    painted(page)
    assert [route.request.method for route in held] == ["POST"]
    held[0].continue_()
    stored(project, 3)
    expect(page.get_by_role("heading", name="Nothing is left for you here")).to_be_visible()


def test_a_grid_whose_reply_is_lost_is_stored_once(visit, make_project, join, worker):
    project = make_project("Dogs", questions=[DOG], images=5)
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker, watch=False)
    lost = lose_first_reply(page, f"**/label/{project.slug}/grid/")
    tap(page, 3)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Nothing is left for you here")).to_be_visible()
    assert lost
    assert yes(stored(project, 5)) == 1


def test_who_was_at_a_grid_is_told_of_a_rules_warning_there(visit, make_project, join, worker, axe, fits):
    project = make_project("Dogs", questions=[DOG], images=3)
    join(project, worker)
    Membership.objects.filter(project=project, user=worker).update(warning="You answer too fast.")
    page = visit(f"/label/{project.slug}/grid/", user=worker, width=360)
    tap(page, 2)
    expect(page.get_by_role("alert")).to_contain_text("You answer too fast.")
    axe(page)
    fits(page)
    page.get_by_role("button", name="I have read this").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("checkbox", name="Image 2")).to_be_checked()


def test_undo_pressed_before_the_editor_is_there_does_no_harm(visit, make_project, join, worker):
    """It would bring the last image back into a form whose boxes nobody can draw yet."""
    place = {"key": "place", "kind": "boxes", "prompt": "Where?", "options": {"choices": ["it"]}}
    project = make_project(questions=[place], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    page.get_by_role("checkbox", name="There is none in this image").check()
    page.get_by_role("button", name="Send").click()
    stored(project, 1)
    held: list[Route] = []
    page.route("**/boxes*.js", lambda route: route.continue_() if held else held.append(route))
    page.goto(f"/label/{project.slug}/", wait_until="commit")
    happened(page, lambda: held)
    page.keyboard.press("u")
    page.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert stored(project, 1)
    held[0].continue_()
    ready(page)
    page.keyboard.press("u")
    expect(page.get_by_role("checkbox", name="There is none in this image")).to_be_checked()


def test_practice_sent_without_a_connection_stays_on_the_page(visit, make_project, join, worker, owner):
    why = {"key": "why", "kind": "text", "prompt": "Why?", "required": False}
    project = make_project("Dogs", questions=[DOG, why], images=3)
    task = project.tasks.order_by("id").first()
    services.set_gold(task=task, answers={"dog": True}, user=owner, use=Gold.Use.PRACTICE)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, watch=False)
    ready(page)
    page.get_by_role("radio", name="Yes").check()
    page.context.set_offline(True)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#toasts")).to_contain_text("No connection")
    page.context.set_offline(False)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Right", exact=True)).to_be_visible()


def test_enter_on_an_image_of_a_grid_taps_it_and_sends_nothing(visit, make_project, join, worker):
    project = make_project("Dogs", questions=[DOG], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker)
    for number in (1, 2):
        page.keyboard.press("Tab")  # the first is one step away
        expect(page.get_by_role("checkbox", name=f"Image {number}", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
    expect(page.locator("#tapped")).to_have_text("2")
    page.keyboard.press("Control+Enter")
    assert yes(stored(project, 3)) == 2


def test_what_a_grid_tells_lies_not_on_its_button(visit, make_project, join, worker):
    project = make_project("Dogs", questions=[DOG], images=14)
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker, width=360, touch=True)
    page.get_by_role("button", name="Send 12 answers").click()
    told, button = page.locator("#toasts .toast"), page.get_by_role("button", name="Send 2 answers")
    expect(told).to_be_visible()
    assert told.bounding_box()["y"] + told.bounding_box()["height"] <= button.bounding_box()["y"]
    page.set_viewport_size({"width": 240, "height": 493})  # a phone with large letters
    assert page.locator(".sticky-bar > :first-child").bounding_box()["height"] < 30  # one line


def test_an_image_of_a_grid_that_does_not_load_is_not_answered_and_can_be_skipped(visit, make_project, join, worker):
    project = make_project("Dogs", questions=[DOG], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, watch=False)
    ready(page)
    lost: list[str] = []

    def lose(route: Route) -> None:
        lost.append(route.request.url)
        route.abort() if route.request.url == lost[0] else route.continue_()

    page.route("**/*.display*", lose)
    page.goto(f"/label/{project.slug}/grid/")
    tap(page, 1, 2, 3)
    page.get_by_role("button", name="Send 3 answers").click()
    expect(page.get_by_text("What did not load is not answered.")).to_be_visible()
    expect(page.get_by_role("button", name="Send 1 answer")).to_be_enabled()
    assert yes(stored(project, 2)) == 2
    expect(page.get_by_text("This image did not load. You can skip it.")).to_be_visible()
    page.get_by_role("button", name="Skip").click()
    expect(page.locator(".tap")).to_have_count(0)
    page.get_by_role("button", name="Send 1 answer").click()
    expect(page.get_by_role("heading", name="Nothing is left for you here")).to_be_visible()
    assert Assignment.objects.get(project=project, state="skipped").reason == "broken"


def test_the_instructions_can_be_read_at_a_grid(visit, make_project, join, worker):
    project = make_project("Dogs", questions=[DOG], images=2, instructions="A toy dog is no dog.")
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker)
    page.get_by_text("Instructions").click()
    expect(page.get_by_text("A toy dog is no dog.")).to_be_visible()
