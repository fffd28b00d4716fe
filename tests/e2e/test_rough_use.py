"""The worker's page in rough hands: held keys, quick fingers, a bad line, input methods, what the server refuses."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from labeling import services
from labeling.models import Gold, Job, Judgment
from tests.e2e.conftest import drawn, painted, until
from tests.e2e.test_labeling import ANIMAL, loaded_ahead, moved_on, ready, sent, shown, stored

BOXES = {"key": "boxes", "kind": "boxes", "prompt": "Box each.", "required": True}
COUNT = {
    "key": "count",
    "kind": "number",
    "prompt": "How many?",
    "required": False,
    "options": {"least": 0, "most": 10, "whole": True, "cant_tell": True},
}


def error_of(page: Page, key: str) -> Any:
    return page.locator(f"#q-{key}-error")


def test_a_key_that_is_held_answers_one_task(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
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
def test_a_double_click_answers_one_task(visit, make_project, join, worker, touch):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, width=360 if touch else 1440, touch=touch)
    ready(page)
    loaded_ahead(page, 2)
    first = shown(page)
    spot = page.get_by_role("button", name="cat").bounding_box()
    assert spot
    x, y = spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2
    if touch:
        page.touchscreen.tap(x, y)
        page.touchscreen.tap(x, y)
    else:
        page.mouse.dblclick(x, y)
    moved_on(page, first)
    sent(page)
    assert Judgment.objects.filter(project=project).count() == 1


def test_undo_while_the_next_task_is_awaited_keeps_the_image(visit, make_project, join, worker):
    """What was taken back is on the screen: a task that arrives later must not push it off."""
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, watch=False)
    ready(page)
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
    page = visit(f"/label/{project.slug}/", user=worker, watch=False)
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    ready(page)
    loaded_ahead(page, 2)
    page.route("**/next/**", lambda route: route.abort())
    page.route("**/undo/**", lambda route: route.abort())
    for _ in range(2):
        before = shown(page)
        page.keyboard.press("1")
        moved_on(page, before)
    page.keyboard.press("1")
    expect(page.locator("#loading")).to_be_visible()
    sent(page)
    page.keyboard.press("u")
    expect(page.locator("#toasts .toast")).to_be_visible()
    page.keyboard.press("1")
    page.wait_for_timeout(300)
    assert not thrown


def test_a_correction_after_a_lost_reply_is_the_one_that_counts(visit, make_project, join, worker):
    """The server has the first answer, its reply is lost; the worker takes it back and answers otherwise."""
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, watch=False)
    ready(page)
    lost: list[int] = []

    def lose_first(route: Route) -> None:
        if not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.route("**/judgment/", lose_first)
    page.reload()
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


def test_who_is_signed_out_is_told_so_and_loses_nothing(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, watch=False)
    ready(page)
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


# -- numbers, text and "I can't tell" ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("11", "At most 10, please."),
        ("-1", "At least 0, please."),
        ("2.5", "Enter a whole number."),
        ("1e", "Enter a number."),
    ],
)
def test_a_number_that_the_question_refuses_is_told_before_it_is_sent(visit, make_project, join, worker, typed, told):
    project = make_project(categories=["cat", "dog"], questions=[COUNT], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    first = shown(page)
    field = page.get_by_role("spinbutton")
    field.click()
    page.keyboard.type(typed)
    page.keyboard.press("Enter")
    expect(error_of(page, "count")).to_have_text(told)
    assert shown(page) == first
    field.fill("3")
    field.press("Enter")
    moved_on(page, first)
    assert stored(project, 1)[0].answers == {"count": 3}


def test_a_decimal_comma_is_a_decimal_comma(visit, make_project, join, worker):
    free = {**COUNT, "options": {}}
    project = make_project(categories=["cat", "dog"], questions=[free], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    first = shown(page)
    page.get_by_role("spinbutton").click()
    page.keyboard.type("3,5")
    page.keyboard.press("Enter")
    painted(page)
    if shown(page) != first:
        assert stored(project, 1)[0].answers == {"count": 3.5}
    else:
        expect(error_of(page, "count")).not_to_be_empty()


def test_too_many_choices_are_told_before_they_are_sent(visit, make_project, join, worker):
    some = {
        "key": "some",
        "kind": "multiple_choice",
        "prompt": "Which?",
        "required": True,
        "options": {"least": 1, "most": 1},
    }
    project = make_project(categories=["cat", "dog"], questions=[some], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    first = shown(page)
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(error_of(page, "some")).not_to_be_empty()
    assert shown(page) == first
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    moved_on(page, first)
    assert stored(project, 1)[0].answers == {"some": ["cat"]}


def test_a_number_after_cannot_tell_is_the_answer(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[COUNT], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    page.keyboard.press("0")
    page.get_by_role("spinbutton").click()
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    assert stored(project, 1)[0].answers == {"count": 7}


# -- many options ------------------------------------------------------------------------------------------------------


def many(make_project: Any) -> Any:
    names = [f"Species {n:04}" for n in range(600)] + ["dog", "dogfish"]
    rows = [{"key": f"c{n}", "name": name} for n, name in enumerate(names)]
    return make_project(
        categories=rows,
        questions=[{"key": "species", "kind": "single_choice", "prompt": "Which?", "required": True}],
        images=4,
    )


def test_enter_takes_no_option_of_an_older_search(visit, make_project, join, worker):
    """A quick typist presses Enter before the list for the last letters has come."""
    project = many(make_project)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    box = page.get_by_role("combobox")
    box.press_sequentially("dog")
    expect(page.get_by_role("option")).to_have_count(2)
    page.keyboard.type("f")
    page.keyboard.press("Enter")
    assert stored(project, 1)[0].answers == {"species": "c601"}


def test_a_name_typed_in_full_is_chosen(visit, make_project, join, worker):
    project = many(make_project)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    page.get_by_role("combobox").press_sequentially("dog")
    expect(page.get_by_role("option")).to_have_count(2)
    page.get_by_role("button", name="Send").click()
    assert stored(project, 1)[0].answers == {"species": "c600"}


def test_enter_that_ends_a_composition_chooses_nothing(visit, make_project, join, worker):
    project = many(make_project)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    first = shown(page)
    page.get_by_role("combobox").press_sequentially("dog")
    expect(page.get_by_role("option")).to_have_count(2)
    page.evaluate(
        """document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", {key: "Enter", isComposing: true, bubbles: true, cancelable: true}))"""
    )
    painted(page)
    assert shown(page) == first


def test_a_search_without_result_says_so_and_without_connection_throws_nothing(visit, make_project, join, worker):
    project = many(make_project)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, watch=False)
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    ready(page)
    box = page.get_by_role("combobox")
    box.press_sequentially("zzz")
    expect(page.locator("[data-combo]")).to_contain_text("Nothing matches")
    page.route("**/choices/**", lambda route: route.abort())
    box.press_sequentially("z")
    page.wait_for_timeout(500)
    assert not thrown


# -- boxes -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def drawing(visit, make_project, join, worker):
    project = make_project(
        categories=["cat", "dog"], questions=[BOXES], images={"a.png": drawn(1, 640, 480), "b.png": drawn(2, 640, 480)}
    )
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    return page


def drag(page: Page, x0: float, y0: float, x1: float, y1: float, *, up: bool = True) -> None:
    stage = page.locator("#image").bounding_box()
    assert stage

    def at(x: float, y: float) -> tuple[float, float]:
        return stage["x"] + stage["width"] * x, stage["y"] + stage["height"] * y

    page.mouse.move(*at(x0, y0))
    page.mouse.down()
    page.mouse.move(*at((x0 + x1) / 2, (y0 + y1) / 2))
    page.mouse.move(*at(x1, y1))
    if up:
        page.mouse.up()


def boxes(page: Page) -> int:
    return page.locator(".box-table tbody tr").count()


def test_boxes_that_none_wiped_come_back(drawing):
    page = drawing
    drag(page, 0.1, 0.1, 0.3, 0.3)
    drag(page, 0.5, 0.5, 0.8, 0.8)
    assert boxes(page) == 2
    none = page.get_by_role("checkbox", name="There is none in this image")
    none.check()
    assert boxes(page) == 0
    page.locator(".boxes-tools").get_by_role("button", name="Undo").click()
    assert boxes(page) == 2
    expect(none).not_to_be_checked()


def test_undo_by_key_works_after_a_category_is_chosen(drawing):
    page = drawing
    drag(page, 0.1, 0.1, 0.3, 0.3)
    page.locator(".box-categories input").nth(1).click()
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert boxes(page) == 0


@pytest.mark.parametrize("key", ["Delete", "Escape", "Control+z", "Enter"])
def test_a_key_in_the_middle_of_a_drag_does_no_harm(drawing, key):
    page = drawing
    drag(page, 0.2, 0.2, 0.6, 0.6)
    first = shown(page)
    drag(page, 0.4, 0.4, 0.5, 0.5, up=False)
    page.keyboard.press(key)
    if key == "Enter":
        moved_on(page, first)
        ready(page)
    stage = page.locator("#image").bounding_box()
    page.mouse.move(stage["x"] + 200, stage["y"] + 200)
    page.mouse.up()
    painted(page)
    assert boxes(page) == (1 if key == "Escape" else 0)


def test_cannot_tell_gives_way_to_a_box(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[{**BOXES, "options": {"cant_tell": True}}], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    page.get_by_role("checkbox", name="I can't tell").check()
    drag(page, 0.2, 0.2, 0.6, 0.6)
    page.get_by_role("button", name="Send").click()
    assert isinstance(stored(project, 1)[0].answers["boxes"], list)


# -- long use ----------------------------------------------------------------------------------------------------------


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
        assert all(key == told for key, told in keys), keys
        before = shown(page)
        page.keyboard.press("1")
        moved_on(page, before)


def test_who_is_paused_while_at_work_reads_why(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=9)
    member = join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, watch=False)
    ready(page)
    loaded_ahead(page, 2)
    member.is_paused, member.paused_because = True, "Too fast."
    member.save()
    for _ in range(3):
        before = shown(page)
        page.keyboard.press("1")
        page.wait_for_timeout(200)
        if page.locator(f"#image[src='{before}']").count() == 0:
            continue
    expect(page.get_by_text("Too fast.").first).to_be_visible()


def test_a_page_that_the_browser_kept_is_asked_for_again(visit, make_project, join, worker):
    """Its leases were given back when it was left."""
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=4)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    page.evaluate("window.kept = true")
    with page.expect_navigation():
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    ready(page)
    assert page.evaluate("window.kept") is None


# -- what the system sets ----------------------------------------------------------------------------------------------


def test_what_is_chosen_is_seen_in_forced_colours(visit, make_project, join, worker):
    questions = [{**ANIMAL, "required": False}, {"key": "seen", "kind": "yes_no", "prompt": "Seen?", "required": True}]
    project = make_project(categories=["cat", "dog"], questions=questions, images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    page.emulate_media(forced_colors="active")
    ready(page)
    page.keyboard.press("1")
    marks = page.locator("#q-animal .mark")
    chosen, other = (marks.nth(n).evaluate("mark => getComputedStyle(mark).backgroundColor") for n in (0, 1))
    assert chosen != other
    page.goto(f"/label/{project.slug}/grid/")
    page.locator(".tap").first.click()
    expect(page.locator(".tap .tick").nth(0)).to_be_visible()
    expect(page.locator(".tap .tick").nth(1)).to_be_hidden()


def test_the_image_can_be_seen_at_four_times_the_size(visit, make_project, join, worker, fits):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, width=320, height=256)
    ready(page)
    stage = page.locator("#stage").bounding_box()
    assert stage
    assert stage["height"] >= 150
    page.get_by_role("button", name="I can't tell").click()
    assert stored(project, 1)[0].answers == {"animal": "cant_tell"}
    fits(page)


# -- owners ------------------------------------------------------------------------------------------------------------


def test_the_preview_leaves_the_back_button_alone(visit, make_project, owner):
    project = make_project()
    page = visit(f"/projects/{project.slug}/settings/survey/", user=owner)
    before = page.evaluate("history.length")
    prompt = page.locator("[name$=prompt]").first
    for text in ("Which one is it?", "Which one is it now?"):
        prompt.fill(text)
        expect(page.frame_locator(".preview-frame iframe:last-of-type").get_by_text(text)).to_be_visible()
    expect(page.locator(".preview-frame iframe")).to_have_count(1)
    assert page.evaluate("history.length") == before


def test_files_of_no_use_are_told_and_a_second_choice_is_not_cut_off(visit, make_project, owner, tmp_path):
    project = make_project(images=1)
    page = visit(f"/projects/{project.slug}/images/", user=owner)
    page.get_by_role("button", name="Add images").click()
    field = page.locator("dialog .dropzone input[type=file]")
    (tmp_path / "notes.txt").write_text("no picture")
    field.set_input_files(tmp_path / "notes.txt")
    expect(page.locator("#toasts")).to_contain_text("no images or archives: 1")
    for name in ("one", "two"):
        (tmp_path / f"{name}.png").write_bytes(drawn(50 + len(name) + ord(name[0])))
    held: list[Route] = []

    def hold(route: Route) -> None:
        if held:
            held.append(route)
        else:
            held.append(route)
            route.continue_()

    page.route("**/images/add/", hold)
    field.set_input_files(tmp_path / "one.png")
    field.set_input_files(tmp_path / "two.png")
    page.wait_for_timeout(1500)
    assert len(held) == 2
    with page.expect_navigation():
        held[1].continue_()
    assert Job.objects.filter(project=project, kind="import_images").count() == 2


def test_a_double_click_in_practice_does_not_skip_what_is_told(visit, make_project, join, worker, owner):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    task = project.tasks.order_by("id").first()
    services.set_gold(task=task, answers={"animal": "cat"}, user=owner, use=Gold.Use.PRACTICE)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    page.get_by_role("button", name="dog").dblclick()
    expect(page.get_by_text("Not quite")).to_be_visible()


def test_a_double_click_sends_one_grid(visit, make_project, join, worker):
    question = {"key": "dog", "kind": "yes_no", "prompt": "A dog?", "required": True}
    project = make_project(questions=[question], images=30)
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker)
    page.get_by_role("button", name="Send").dblclick()
    expect(page.locator("#toasts .toast")).to_have_count(1)
    expect(page.locator("#toasts")).to_contain_text("12 answers stored.")


def test_a_section_of_hidden_questions_has_no_title(visit, make_project, join, worker):
    note = {
        "key": "note",
        "kind": "text",
        "prompt": "Why?",
        "options": {"section": "Details"},
        "show_if": {"question": "animal", "equals": "dog"},
    }
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL, note], images=2)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    title = page.get_by_role("heading", name="Details")
    expect(title).to_be_hidden()
    page.keyboard.press("2")
    expect(title).to_be_visible()


def test_one_box_too_many_is_told(visit, make_project, join, worker):
    project = make_project(categories=["cat"], questions=[{**BOXES, "options": {"most": 1}}], images=2)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    drag(page, 0.1, 0.1, 0.3, 0.3)
    drag(page, 0.5, 0.5, 0.8, 0.8)
    assert boxes(page) == 1
    expect(page.locator("#toasts")).to_contain_text("At most 1")


def test_files_can_be_chosen_again_after_an_upload_that_failed(visit, make_project, owner, tmp_path):
    project = make_project(images=1)
    page = visit(f"/projects/{project.slug}/images/", user=owner, watch=False)
    page.get_by_role("button", name="Add images").click()
    field = page.locator("dialog .dropzone input[type=file]")
    (tmp_path / "one.png").write_bytes(drawn(50))
    page.route("**/images/add/", lambda route: route.abort())
    field.set_input_files(tmp_path / "one.png")
    expect(page.locator("#toasts")).to_contain_text("The upload stopped")
    assert field.evaluate("field => field.files.length") == 0  # a browser tells of a change only where there is one
