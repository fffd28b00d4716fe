"""Boxes by finger and by pen: as exact as by mouse, and what a second finger or a resting hand does to the view."""

# ruff: noqa: F811 - tests ask by its name for a fixture that is imported
from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import painted, until
from tests.e2e.pointers import pinch, touch
from tests.e2e.test_boxes import (
    QUESTION,
    RED,
    WIDER,
    WIDTH,
    drawn_boxes,
    opened,
    pictured,
    red_on_screen,
    red_project,  # noqa: F401 - a fixture
    width_of,
)


@pytest.mark.parametrize("dpr", [1, 3])
def test_a_box_by_touch_is_exact(visit, red_project, worker, dpr):
    page = opened(visit, red_project, worker, dpr=dpr, touch=True, width=800, height=900)
    left, top, right, bottom = red_on_screen(page, dpr)
    page.mouse.move(left, top)
    page.mouse.down(button="right")  # whose end the menu that it opens may keep from the page
    touch(page, [(left, top), ((left + right) / 2, (top + bottom) / 2), (right, bottom)])
    assert drawn_boxes(page, 1)[0]["box"] == pytest.approx(list(RED), abs=1.5 / dpr)
    assert page.evaluate("document.activeElement.id") == "stage"
    assert page.locator("#stage:focus-visible").count() == 0  # a ring round the image is for who came by keys


def test_the_categories_stay_in_view_while_a_finger_draws_one_box_after_the_other(visit, red_project, worker):
    page = opened(visit, red_project, worker, touch=True, width=360, height=640)
    place = page.locator("#image").bounding_box()
    assert place is not None
    for number in range(4):
        left, top = place["x"] + 20 + 80 * number, place["y"] + 20 + 30 * number
        touch(page, [(left, top), (left + 20, top + 15), (left + 40, top + 30)])
        drawn_boxes(page, number + 1)
    expect(page.locator(".box-categories label").first).to_be_in_viewport(ratio=1)
    page.locator(".box-table tbody tr").last.locator("input").last.tap()
    expect(page.locator(".box-table tbody tr").last).to_be_in_viewport()


@pytest.mark.parametrize("width", [360, 390, 411])
def test_a_picture_keeps_its_shape_on_every_phone(visit, red_project, worker, width):
    page = opened(visit, red_project, worker, dpr=3, touch=True, width=width, height=844)
    across, down, tall = page.evaluate(
        "(i => { const r = i.getBoundingClientRect();"
        " return [r.width / i.naturalWidth, r.height / i.naturalHeight, i.naturalHeight] })"
        "(document.getElementById('image'))"
    )
    assert abs(down / across - 1) * tall < 0.1  # of a pixel of the picture, at its far edge
    assert across * WIDTH > 0.95 * page.locator("main").evaluate("e => e.clientWidth")


def test_two_fingers_zoom_and_one_still_draws_exactly(visit, red_project, worker):
    page = opened(visit, red_project, worker, dpr=2, touch=True, width=800, height=900)
    before = width_of(page)
    left, top, right, bottom = red_on_screen(page, 2)
    x, y = (left + right) / 2, (top + bottom) / 2
    pinch(page, x, y, 40, 160)
    until(page, WIDER, before * 1.4)
    drawn_boxes(page, 0)
    left, top, right, bottom = red_on_screen(page, 2)
    touch(page, [(left, top), ((left + right) / 2, (top + bottom) / 2), (right, bottom)])
    assert drawn_boxes(page, 1)[0]["box"] == pytest.approx(list(RED), abs=0.5)


@pytest.mark.parametrize("first", ["bar", "image"])
def test_two_fingers_of_which_one_lies_on_a_boxs_bar_zoom_and_change_nothing(visit, red_project, worker, first):
    page = opened(visit, red_project, worker, dpr=2, touch=True, width=800, height=900)
    left, top, right, bottom = red_on_screen(page, 2)
    touch(page, [(left, top), ((left + right) / 2, (top + bottom) / 2), (right, bottom)])
    x, y = (left + right) / 2, (top + bottom) / 2
    touch(page, [(x, y)])
    bar = page.locator(".box-bar").bounding_box()
    assert bar
    before = width_of(page)
    on_bar = {"x": bar["x"] + 3, "y": bar["y"] + bar["height"] / 2, "id": 0}
    fingers = [on_bar, {"x": on_bar["x"] + 60, "y": y, "id": 1}]
    fingers = fingers if first == "bar" else fingers[::-1]
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": fingers[:1]})
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": fingers})
    for step in range(1, 9):
        apart = [{**finger, "x": finger["x"] + (finger is not on_bar) * 20 * step} for finger in fingers]
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": apart})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    until(page, WIDER, before * 1.2)
    drawn_boxes(page, 1)


def test_two_fingers_keep_below_them_what_they_took_hold_of(visit, red_project, worker):
    page = opened(visit, red_project, worker, dpr=2, touch=True, width=800, height=900)
    left, top, right, bottom = red_on_screen(page, 2)
    x, y = (left + right) / 2 - 90, (top + bottom) / 2 - 60
    pinch(page, x, y, 20, 60)
    seen = red_on_screen(page, 2)
    assert seen[2] - seen[0] == pytest.approx(3 * (right - left), abs=2)
    assert ((seen[0] + seen[2]) / 2 - x, (seen[1] + seen[3]) / 2 - y) == pytest.approx((270, 180), abs=3)


def test_a_finger_sets_a_box_on_a_large_picture_to_half_a_pixel(visit, make_project, join, worker):
    """On the whole of it, one pixel of the screen is 28 of its own."""
    size = (10_000, 4000)
    project = make_project(
        "Large", images={"large.png": pictured(*size, (6000, 1800, 40, 30))}, questions=[QUESTION], categories=["thing"]
    )
    join(project, worker)
    page = opened(visit, project, worker, dpr=3, touch=True, width=360, height=740)
    for _ in range(12):
        page.locator("[data-tool=zoom-in]").tap()
        painted(page)
    across = width_of(page) / size[0]
    assert across == pytest.approx(4, abs=0.1)
    stage = page.locator("#stage").bounding_box()
    assert stage is not None
    corner = (stage["x"] + 100, stage["y"] + 60)
    touch(page, [corner, (corner[0] + 40, corner[1] + 40), (corner[0] + 160, corner[1] + 80)])
    assert drawn_boxes(page, 1)[0]["box"][2:] == pytest.approx([40, 20], abs=0.5)


@pytest.mark.parametrize("first", ["palm", "pen"])
def test_the_hand_that_holds_a_pen_draws_and_moves_nothing(visit, red_project, worker, first):
    page = opened(visit, red_project, worker, touch=True, width=800, height=900)
    left, top, right, bottom = red_on_screen(page, 1)
    before = width_of(page)
    client = page.context.new_cdp_session(page)

    def pen(kind: str, x: float, y: float) -> None:
        held = {"button": "left", "buttons": 0 if kind == "mouseReleased" else 1, "clickCount": 1}
        client.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, "pointerType": "pen", **held})

    def palm(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    if first == "palm":
        palm("touchStart", (right + 80, bottom + 80))
        palm("touchMove", (right + 90, bottom + 90))
    pen("mousePressed", left, top)
    if first == "pen":
        palm("touchStart", (right + 80, bottom + 80))
    pen("mouseMoved", (left + right) / 2, (top + bottom) / 2)
    palm("touchMove", (right + 95, bottom + 60))
    pen("mouseMoved", right, bottom)
    pen("mouseReleased", right, bottom)
    palm("touchEnd")
    assert drawn_boxes(page, 1)[0]["box"] == pytest.approx(list(RED), abs=1.5)
    assert width_of(page) == before
    palm("touchStart", (left - 60, bottom + 40))
    palm("touchMove", (left - 20, bottom + 90))
    palm("touchEnd")
    drawn_boxes(page, 1)  # the hand stays where it was between two strokes
    page.evaluate("performance.now = (now => () => now.call(performance) + 60000)(performance.now)")
    touch(page, [(left - 60, bottom + 40), (left - 40, bottom + 60), (left - 20, bottom + 90)])
    drawn_boxes(page, 2)  # the pen was put aside
