"""The worker's page in rough hands: held keys, quick fingers, a bad line, long use, what the server refuses."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from labeling import services
from labeling.models import Assignment, Judgment, Membership
from tests.e2e.conftest import happened, lose_first_reply, painted, ready, until
from tests.e2e.pointers import twice
from tests.e2e.test_labeling import ANIMAL, loaded_ahead, moved_on, sent, shown, stored


def test_a_key_that_is_held_answers_one_task(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    page = start(project)
    loaded_ahead(page, 2)
    first = shown(page)
    page.keyboard.down("1")
    moved_on(page, first)
    second = shown(page)
    for _ in range(5):
        page.keyboard.down("1")  # Playwright repeats a key that is down, as a keyboard does
        painted(page)
    page.keyboard.up("1")
    assert shown(page) == second
    sent(page)
    assert Judgment.objects.filter(project=project).count() == 1


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "touch"])
def test_a_double_click_answers_one_task(make_project, start, touch):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    page = start(project, width=360 if touch else 1440, touch=touch)
    loaded_ahead(page, 2)
    first = shown(page)
    spot = page.get_by_role("button", name="cat").bounding_box()
    assert spot
    twice(page, spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2, touch=touch)
    moved_on(page, first)
    sent(page)
    assert Judgment.objects.filter(project=project).count() == 1


def test_a_task_taken_back_while_more_were_asked_for_comes_once(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    join(project, worker)
    page = visit("/label/", user=worker)
    holding: list[bool] = []
    held: list[Route] = []
    page.route("**/next/**", lambda route: held.append(route) if holding else route.continue_())
    page.goto(f"/label/{project.slug}/")
    ready(page)
    loaded_ahead(page, 2)
    holding.append(True)
    first = shown(page)
    page.keyboard.press("1")
    moved_on(page, first)
    happened(page, lambda: held)
    sent(page)
    page.keyboard.press("u")
    expect(page.locator("#image")).to_have_attribute("src", first)
    ready(page)
    holding.clear()
    with page.expect_response("**/next/**"):
        held[0].continue_()
    seen = []
    for _ in range(4):
        seen.append(shown(page))
        page.keyboard.press("1")
        moved_on(page, seen[-1])
        ready(page)
    assert len(set(seen)) == 4


def test_undo_while_the_next_task_is_awaited_keeps_the_image(make_project, start):
    """What was taken back is on the screen: a task that arrives later must not push it off."""
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    page = start(project, watch=False)
    loaded_ahead(page, 2)
    page.context.set_offline(True)
    for key in ("1", "1"):
        before = shown(page)
        page.keyboard.press(key)
        moved_on(page, before)
        ready(page)
    last = shown(page)
    page.keyboard.press("1")
    expect(page.locator("#loading")).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator("#loading")).to_be_hidden()
    assert shown(page) == last
    page.context.set_offline(False)
    sent(page)
    stored(project, 2)
    page.wait_for_timeout(1500)
    assert shown(page) == last
    page.keyboard.press("2")
    assert [row.answers["animal"] for row in stored(project, 3)] == ["cat", "cat", "dog"]


def test_a_failed_undo_without_a_task_leaves_the_page_alive(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    join(project, worker)
    page = visit("/label/", user=worker, watch=False)
    thrown: list[str] = []
    away: list[bool] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    for path in ("next", "undo"):
        page.route(f"**/{path}/**", lambda route: route.abort() if away else route.continue_())
    page.goto(f"/label/{project.slug}/")
    ready(page)
    loaded_ahead(page, 2)
    away.append(True)
    for _ in range(2):
        before = shown(page)
        page.keyboard.press("1")
        moved_on(page, before)
    page.keyboard.press("1")
    expect(page.locator("#loading")).to_be_visible()
    sent(page)
    page.keyboard.press("u")
    expect(page.locator("#toasts")).to_contain_text("Your answers are kept on this device")
    page.keyboard.press("1")
    page.wait_for_timeout(300)
    assert not thrown


def test_a_correction_after_a_lost_reply_is_the_one_that_counts(visit, make_project, join, worker):
    """The server has the first answer, its reply is lost; the worker takes it back and answers otherwise."""
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    join(project, worker)
    page = visit("/label/", user=worker, watch=False)
    lose_first_reply(page, "**/judgment/")
    page.goto(f"/label/{project.slug}/")
    ready(page)
    loaded_ahead(page, 2)
    first = shown(page)
    page.keyboard.press("1")
    expect(page.locator("#sync")).not_to_be_empty()
    page.keyboard.press("u")
    expect(page.locator("#image")).to_have_attribute("src", first)
    ready(page)
    page.keyboard.press("2")
    moved_on(page, first)
    sent(page)
    assert [row.answers["animal"] for row in stored(project, 1)] == ["dog"]


def test_an_undo_whose_reply_is_lost_takes_back_one_answer(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    join(project, worker)
    page = visit("/label/", user=worker, watch=False)
    lost = lose_first_reply(page, "**/undo/")
    page.goto(f"/label/{project.slug}/")
    ready(page)
    loaded_ahead(page, 2)
    for key in "12":
        last = shown(page)
        page.keyboard.press(key)
        moved_on(page, last)
        ready(page)
    stored(project, 2)
    page.keyboard.press("u")
    expect(page.locator("#toasts .toast")).to_be_visible()
    assert lost == [200]
    page.keyboard.press("u")
    expect(page.locator("#image")).to_have_attribute("src", last)
    expect(page.locator(".choice[aria-pressed=true]")).to_contain_text("dog")
    assert [row.answers["animal"] for row in stored(project, 1)] == ["cat"]


def test_who_is_signed_out_is_told_so_and_loses_nothing(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    page = start(project, watch=False)
    loaded_ahead(page, 2)
    page.context.clear_cookies()
    first = shown(page)
    page.keyboard.press("1")
    moved_on(page, first)
    page.get_by_role("link", name="Sign in").first.click()
    page.get_by_label("Username").fill("worker1")
    page.get_by_label("Password").first.fill("worker1-password")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**/label/{project.slug}/")
    assert [row.answers["animal"] for row in stored(project, 1)] == ["cat"]


def test_an_image_that_failed_to_load_ahead_is_tried_again(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=4)
    join(project, worker)
    page = visit("/label/", user=worker, watch=False)
    failing = [True]
    first_asked: list[str] = []

    def fail(route: Route) -> None:
        address = route.request.url
        first_asked.append(address)
        if failing[0] and address != first_asked[0]:
            route.abort()
        else:
            route.continue_()

    page.route("**/media/**", fail)
    page.goto(f"/label/{project.slug}/")
    ready(page)
    loaded_ahead(page, 2)
    failing[0] = False
    first = shown(page)
    page.keyboard.press("1")
    moved_on(page, first)
    ready(page)
    until(page, "document.getElementById('image').naturalWidth > 0")
    second = shown(page)
    page.keyboard.press("2")
    moved_on(page, second)
    assert len(stored(project, 2)) == 2


def test_on_a_slow_line_the_next_image_comes_before_the_one_after_it(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    join(project, worker)
    page = visit("/label/", user=worker)
    first: list[str] = []
    held: list[Route] = []

    def hold(route: Route) -> None:
        first.append(route.request.url)
        if route.request.url == first[0]:
            route.continue_()
        else:
            held.append(route)

    page.route("**/media/**", hold)
    page.goto(f"/label/{project.slug}/")
    ready(page)
    happened(page, lambda: held)
    before = shown(page)
    page.keyboard.press("1")
    expect(page.locator("#image")).not_to_have_attribute("src", before)
    expect(page.locator("#loading")).to_be_visible()  # an image on its way is no empty page
    page.keyboard.press("2")  # about nothing that is seen
    assert len(held) == 1
    held[0].continue_()
    ready(page)
    expect(page.locator("#loading")).to_be_hidden()
    happened(page, lambda: len(held) == 2)
    before = shown(page)
    page.keyboard.press("1")
    expect(page.locator("#image")).not_to_have_attribute("src", before)
    before = shown(page)
    page.keyboard.press("s")
    page.get_by_role("button", name="The image does not load or is broken").press("Enter")
    expect(page.locator("#image")).not_to_have_attribute("src", before)
    sent(page)
    assert [row.answers["animal"] for row in stored(project, 2)] == ["cat", "cat"]
    assert project.tasks.filter(assignments__state="skipped").count() == 1
    for route in held[1:]:
        route.continue_()


def test_images_of_old_tasks_are_let_go(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=45)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    client = page.context.new_cdp_session(page)
    ready(page)

    def images() -> int:
        client.send("HeapProfiler.collectGarbage")
        kind = client.send("Runtime.evaluate", {"expression": "HTMLImageElement.prototype"})["result"]["objectId"]
        found = client.send("Runtime.queryObjects", {"prototypeObjectId": kind})["objects"]["objectId"]
        length = client.send(
            "Runtime.callFunctionOn", {"objectId": found, "functionDeclaration": "function () { return this.length }"}
        )
        return int(length["result"]["value"])

    for _ in range(40):
        before = shown(page)
        page.keyboard.press("1")
        moved_on(page, before)
        ready(page)
    sent(page)
    assert images() < 30


def test_the_key_of_an_option_is_told_as_it_is(visit, make_project, join, worker):
    project = make_project(
        categories=["ant", "bee", "cat", "dog"], questions=[{**ANIMAL, "options": {"shuffle": True}}], images=8
    )
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    for _ in range(4):
        ready(page)
        keys = page.locator("button.choice").evaluate_all(
            "all => all.map((one) => [one.dataset.key, one.ariaKeyShortcuts ?? one.getAttribute('aria-keyshortcuts')])"
        )
        assert len(keys) > 3
        assert all(key == told for key, told in keys), keys
        before = shown(page)
        page.keyboard.press("1")
        moved_on(page, before)


def test_who_is_paused_while_at_work_reads_why_at_once(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=9)
    rule = {"measure": "same_in_a_row", "threshold": 1, "comparison": "at_least", "action": "pause"}
    services.add_rule(project=project, user=project.owner, message="Too fast.", **rule)
    page = start(project, watch=False)
    loaded_ahead(page, 2)
    page.keyboard.press("1")
    # The images that were loaded ahead are not asked any more.
    expect(page.get_by_text("Too fast.").first).to_be_visible()
    assert Judgment.objects.filter(project=project).count() == 1
    happened(page, lambda: not Assignment.objects.filter(project=project, state="leased").exists())


def test_what_stands_in_the_form_of_who_is_paused_may_be_sent(make_project, start):
    project = make_project(questions=[{"key": "note", "kind": "text", "prompt": "What is it?"}], images=9)
    page = start(project, watch=False)
    loaded_ahead(page, 2)
    held: list[Route] = []
    page.route("**/next/**", lambda route: route.continue_() if held else held.append(route))
    for said in ("A cat.", "A dog."):
        before = shown(page)
        page.get_by_role("textbox").fill(said)
        if said == "A cat.":
            page.keyboard.press("Control+Enter")
            moved_on(page, before)
            happened(page, lambda: held)
    services.pause_worker(member=project.memberships.get(role="worker"), because="Too fast.")
    with page.expect_response("**/next/**"):
        held[0].continue_()
    expect(page.get_by_role("textbox")).to_have_value("A dog.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Too fast.").first).to_be_visible()
    assert Judgment.objects.filter(project=project).count() == 2


def test_who_is_warned_while_at_work_reads_it_before_the_next_image(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=9)
    page = start(project, watch=False)
    loaded_ahead(page, 2)
    Membership.objects.filter(project=project, phase="working").update(warning="Three alike.")
    page.evaluate("document.getElementById('task').dataset.ahead = ''")
    before = shown(page)
    page.keyboard.press("1")
    moved_on(page, before)
    # The server has been asked since; where the answer was quicker than the question, one task more is leased.
    expect(page.locator("#task")).not_to_have_attribute("data-ahead", "")
    with page.expect_navigation():
        page.keyboard.press("1")
    expect(page.get_by_text("Three alike.", exact=True)).to_be_visible()
    expect(page.locator("#announce")).to_contain_text("Three alike.")
    ready(page)
    page.get_by_role("button", name="I have read this").click()
    expect(page.get_by_text("Three alike.")).to_have_count(0)
    for _ in range(3):  # and nothing leads away any more
        ready(page)
        before = shown(page)
        page.keyboard.press("1")
        moved_on(page, before)
    assert len(stored(project, 5)) == 5


def test_a_page_that_the_browser_kept_is_asked_for_again(make_project, start):
    """Its leases were given back when it was left."""
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=4)
    page = start(project)
    page.evaluate("window.kept = true")
    with page.expect_navigation():
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    ready(page)
    assert page.evaluate("window.kept") is None
