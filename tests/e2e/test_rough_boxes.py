"""Boxes beside other questions, under a condition, suggested by a model, and told in practice."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labeling import services
from labeling.models import Gold
from tests.e2e.conftest import drawn, painted, ready, until
from tests.e2e.test_labeling import shown, stored
from tests.e2e.test_rough_answers import drag, has_boxes

BOX = {"key": "boxes", "kind": "boxes", "prompt": "Box each animal", "required": True, "options": {}}
SHARP = {"key": "sharp", "kind": "yes_no", "prompt": "Is it sharp?", "required": True}
SUGGESTED = [{"category": "dog", "box": [80.0, 60.0, 160.0, 120.0]}, {"category": "cat", "box": [8.0, 6.0, 40.0, 30.0]}]


def test_a_number_key_on_the_image_is_the_category_of_the_next_box_and_no_other_answer(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[BOX, {**SHARP, "required": False}], images=3)
    page = start(project)
    drag(page, 0.1, 0.1, 0.3, 0.3)
    page.keyboard.press("2")
    expect(page.locator("#announce")).to_have_text("Next box: dog")
    drag(page, 0.4, 0.4, 0.6, 0.6)
    page.keyboard.press("Enter")
    answers = stored(project, 1)[0].answers
    assert [box["category"] for box in answers.pop("boxes")] == ["cat", "dog"]
    assert answers == {}


def test_the_keys_of_boxes_work_at_their_question_and_change_no_other_answer(make_project, start):
    parts = {"key": "parts", "kind": "multiple_choice", "prompt": "Which?", "required": True, "options": {}}
    page = start(make_project(categories=["cat", "dog", "cow"], questions=[parts, BOX, SHARP], images=2))
    page.keyboard.press("1")
    page.keyboard.press("Enter")  # boxes are missing
    page.keyboard.press("n")  # where no boxes are asked for, it is the key of "none of these"
    has_boxes(page, 1)
    page.get_by_role("radio", name="No").check()
    page.keyboard.press("3")
    expect(page.get_by_role("checkbox", name="cow")).not_to_be_checked()
    page.locator("[data-boxes] input[type=radio]").last.check()
    page.keyboard.press("Delete")
    has_boxes(page, 0)
    expect(page.get_by_role("checkbox", name="cat")).to_be_checked()


def test_a_minus_that_stands_on_a_digit_zooms_unless_the_digit_chooses(make_project, start):
    """As on a French keyboard: the key of 6 writes it."""
    press = """(code) => document.body.dispatchEvent(
        new KeyboardEvent("keydown", { key: "-", code, bubbles: true, cancelable: true }))"""
    page = start(make_project(categories=["cat", "dog"], questions=[BOX], images=2))
    wide = "() => document.getElementById('image').getBoundingClientRect().width"
    whole = page.evaluate(wide)
    page.keyboard.press("+")
    until(page, "(whole) => document.getElementById('image').getBoundingClientRect().width > whole", whole)
    page.evaluate(press, "Digit6")
    until(page, "(whole) => document.getElementById('image').getBoundingClientRect().width <= whole", whole)
    page.evaluate(press, "Digit2")
    expect(page.get_by_role("radio", name="dog")).to_be_checked()


def test_nothing_is_drawn_while_boxes_are_not_asked_for(make_project, start):
    asked = {**BOX, "show_if": {"question": "sharp", "equals": True}}
    project = make_project(categories=["cat", "dog"], questions=[SHARP, asked], images=3)
    page = start(project)
    drag(page, 0.1, 0.1, 0.3, 0.3)
    page.keyboard.press("n")  # the key of No
    expect(page.get_by_role("radio", name="No")).to_be_checked()
    has_boxes(page, 0)
    page.get_by_role("radio", name="Yes").check()
    drag(page, 0.1, 0.1, 0.3, 0.3)
    has_boxes(page, 1)
    page.get_by_role("radio", name="No").check()
    painted(page)
    expect(page.locator(".boxes-canvas svg").first).to_be_hidden()  # what is not sent is not seen
    expect(page.locator(".box-frame")).to_be_hidden()
    page.keyboard.press("Enter")
    assert stored(project, 1)[0].answers == {"sharp": False}


@pytest.mark.parametrize("javascript", [True, False])
def test_boxes_that_a_model_suggests_are_seen_and_taken(visit, make_project, join, worker, javascript):
    project = make_project(categories=["cat", "dog"], questions=[BOX], images=3, show_suggestions=True)
    first, *_rest = project.tasks.order_by("-priority", "random", "id")
    first.payload = {"suggestions": {"boxes": SUGGESTED}, "blind_share": 0}
    first.save(update_fields=["payload"])
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, script=javascript)
    expect(page.locator("svg.overlay rect.casing + rect.suggested")).to_have_count(2)  # seen on a picture of any colour
    expect(page.locator("#suggestion")).to_contain_text("The dotted boxes are the model's.")
    if not javascript:
        return
    ready(page)
    before = shown(page)
    page.get_by_role("button", name="Take the dotted boxes").click()
    has_boxes(page, 2)
    page.keyboard.press("Control+z")
    has_boxes(page, 0)
    page.get_by_role("button", name="Take the dotted boxes").click()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#image")).not_to_have_attribute("src", before)
    assert stored(project, 1)[0].answers == {"boxes": SUGGESTED}
    ready(page)
    expect(page.locator("svg.overlay")).to_have_count(0)
    expect(page.get_by_role("button", name="Take the dotted boxes")).to_be_hidden()
    page.keyboard.press("n")  # behind the button
    has_boxes(page, 1)


def test_practice_shows_the_boxes_that_it_speaks_of(make_project, start, owner, axe, fits):
    project = make_project(categories=["cat", "dog"], questions=[BOX], images=3)
    task = project.tasks.order_by("id")[0]
    services.set_gold(task=task, answers={"boxes": SUGGESTED[:1]}, user=owner, use=Gold.Use.PRACTICE)
    page = start(project, width=360)
    drag(page, 0.5, 0.5, 0.9, 0.9)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Not quite")).to_be_visible()
    expect(page.locator("svg.overlay rect.expected")).to_have_count(1)
    expect(page.locator("svg.overlay rect.given")).to_have_count(1)
    axe(page)
    fits(page)


def test_the_tools_cover_nothing_of_the_whole_image(make_project, start):
    project = make_project(categories=["cat"], questions=[BOX], images={"tall.png": drawn(1, 400, 500)})
    page = start(project, width=240, height=493, touch=True)  # a phone with large letters
    image, tools = (page.locator(at).bounding_box() for at in ("#image", ".boxes-tools"))
    assert tools["y"] - 13 <= image["y"] + image["height"] <= tools["y"] + 0.5  # and take no room that they leave
    assert tools["height"] < 2 * 44  # one row


@pytest.mark.parametrize("width", [360, 1440])
def test_a_long_category_of_boxes_stays_inside_of_the_window(make_project, start, fits, axe, width):
    long = "Of habitat and plumage: Pneumonoultramicroscopicsilicovolcanoconiosisbird"
    page = start(make_project(categories=["cat", long], questions=[BOX], images=2), width=width)
    drag(page, 0.1, 0.1, 0.3, 0.3)
    has_boxes(page, 1)
    fits(page)
    chip = page.locator(".chip-choice").last.bounding_box()
    assert chip
    assert chip["x"] + chip["width"] <= width
    axe(page)


def test_the_list_of_boxes_shows_the_whole_name_of_a_category(make_project, start):
    choices = ["White blood cell", "Red blood cell"]
    place = {"key": "place", "kind": "boxes", "prompt": "Where?", "options": {"choices": choices}}
    page = start(make_project(questions=[place], images=1), width=1440)
    page.locator("#stage").press("n")
    lack = """select => {
        const room = select.offsetWidth;
        select.style.inlineSize = 'max-content';
        return Math.max(0, select.offsetWidth - room);
    }"""
    assert page.locator(".box-table select").evaluate(lack) == 0
