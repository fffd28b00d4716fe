"""What a drag, a category and a tap mean while boxes are drawn one after the other.

See docs/decisions/0008-drawing-boxes.md.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import painted
from tests.e2e.pointers import drag, handle, touch
from tests.e2e.test_boxes import QUESTION, boxes, drawn_boxes

NAMES = ["cell", "nucleus", "plate"]


class Hand:
    """A finger or a mouse; places are shares of the image."""

    def __init__(self, page, *, is_finger: bool) -> None:
        self.page, self.is_finger = page, is_finger
        self.place = page.locator("#image").bounding_box()
        assert self.place is not None

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.place["x"] + x * self.place["width"], self.place["y"] + y * self.place["height"]

    def pull(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        touch(self.page, [start, middle, end]) if self.is_finger else drag(self.page, start, end)

    def tap(self, x: float, y: float) -> None:
        (self.page.touchscreen.tap if self.is_finger else self.page.mouse.click)(*self.at(x, y))
        painted(self.page)


@pytest.mark.parametrize("finger", [True, False], ids=["finger", "mouse"])
def test_boxes_within_boxes_are_drawn_one_after_the_other_each_of_the_category_pressed_before(
    make_project, start, axe, fits, finger
):
    page = start(make_project(categories=NAMES, questions=[QUESTION]), touch=finger, width=360 if finger else 1440)
    hand = Hand(page, is_finger=finger)
    draw_within(page, hand)
    change_what_is_there(page, hand, axe, fits)
    delete_by_the_bar(page, hand)
    draw_by_keys(page, chosen="cell" if finger else "nucleus")


def draw_within(page, hand: Hand) -> None:
    hint = page.get_by_text("Tap a box to change it.")
    expect(hint).to_be_visible()
    hand.pull(hand.at(0.2, 0.2), hand.at(0.9, 0.9))
    page.locator(".chip-choice").nth(1).click()
    hand.pull(hand.at(0.3, 0.3), hand.at(0.5, 0.75))  # begins in the one that is selected still
    page.locator(".chip-choice").nth(2).click()
    hand.pull(hand.at(0.5, 0.75), hand.at(0.7, 0.85))  # and on the corner of the one just drawn
    assert [box["category"] for box in drawn_boxes(page, 3)] == NAMES
    expect(hint).to_be_hidden()  # the list has its room
    expect(page.locator(".box-frame")).to_be_visible()
    expect(page.locator(".box-bar")).to_be_hidden()  # it would lie on what is drawn next


def change_what_is_there(page, hand: Hand, axe, fits) -> None:
    large, inner, _last = boxes(page)
    chooser = page.locator(".box-bar select")
    hand.tap(0.32, 0.6)
    expect(chooser).to_have_accessible_name("Box 2: Category")
    expect(chooser).to_have_value(inner["category"])
    chooser.select_option(label="plate")
    assert page.evaluate("document.activeElement.id") == "stage"  # the next digit is the next box's
    page.keyboard.press("1")
    assert [box["category"] for box in boxes(page)] == ["cell", "plate", "plate"]
    axe(page)
    fits(page)
    hand.tap(0.32, 0.6)  # the next larger one under it
    expect(chooser).to_have_accessible_name("Box 1: Category")
    hand.pull(handle(page, "move"), hand.at(0.6, 0.6))
    width, height = page.locator("#image").evaluate("image => [image.naturalWidth, image.naturalHeight]")
    by = (0.6 - 0.55) * width, (0.6 - 0.55) * height
    shifted = [large["box"][0] + by[0], large["box"][1] + by[1], *large["box"][2:]]
    assert boxes(page)[0]["box"] == pytest.approx(shifted, abs=1)
    hand.pull(hand.at(0.4, 0.85), hand.at(0.55, 0.93))  # inside of it, beside the grip
    assert drawn_boxes(page, 4)[3]["category"] == "cell"
    for _ in range(4):
        page.locator("[data-tool=undo-2]").click()
    assert boxes(page) == [large, inner]
    for _ in range(2):
        page.locator("[data-tool=redo-2]").click()
    assert [box["category"] for box in boxes(page)] == ["cell", "plate", "plate"]


def delete_by_the_bar(page, hand: Hand) -> None:
    hand.tap(0.05, 0.05)
    expect(page.locator(".box-frame")).to_be_hidden()
    hand.tap(0.65, 0.82)
    page.locator(".box-bar").get_by_role("button", name="Delete: Box 3").click()
    drawn_boxes(page, 2)
    pen = page.locator(".box-pen")
    if hand.is_finger:
        expect(pen).to_be_hidden()
    else:
        page.mouse.move(*hand.at(0.05, 0.3))
        expect(pen).to_have_text("cell")
        page.keyboard.press("2")
        expect(pen).to_have_text("nucleus")


def draw_by_keys(page, chosen: str) -> None:
    announced = page.locator("#announce")
    page.keyboard.press("n")
    expect(announced).to_contain_text("Box added. Box 3:")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")  # from its Delete
    assert page.evaluate("document.activeElement.id") == "stage"
    page.keyboard.press("c")
    page.keyboard.press("3")
    page.keyboard.press("ArrowRight")
    assert drawn_boxes(page, 3)[2]["category"] == "plate"
    expect(page.locator(".chip-choice:has(:checked)")).to_contain_text(chosen)
    page.keyboard.press("Escape")
    expect(announced).to_have_text("Boxes: 3.")
    page.get_by_label("There is none in this image").check()
    expect(announced).to_have_text("Boxes: 0.")
