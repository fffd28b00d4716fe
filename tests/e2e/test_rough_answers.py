"""Answers that are typed and chosen in rough hands: numbers, "I can't tell", many options, input methods, boxes."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import drawn, error_of, happened, painted, ready
from tests.e2e.test_labeling import ANIMAL, moved_on, shown, stored

BOXES = {"key": "boxes", "kind": "boxes", "prompt": "Box each.", "required": True}
COUNT = {
    "key": "count",
    "kind": "number",
    "prompt": "How many?",
    "required": False,
    "options": {"least": 0, "most": 10, "whole": True, "cant_tell": True},
}


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("11", "At most 10, please."),
        ("-1", "At least 0, please."),
        ("2.5", "Enter a whole number."),
        ("1e", "Enter a number."),
    ],
)
def test_a_number_that_the_question_refuses_is_told_before_it_is_sent(make_project, start, typed, told):
    project = make_project(categories=["cat", "dog"], questions=[COUNT], images=3)
    page = start(project)
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


def test_a_text_that_is_too_long_is_told_and_not_cut_off(make_project, start):
    note = {"key": "note", "kind": "text", "prompt": "What is it?", "required": True, "options": {"most": 4}}
    page = start(project := make_project(questions=[note], images=2))
    first = shown(page)
    page.get_by_role("textbox").fill("🐕🐕🐕🐕🐕")
    page.get_by_role("button", name="Send").click()
    expect(error_of(page, "note")).to_have_text("At most 4 characters, please.")
    expect(page.get_by_role("textbox")).to_have_value("🐕🐕🐕🐕🐕")
    page.get_by_role("textbox").press("Backspace")
    page.get_by_role("button", name="Send").click()
    moved_on(page, first)
    assert stored(project, 1)[0].answers == {"note": "🐕🐕🐕🐕"}


def test_a_decimal_comma_is_a_decimal_comma(make_project, start):
    free = {**COUNT, "options": {}}
    project = make_project(categories=["cat", "dog"], questions=[free], images=3)
    page = start(project)
    first = shown(page)
    page.get_by_role("spinbutton").click()
    page.keyboard.type("3,5")
    page.keyboard.press("Enter")
    moved_on(page, first)
    assert stored(project, 1)[0].answers == {"count": 3.5}


def test_too_many_choices_are_told_before_they_are_sent(make_project, start):
    some = {
        "key": "some",
        "kind": "multiple_choice",
        "prompt": "Which?",
        "required": True,
        "options": {"least": 1, "most": 1},
    }
    project = make_project(categories=["cat", "dog"], questions=[some], images=3)
    page = start(project)
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


def test_a_number_after_cannot_tell_is_the_answer(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[COUNT], images=3)
    page = start(project)
    page.keyboard.press("0")
    page.get_by_role("spinbutton").click()
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    assert stored(project, 1)[0].answers == {"count": 7}


def many(make_project: Any) -> Any:
    names = [f"Species {n:04}" for n in range(600)] + ["dog", "dogfish"]
    rows = [{"key": f"c{n}", "name": name} for n, name in enumerate(names)]
    return make_project(
        categories=rows,
        questions=[{"key": "species", "kind": "single_choice", "prompt": "Which?", "required": True}],
        images=4,
    )


def found(page: Page, name: str) -> None:
    """The list is of all that was typed, and this is the choice: a list for the first letters chooses none."""
    expect(page.get_by_role("option", selected=True)).to_have_text(name)


def test_enter_takes_no_option_of_an_older_search(make_project, start):
    """A quick typist presses Enter before the list for the last letters has come."""
    project = many(make_project)
    page = start(project)
    box = page.get_by_role("combobox")
    box.press_sequentially("dog")
    expect(page.get_by_role("option")).to_have_count(2)
    page.keyboard.type("f")
    page.keyboard.press("Enter")
    assert stored(project, 1)[0].answers == {"species": "c601"}


def test_a_name_typed_in_full_is_chosen(make_project, start):
    project = many(make_project)
    page = start(project)
    page.get_by_role("combobox").press_sequentially("dog")
    found(page, "dog")
    page.get_by_role("button", name="Send").click()
    assert stored(project, 1)[0].answers == {"species": "c600"}


def test_enter_that_ends_a_composition_chooses_nothing(make_project, start):
    project = many(make_project)
    page = start(project)
    first = shown(page)
    page.get_by_role("combobox").press_sequentially("dog")
    found(page, "dog")
    page.evaluate(
        """document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", {key: "Enter", isComposing: true, bubbles: true, cancelable: true}))"""
    )
    painted(page)
    expect(page.locator("#done")).to_have_text("0")  # it counts before the next image is there
    assert shown(page) == first


def test_a_search_without_result_says_so_and_without_connection_throws_nothing(visit, make_project, join, worker):
    project = many(make_project)
    join(project, worker)
    page = visit("/label/", user=worker, watch=False)
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    away: list[str] = []

    def lose_the_last(route: Route) -> None:
        if not route.request.url.endswith("q=zzzz"):
            return route.continue_()
        away.append(route.request.url)
        return route.abort()

    page.route("**/choices/**", lose_the_last)
    page.goto(f"/label/{project.slug}/")
    ready(page)
    box = page.get_by_role("combobox")
    box.press_sequentially("zzz")
    expect(page.locator("[data-combo]")).to_contain_text("Nothing matches")
    box.press_sequentially("z")
    happened(page, lambda: away)
    page.wait_for_timeout(200)
    assert not thrown


@pytest.fixture
def drawing(make_project, start):
    project = make_project(
        categories=["cat", "dog"], questions=[BOXES], images={"a.png": drawn(1, 640, 480), "b.png": drawn(2, 640, 480)}
    )
    return start(project)


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


def has_boxes(page: Page, count: int) -> None:
    expect(page.locator(".box-table tbody tr")).to_have_count(count)


def test_boxes_that_none_wiped_come_back(drawing):
    page = drawing
    drag(page, 0.1, 0.1, 0.3, 0.3)
    drag(page, 0.5, 0.5, 0.8, 0.8)
    has_boxes(page, 2)
    none = page.get_by_role("checkbox", name="There is none in this image")
    none.check()
    has_boxes(page, 0)
    page.locator(".boxes-tools").get_by_role("button", name="Undo").click()
    has_boxes(page, 2)
    expect(none).not_to_be_checked()


def test_boxes_that_were_forgotten_are_asked_for_in_their_own_words(drawing):
    drawing.locator("#submit").click()
    expect(drawing.locator(".question .error")).to_have_text("Draw a box, or say that there is none.")


def test_undo_by_key_works_after_a_category_is_chosen(drawing):
    page = drawing
    drag(page, 0.1, 0.1, 0.3, 0.3)
    page.locator(".box-categories input").nth(1).click()
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    has_boxes(page, 0)


@pytest.mark.parametrize("key", ["Delete", "Escape", "Control+z", "Enter"])
def test_a_key_in_the_middle_of_a_drag_does_no_harm(drawing, key):
    page = drawing
    drag(page, 0.2, 0.2, 0.6, 0.6)
    first = shown(page)
    page.keyboard.press(".")
    drag(page, 0.4, 0.4, 0.5, 0.5, up=False)  # by the grip that it has now
    page.keyboard.press(key)
    if key == "Enter":
        moved_on(page, first)
        ready(page)
    stage = page.locator("#image").bounding_box()
    page.mouse.move(stage["x"] + 200, stage["y"] + 200)
    page.mouse.up()
    painted(page)
    has_boxes(page, 1 if key == "Escape" else 0)


def test_cannot_tell_gives_way_to_a_box(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[{**BOXES, "options": {"cant_tell": True}}], images=3)
    page = start(project)
    page.get_by_role("checkbox", name="I can't tell").check()
    drag(page, 0.2, 0.2, 0.6, 0.6)
    page.get_by_role("button", name="Send").click()
    assert isinstance(stored(project, 1)[0].answers["boxes"], list)


def test_one_box_too_many_is_told(make_project, start):
    project = make_project(categories=["cat"], questions=[{**BOXES, "options": {"most": 2}}], images=2)
    page = start(project)
    for place in (0.1, 0.4, 0.7):
        drag(page, place, 0.1, place + 0.2, 0.3)
    has_boxes(page, 2)
    expect(page.locator("#toasts")).to_contain_text("At most 2")


def test_where_one_box_is_asked_for_it_is_drawn_anew(make_project, start):
    page = start(make_project(categories=["cat"], questions=[{**BOXES, "options": {"most": 1}}], images=2))
    drag(page, 0.1, 0.1, 0.3, 0.3)
    field = page.get_by_label("Box 1: x")
    first = field.input_value()
    drag(page, 0.5, 0.5, 0.8, 0.8)
    has_boxes(page, 1)
    expect(field).not_to_have_value(first)
    page.keyboard.press("Control+z")
    expect(field).to_have_value(first)


def test_undo_again_goes_back_one_more_and_shows_what_was_answered(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    page = start(project)
    seen = []
    for key in "12":
        seen.append(shown(page))
        page.keyboard.press(key)
        moved_on(page, seen[-1])
        ready(page)
    stored(project, 2)
    for image, answer in ((seen[1], "dog"), (seen[0], "cat")):
        page.keyboard.press("u")
        expect(page.locator("#image")).to_have_attribute("src", image)
        ready(page)
        expect(page.locator(".choice[aria-pressed=true]")).to_contain_text(answer)
    page.keyboard.press("2")
    expect(page.locator("#image")).to_have_attribute("src", seen[1])
    expect(page.locator(".choice[aria-pressed=true]")).to_contain_text("dog")
    assert [row.answers["animal"] for row in stored(project, 1)] == ["dog"]


def test_the_first_field_is_one_tab_away(make_project, start):
    page = start(make_project(questions=[COUNT]))
    page.keyboard.press("Tab")
    expect(page.get_by_role("spinbutton")).to_be_focused()


def test_many_choices_to_tick_are_found_by_what_is_typed(make_project, start, axe):
    several = {"key": "seen", "kind": "multiple_choice", "prompt": "Which?"}
    project = make_project(categories=[f"kind {n}" for n in range(40)], questions=[several], images=2)
    page = start(project)
    before = shown(page)
    search = page.get_by_role("searchbox")
    search.fill("kind 333")
    expect(page.get_by_role("status").get_by_text("Nothing matches")).to_be_visible()
    search.fill("kind 33")
    expect(page.get_by_text("Nothing matches")).to_have_count(0)
    expect(page.locator(".choices > .choice:visible")).to_have_count(1)
    axe(page)
    search.press("Enter")
    expect(search).to_have_value("")
    expect(page.locator("#announce")).to_have_text("Chosen: kind 33")
    expect(page.locator(".choices > .choice:visible")).to_have_count(40)
    chosen = page.get_by_role("list", name="Chosen").get_by_role("button")
    search.fill("kind 7")
    search.press("Enter")
    expect(chosen).to_have_text(["kind 7 Remove", "kind 33 Remove"])
    expect(chosen.last).to_be_in_viewport()
    axe(page)
    search.press_sequentially("k")
    chosen.first.click()  # which takes the focus from what was typed
    expect(chosen).to_be_focused()
    expect(page.get_by_role("checkbox", name="kind 7")).not_to_be_checked()
    chosen.press("Control+Enter")
    moved_on(page, before)
    expect(chosen).to_have_count(0)
    expect(page.locator("#questions")).to_be_focused()
    assert stored(project, 1)[0].answers == {"seen": ["kind 33"]}
