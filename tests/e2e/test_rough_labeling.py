"""The labeling page with names that are long, lists that are long, and a focus that must not be lost."""

from __future__ import annotations

from collections import Counter

import pytest
from playwright.sync_api import Page, expect

from labeling import services
from labeling.models import Gold
from tests.e2e.conftest import drawn, painted, ready, until
from tests.e2e.pointers import twice
from tests.e2e.test_labeling import ANIMAL, loaded_ahead, moved_on, shown, stored

SEEN = {"key": "seen", "kind": "yes_no", "prompt": "Seen from the side?", "required": True}
COUNT = {"key": "count", "kind": "number", "prompt": "How many?", "required": True}
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen_ohne_jeden_Zwischenraum"

# Of all that moved since the page was asked for, what is told by the time when the question is.
SHIFTED = """new Promise((tell) => new PerformanceObserver((list) => {
  tell(list.getEntries().reduce((sum, { value }) => sum + value, 0));
}).observe({ type: "layout-shift", buffered: true }) ?? setTimeout(() => tell(0), 200))"""


def focused(page: Page, selector: str) -> bool:
    return bool(page.evaluate("where => document.activeElement.matches(where)", selector))


@pytest.mark.parametrize("width", [360, 1440])
def test_long_names_stay_inside_of_the_window(make_project, start, fits, width):
    project = make_project(f"{LONG} and {LONG}", questions=[ANIMAL], categories=[LONG, "dog"], images=2)
    page = start(project, width=width, touch=width == 360)
    fits(page)
    choice = page.get_by_role("button", name=LONG)
    assert choice.evaluate("button => button.scrollWidth <= button.clientWidth")
    box = choice.bounding_box()
    assert box
    assert box["x"] + box["width"] <= width


def test_a_question_of_no_section_does_not_stand_under_the_one_before(make_project, start, axe):
    questions = [
        {**ANIMAL, "options": {"section": "The animal"}},
        {**SEEN, "options": {"section": "The animal"}},
        COUNT,
    ]
    project = make_project(categories=["cat", "dog"], questions=questions, images=2)
    page = start(project)
    section = page.get_by_role("region", name="The animal")
    expect(section.get_by_role("group", name="Seen from the side?")).to_be_visible()
    expect(section.get_by_role("group", name="How many?")).to_have_count(0)
    assert section.evaluate("section => parseFloat(getComputedStyle(section).borderBlockEndWidth)") > 0
    axe(page)


def test_a_long_list_keeps_its_room_from_task_to_task(make_project, start):
    project = make_project(categories=[f"kind {n:03d}" for n in range(150)], images=3)
    page = start(project, width=360, touch=True)
    loaded_ahead(page, 2)
    expect(page.get_by_role("option")).to_have_count(30)
    painted(page)
    assert page.evaluate(SHIFTED) < 0.05  # nor did the image move when the list came
    stage, field = page.locator("#stage").bounding_box(), page.get_by_role("combobox")
    field.fill("kind 149")
    expect(page.get_by_role("option")).to_have_count(1)
    assert page.locator("#stage").bounding_box() == stage
    before = shown(page)
    field.press("Enter")
    moved_on(page, before)
    expect(page.get_by_role("option")).to_have_count(30)
    assert page.locator("#stage").bounding_box() == stage


def test_a_phone_on_its_side_has_the_whole_height_for_the_image_and_its_way_to_send(make_project, start):
    place = {"key": "place", "kind": "boxes", "prompt": "Where?", "options": {"choices": ["it"]}}
    project = make_project(questions=[SEEN, place], images=2)
    page = start(project, width=740, height=360, touch=True)
    stage, send = page.locator("#stage").bounding_box(), page.locator("#submit").bounding_box()
    assert stage["y"] + stage["height"] == pytest.approx(360, abs=1)
    assert send["x"] + send["width"] <= 740
    assert send["y"] + send["height"] <= 360


def test_enter_after_an_undo_sends_what_stands_in_the_field(make_project, start):
    project = make_project(categories=[f"kind {n}" for n in range(50)], images=2)
    page = start(project)
    before = shown(page)
    page.get_by_role("combobox").fill("kind 45")
    page.get_by_role("combobox").press("Enter")
    moved_on(page, before)
    stored(project, 1)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("combobox")).to_have_value("kind 45")
    ready(page)  # its image comes anew
    page.get_by_role("combobox").press("Enter")
    expect(page.locator("#done")).to_have_text("1")
    assert list(stored(project, 1)[0].answers.values()) == ["kind 45"]


def test_the_next_survey_begins_at_its_first_question(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL, COUNT], images=3)
    page = start(project)
    page.keyboard.press("1")
    page.get_by_role("spinbutton").fill("3")
    before = shown(page)
    page.keyboard.press("Enter")
    moved_on(page, before)
    ready(page)
    page.keyboard.press("2")  # of the animal; the focus is no more in the field of the number
    expect(page.get_by_role("radio", name="dog")).to_be_checked()
    expect(page.get_by_role("spinbutton")).to_have_value("")


def test_the_focus_is_not_lost_with_the_menu_of_a_skip(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    page = start(project)
    before = shown(page)
    page.keyboard.press("s")
    page.keyboard.press("Enter")
    moved_on(page, before)
    painted(page)
    assert focused(page, "#questions")
    page.keyboard.press("Tab")
    assert focused(page, ".choice")


def test_practice_brings_the_question_that_lacks_an_answer_into_sight(make_project, start, owner, axe):
    questions = [ANIMAL, {**SEEN, "options": {"cant_tell": True}}, {**COUNT, "help_text": "All of them. " * 60}]
    project = make_project(questions=questions, categories=["cat", "dog"], images=3)
    answers = {"animal": "cat", "seen": True, "count": 1}
    first, second = project.tasks.order_by("id")[:2]
    services.set_gold(task=first, answers=answers, user=owner, use=Gold.Use.PRACTICE, explanation="Look at the ears.")
    services.set_gold(task=second, answers=answers, user=owner, use=Gold.Use.QUALIFICATION)
    page = start(project, width=360, touch=True)
    page.locator("#q-animal label").filter(has_text="dog").click()
    page.locator("#q-seen label").filter(has_text="Yes").click()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("spinbutton")).to_be_focused()
    expect(page.get_by_role("spinbutton")).to_be_in_viewport()
    page.get_by_role("spinbutton").fill("1")
    page.get_by_role("button", name="Send").click()
    told = page.get_by_role("status").filter(has_text="Not quite")
    expect(told).to_contain_text("Look at the ears.")
    expect(page.get_by_text("Wrong", exact=True)).to_have_count(1)
    axe(page)
    following = page.get_by_role("link", name="Next")
    expect(following).to_be_focused()
    expect(following).to_have_css("outline-style", "none")  # nobody has pressed a key
    page.keyboard.press("Shift")
    expect(following).to_have_css("outline-style", "solid")
    following.click()
    ready(page)
    page.locator("#q-animal label").filter(has_text="cat").click()
    page.locator("#q-seen label").filter(has_text="Yes").click()
    page.get_by_role("spinbutton").fill("1")
    page.get_by_role("button", name="Send").click()
    told = page.locator(".toast").filter(has_text="You have passed the test.")
    expect(told).to_be_visible()
    toast, panel = told.bounding_box(), page.locator(".panel-side").bounding_box()
    assert toast
    assert panel
    assert toast["y"] + toast["height"] <= panel["y"], "it lies neither on the question nor on Send"


def test_a_long_explanation_leaves_the_answers_in_sight(make_project, start, axe):
    project = make_project(categories=["cat", "dog"], questions=[{**ANIMAL, "help_text": "Look at its ears. " * 80}])
    page = start(project, width=360)
    expect(page.get_by_role("button", name="dog")).to_be_in_viewport(ratio=1)
    axe(page)
    page.get_by_text("Read more").click()
    expect(page.get_by_text("Read less")).to_be_in_viewport()


def test_what_a_long_question_lacks_is_told_in_sight(make_project, start):
    question = {"key": "all", "kind": "multiple_choice", "prompt": "Which of these?", "required": True}
    project = make_project(categories=[f"kind {number}" for number in range(16)], questions=[question])
    page = start(project, width=360)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#q-all-error")).to_be_in_viewport(ratio=0.9)


def test_digits_alone_go_through_a_long_survey_each_question_in_sight_and_heard(make_project, start):
    options = {"least": 1, "most": 5, "labels": ["bad", "good"]}
    asked = [{"key": f"q{n}", "kind": "rating", "prompt": f"Part {n}?", "options": options} for n in range(9)]
    page = start(make_project(questions=asked, images=2), width=360)
    assert (
        page.evaluate("document.scrollingElement.scrollHeight - innerHeight") == 0
    )  # it would scroll with the question
    for number in range(9):
        expect(page.locator(f"#q-q{number}")).to_be_in_viewport(ratio=0.9)
        page.keyboard.press("4")
        expect(page.locator("#announce")).to_have_text(f"Part {number}? 4")
    page.locator("#q-q0").get_by_role("radio", name="1").focus()
    page.keyboard.press("3")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#q-q0").get_by_role("radio", name="4")).to_be_checked()


def test_the_ends_of_a_scale_stand_below_its_steps(make_project, start):
    options = {"least": 1, "most": 7, "labels": ["bad", "good"], "cant_tell": True}
    question = {"key": "rate", "kind": "rating", "prompt": "How good?", "required": True, "options": options}
    project = make_project(questions=[question])
    page = start(project)
    steps = [page.get_by_role("button", name=str(step), exact=True).bounding_box() for step in range(1, 8)]
    assert len({step["y"] for step in steps}) == 1
    ends, cant = (
        page.locator(".scale-ends").bounding_box(),
        page.get_by_role("button", name="I can't tell").bounding_box(),
    )
    assert steps[0]["y"] < ends["y"] < cant["y"]
    assert steps[-1]["x"] + steps[-1]["width"] == pytest.approx(ends["x"] + ends["width"], abs=1)
    expect(page.get_by_role("group", name="How good?")).to_have_accessible_description("1: bad 7: good")


@pytest.mark.parametrize(("least", "window"), [(0, (360, 740)), (4, (740, 360)), (4, (360, 740))])
def test_the_steps_of_a_scale_are_large_enough_for_a_finger(make_project, start, fits, least, window):
    options = {"least": least, "most": 10, "labels": ["bad", "good"]}
    rate = {"key": "rate", "kind": "rating", "prompt": "How good?", "required": True, "options": options}
    page = start(make_project(questions=[rate, COUNT]), width=window[0], height=window[1], touch=True)
    steps = page.locator(".scale .choice").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect()).map(({ top, width }) => [top, width])"
    )
    rows = Counter(top for top, _width in steps)
    assert list(rows.values()) == {(0, 360): [6, 5], (4, 740): [4, 3], (4, 360): [7]}[least, window[0]]
    assert min(width for _top, width in steps) >= 40
    fits(page)


def test_what_is_wrong_with_a_search_is_told_beside_what_is_typed(make_project, start, axe):
    names = [f"kind {number}" for number in range(40)]
    project = make_project(categories=names, questions=[{**ANIMAL, "options": {"cant_tell": True}}])
    page = start(project, width=360, touch=True)
    page.get_by_role("combobox").fill("zzz")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".question .error")).to_have_text("Choose an answer from the list.")
    expect(page.locator(".question .error")).to_be_in_viewport(ratio=0.9)
    expect(page.get_by_role("combobox")).to_be_in_viewport(ratio=0.9)
    expect(page.get_by_role("combobox")).to_be_focused()
    expect(page.get_by_role("combobox")).to_have_attribute("aria-invalid", "true")
    axe(page)
    page.get_by_role("combobox").fill("kind")
    page.keyboard.press("Tab")
    expect(page.get_by_role("checkbox", name="I can't tell")).to_be_focused()


def place_of(page: Page) -> dict[str, float]:
    return page.locator("#image").evaluate("image => image.getBoundingClientRect().toJSON()")


@pytest.mark.parametrize("touch", [False, True])
def test_a_closer_look_is_about_where_it_was_asked_for_and_ends_with_the_task(make_project, start, axe, fits, touch):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    page = start(project, width=360 if touch else 1440, touch=touch)
    if touch:
        page.evaluate("document.documentElement.dir = 'rtl'")
    whole = place_of(page)
    x, y = whole["x"] + whole["width"] * 0.7, whole["y"] + whole["height"] * 0.4
    page.touchscreen.tap(x, y) if touch else page.mouse.click(x, y)
    closer = place_of(page)
    assert closer["width"] == pytest.approx(3 * whole["width"], abs=2)
    assert (x - closer["x"]) / closer["width"] == pytest.approx((x - whole["x"]) / whole["width"], abs=0.01)
    assert (y - closer["y"]) / closer["height"] == pytest.approx((y - whole["y"]) / whole["height"], abs=0.01)
    expect(page.get_by_role("button", name="Look closer")).to_have_attribute("aria-pressed", "true")
    axe(page)
    fits(page)
    if not touch:
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 50, y - 30, steps=3)
        page.mouse.up()
        moved = place_of(page)
        assert (closer["x"] - moved["x"], closer["y"] - moved["y"]) == pytest.approx((50, 30), abs=1.5)
        page.keyboard.press("z")
        assert place_of(page) == whole
        page.keyboard.press("z")
        left = place_of(page)["x"]
        page.keyboard.press("ArrowRight")
        until(page, "left => document.getElementById('image').getBoundingClientRect().x < left", left)
    first = shown(page)
    page.keyboard.press("1")
    moved_on(page, first)
    assert place_of(page)["width"] == pytest.approx(whole["width"], abs=2)


@pytest.mark.parametrize("size", [(600, 4800), (3000, 60)], ids=["fills the window", "shows each pixel"])
def test_a_closer_look_at_a_strip_is_one_to_read_it_by(make_project, start, size):
    width, height = size
    page = start(make_project(questions=[SEEN], images={"strip.png": drawn(1, *size)}), width=360, touch=True)
    whole = place_of(page)
    page.get_by_role("button", name="Look closer").click()
    shown_as_wide = min(whole["width"], whole["height"] * width / height)
    times = place_of(page)["width"] / whole["width"]
    assert times * shown_as_wide == pytest.approx(360 if height > width else width, rel=0.01)


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "touch"])
def test_a_double_click_on_the_image_is_one_closer_look(make_project, start, touch):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=2)
    page = start(project, width=360 if touch else 1440, touch=touch)
    whole = place_of(page)
    x, y = whole["x"] + whole["width"] / 2, whole["y"] + whole["height"] / 2
    twice(page, x, y, touch=touch)
    assert place_of(page)["width"] == pytest.approx(3 * whole["width"], abs=2)
    expect(page.locator("#figure")).to_have_css("scrollbar-width", "none")
    twice(page, x, y, touch=touch)
    assert place_of(page) == whole


def test_the_focus_is_back_after_a_closer_look_and_practice_has_one_at_what_it_tells(make_project, start, owner, axe):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    for task in project.tasks.order_by("id")[:2]:
        services.set_gold(task=task, answers={"animal": "cat"}, user=owner, use=Gold.Use.PRACTICE)
    page = start(project)
    page.get_by_role("button", name="dog").focus()
    page.keyboard.press("z")
    assert focused(page, "figure")
    page.keyboard.press("z")
    expect(page.get_by_role("button", name="dog")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Not quite")).to_be_visible()
    expect(page.get_by_role("link", name="Next")).to_have_accessible_description(
        "Not quite Question Which animal is this? Your answer dog Expected cat"
    )
    image = page.locator("figure img")
    whole = image.bounding_box()
    page.get_by_role("button", name="Look closer").click()
    assert image.bounding_box()["width"] == pytest.approx(3 * whole["width"], abs=2)
    axe(page)
    page.keyboard.press("z")
    assert image.bounding_box() == whole
    page.evaluate("localStorage.setItem('crowdtune:single-keys', 'off')")
    page.reload()
    page.keyboard.press("z")
    assert image.bounding_box() == whole, "who dictates has turned such keys off"
    page.evaluate("localStorage.removeItem('crowdtune:single-keys')")
    page.reload()
    page.keyboard.press("z")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 of 2")).to_be_visible()


def test_a_menu_that_is_open_has_the_keys_and_the_task_behind_it_none(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    page = start(project)
    first = shown(page)
    page.keyboard.press("z")
    menu = page.locator(".site-header details.menu[open]")
    page.get_by_label("Theme", exact=True).click()
    for key in ("1", "Escape"):
        page.keyboard.press(key)
    expect(menu).to_have_count(0)
    page.get_by_label("Theme", exact=True).press("Enter")
    page.get_by_role("button", name="cat").focus()
    expect(menu).to_have_count(0)
    assert (shown(page), page.locator("figure.closer").count()) == (first, 1)
    page.keyboard.press("Escape")
    expect(page.locator("figure.closer")).to_have_count(0)
    page.keyboard.press("1")
    moved_on(page, first)
    assert [row.answers["animal"] for row in stored(project, 1)] == ["cat"]


def test_enter_after_each_number_answers_nothing_where_the_number_has_sent_it(make_project, start):
    """Who has read that Enter sends presses it, though one question of choices is sent at once."""
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=4)
    page = start(project)
    for key in "212":
        before = shown(page)
        page.keyboard.press("Enter")
        expect(page.locator(".error")).to_have_text("This question needs an answer.")
        page.keyboard.press(key)
        moved_on(page, before)
        page.keyboard.press("Enter")
        expect(page.locator(".error")).to_be_empty()
    assert [row.answers["animal"] for row in stored(project, 3)] == ["dog", "cat", "dog"]
