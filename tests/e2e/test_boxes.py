"""Boxes land where a person drew them: at any zoom, pixel ratio and with any pointer, to within half a pixel.

The truth is not read off the page's own conversion but off its screenshot: the picture holds a red rectangle at a known
place, the test finds the red on the screen and drags from corner to corner of it.
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from playwright.sync_api import Page, expect

from tests.e2e.conftest import painted, quiet, ready, until
from tests.e2e.pointers import drag, handle
from tests.e2e.test_labeling import stored

WIDTH, HEIGHT = 1000, 800
RED = (440, 340, 96, 64)  # x, y, width, height in natural pixels
FINE = {"width": 960, "height": 600}  # a window that is large enough where pixels are fine, which take time
QUESTION = {"key": "boxes", "kind": "boxes", "prompt": "Box the red thing", "required": True, "options": {}}


def pictured(width: int = WIDTH, height: int = HEIGHT, red: tuple[int, int, int, int] = RED) -> bytes:
    """A grey picture with one red rectangle."""
    pixels = np.full((height, width, 3), 128, np.uint8)
    x, y, w, h = red
    pixels[y : y + h, x : x + w] = (255, 0, 0)
    file = io.BytesIO()
    Picture.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def red_on_screen(page: Page, dpr: float) -> tuple[float, float, float, float]:
    """The corners of the red rectangle in CSS pixels of the window, once two pictures of the screen agree on them."""
    before, now = None, _red(page, dpr)
    while before != now:
        painted(page)
        before, now = now, _red(page, dpr)
    return now


def _red(page: Page, dpr: float) -> tuple[float, float, float, float]:
    shot = np.asarray(Picture.open(io.BytesIO(page.screenshot())).convert("RGB"))
    rows, columns = np.nonzero((shot[..., 0] > 190) & (shot[..., 1] < 64) & (shot[..., 2] < 64))
    return columns.min() / dpr, rows.min() / dpr, (columns.max() + 1) / dpr, (rows.max() + 1) / dpr


def width_of(page: Page) -> float:
    """How wide the image is on the screen, in CSS pixels."""
    return float(page.locator("#image").evaluate("image => image.getBoundingClientRect().width"))


def drawn_boxes(page: Page, count: int) -> list[dict[str, Any]]:
    """The boxes, as soon as there are so many."""
    have = "(count) => JSON.parse(document.querySelector('[data-json]').value || '[]').length === count"
    until(page, have, count)
    return boxes(page)


def boxes(page: Page) -> list[dict[str, Any]]:
    return json.loads(page.locator("[data-json]").input_value())


def opened(visit: Any, project: Any, worker: Any, **how: Any) -> Page:
    page = visit(f"/label/{project.slug}/", user=worker, **how)
    ready(page)
    return page


WIDER = "(before) => document.getElementById('image').getBoundingClientRect().width > before"


def zoom_in(page: Page, wanted: float) -> None:
    """Turn the wheel over the red rectangle until the image is so many times as large as it was."""
    centre = _red(page, page.evaluate("devicePixelRatio"))  # about where it is
    page.mouse.move((centre[0] + centre[2]) / 2, (centre[1] + centre[3]) / 2)
    whole = width_of(page)
    for _ in range(20):
        ratio = wanted / (width_of(page) / whole)
        if ratio < 1.02:
            return
        before = width_of(page)
        # The browser gives the page device pixels divided by the pixel ratio.
        page.mouse.wheel(0, -400 * min(np.log(ratio), 0.7) * page.evaluate("devicePixelRatio"))
        until(page, WIDER, before)
        painted(page)
    raise AssertionError(f"the image is {width_of(page) / whole:.2f} times as large, not {wanted}")


@pytest.fixture
def red_project(make_project, join, worker):
    project = make_project("Red things", images={"red.png": pictured()}, categories=["thing"], questions=[QUESTION])
    join(project, worker)
    return project


@pytest.mark.parametrize("dpr", [1, 3])
def test_a_dragged_box_is_exact_at_any_zoom_and_pixel_ratio(visit, red_project, worker, dpr):
    page = opened(visit, red_project, worker, dpr=dpr, **{1: {"width": 1440}, 3: FINE}[dpr])
    for zoom, further in ((1, 1), (2, 2), (8, 4)):
        if further > 1:
            zoom_in(page, further)
        left, top, right, bottom = red_on_screen(page, dpr)
        drag(page, (left, top), (right, bottom))
        # Unzoomed, one pixel of the screen is one of the image, and the screenshot knows the edge to half of one.
        assert drawn_boxes(page, 1)[0]["box"] == pytest.approx(list(RED), abs=0.75 if zoom == 1 else 0.5)
        page.keyboard.press("Control+z")  # or its lines would cover the red edges
        drawn_boxes(page, 0)


def test_a_picture_larger_than_its_shown_copy_is_boxed_in_natural_pixels(visit, make_project, join, worker):
    """The page shows a copy of at most 1600 pixels; the answer is in pixels of the original."""
    red = (1200, 900, 480, 360)
    project = make_project(
        "Large", images={"large.png": pictured(3200, 2400, red)}, categories=["thing"], questions=[QUESTION]
    )
    join(project, worker)
    page = opened(visit, project, worker, dpr=3, **FINE)
    zoom_in(page, 4)
    left, top, right, bottom = red_on_screen(page, 3)
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(right - 5, bottom - 5)
    page.mouse.move(right, bottom)
    page.mouse.up()
    # The shown copy has half the pixels, and its edges are blurred by its making.
    assert drawn_boxes(page, 1)[0]["box"] == pytest.approx(list(red), abs=2)


def test_a_box_is_moved_resized_relabelled_undone_and_sent(visit, make_project, join, worker):
    project = make_project("Two", images={"red.png": pictured()}, categories=["cat", "dog"], questions=[QUESTION])
    join(project, worker)
    page = opened(visit, project, worker)
    left, top, right, bottom = red_on_screen(page, 1)
    scale = (right - left) / RED[2]
    drag(page, (left, top), (right, bottom))
    page.mouse.click((left + right) / 2, (top + bottom) / 2)
    drag(page, ((left + right) / 2, (top + bottom) / 2), ((left + right) / 2 + 50, (top + bottom) / 2))
    moved = boxes(page)[0]["box"]
    assert moved == pytest.approx([RED[0] + 50 / scale, *RED[1:]], abs=0.7)
    x, y = handle(page, "se")
    drag(page, (x, y), (x + 40, y + 30))
    assert boxes(page)[0]["box"] == pytest.approx([*moved[:2], moved[2] + 40 / scale, moved[3] + 30 / scale], abs=0.7)
    page.keyboard.press("c")
    page.keyboard.press("2")
    assert boxes(page)[0]["category"] == "dog"
    assert page.evaluate("document.activeElement.id") == "stage"
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert boxes(page)[0] == {"category": "cat", "box": moved}
    page.keyboard.press("Control+Shift+z")
    assert boxes(page)[0]["box"][2] > moved[2]
    page.get_by_role("button", name="Send").click()
    answer = stored(project, 1)[0].answers["boxes"]
    assert len(answer) == 1
    assert answer[0]["category"] == "cat"


def test_a_box_is_made_and_edited_by_keys_alone(visit, red_project, worker):
    page = opened(visit, red_project, worker)
    page.locator("#stage").focus()
    page.keyboard.press("n")
    x, y, width, height = boxes(page)[0]["box"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Alt+ArrowRight")
    assert boxes(page)[0]["box"] == [x + 1, y + 10, width + 1, height]
    expect(page.locator("#announce")).to_contain_text("Box 1")
    page.keyboard.press("Delete")
    assert boxes(page) == []
    page.keyboard.press("Control+z")
    assert len(boxes(page)) == 1
    expect(page.locator("#announce")).to_contain_text("Boxes: 1. Box 1")


def test_boxes_take_no_room_from_the_image_and_handles_stay_on_theirs(visit, red_project, worker):
    page = visit(f"/label/{red_project.slug}/", user=worker, width=360, touch=True)
    ready(page)
    before = page.locator("#stage").bounding_box()
    for _ in range(4):
        page.get_by_role("button", name="New box").click()
    expect(page.locator(".box-table tbody tr")).to_have_count(4)
    painted(page)
    assert page.locator("#stage").bounding_box() == before
    page.set_viewport_size({"width": 320, "height": 560})
    painted(page)
    frame, box = page.locator(".box-frame").bounding_box(), page.locator(".a9s-inner").last.bounding_box()
    assert frame
    assert box
    for side in ("x", "y", "width", "height"):
        assert frame[side] == pytest.approx(box[side], abs=3), side  # the box's line is 2 wide


def test_a_category_has_the_colour_of_its_boxes(make_project, start, axe):
    project = make_project(questions=[QUESTION], categories=["red", "blue"], images=1)
    page = start(project, theme="dark")
    colours = []
    for name in ("red", "blue"):
        page.locator(".chip-choice").filter(has_text=name).click()
        page.get_by_role("button", name="New box").click()
        dot = page.locator(".chip-choice").filter(has_text=name).locator(".dot")
        colours.append(dot.evaluate("dot => getComputedStyle(dot).backgroundColor"))
        line = page.locator(".box-frame").evaluate("frame => getComputedStyle(frame, '::before').borderTopColor")
        assert line == colours[-1]
    assert colours[0] != colours[1]
    axe(page)


def test_keys_draw_where_nothing_has_the_focus_as_each_image_begins(visit, red_project, worker):
    page = opened(visit, red_project, worker)
    assert page.evaluate("document.activeElement === document.body")
    page.keyboard.press("n")
    x, y, width, height = boxes(page)[0]["box"]
    page.keyboard.press("ArrowRight")
    assert boxes(page)[0]["box"] == [x + 1, y, width, height]
    page.keyboard.press("?")
    page.keyboard.press("Delete")  # for the list of keys, not for the image behind it
    page.keyboard.press("Escape")
    assert len(boxes(page)) == 1


def test_a_box_made_by_keys_hides_no_other(visit, red_project, worker):
    page = opened(visit, red_project, worker)
    page.locator("#stage").focus()
    for _number in range(3):
        page.keyboard.press("n")
    assert len({tuple(box["box"]) for box in boxes(page)}) == 3


# As a browser reads a page that knows no media feature of that name.
FORGET_SCRIPTING = """() => {
  const forget = (holder) => {
    for (let at = (holder.cssRules?.length ?? 0) - 1; at >= 0; at -= 1) {
      if (holder.cssRules[at].conditionText?.includes("scripting")) holder.deleteRule(at);
      else forget(holder.cssRules[at]);
    }
  };
  for (const sheet of document.styleSheets) forget(sheet);
}"""


def test_number_fields_set_a_box_exactly(visit, red_project, worker):
    page = opened(visit, red_project, worker)
    page.locator("#stage").focus()
    page.keyboard.press("n")
    for side, value in zip(("x", "y", "Width", "Height"), RED, strict=True):
        field = page.get_by_label(f"Box 1: {side}", exact=True)
        field.fill(str(value))
        field.press("Tab")
    assert boxes(page) == [{"category": "thing", "box": list(RED)}]
    page.evaluate(FORGET_SCRIPTING)
    expect(page.get_by_role("button", name="More rows")).to_be_hidden()  # it would send what is drawn so far


@pytest.mark.parametrize("width", [360, 1440])
def test_the_numbers_of_a_box_on_a_large_picture_are_seen_whole(visit, make_project, join, worker, width):
    project = make_project("Large", images={"l.png": pictured(4000, 3000)}, categories=["thing"], questions=[QUESTION])
    join(project, worker)
    page = opened(visit, project, worker, width=width, touch=width == 360)
    many = (
        "e => e.dispatchEvent(new CustomEvent('set-boxes', { detail: Array(20).fill({ category: 'thing', box: %s }) }))"
    )
    page.locator("[data-boxes]").evaluate(many % [1234.56, 1345.67, 2000.88, 1000.04])
    quiet(page)
    cut = """(inputs) => inputs.filter((input) => {
      const text = document.createElement('span');
      const { fontFamily, fontSize, fontVariantNumeric, paddingLeft, paddingRight } = getComputedStyle(input);
      Object.assign(text.style, { fontFamily, fontSize, fontVariantNumeric, position: 'fixed' });
      text.textContent = input.value;
      document.body.append(text);
      const room = input.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
      return text.getBoundingClientRect().width > room;
    }).map(({ value }) => value)"""
    assert page.locator(".box-table tbody tr:first-child input").evaluate_all(cut) == []
    sizes = "(fields) => fields.map((field) => parseFloat(getComputedStyle(field).fontSize))"
    fields = page.locator(".box-table tbody tr:first-child :is(input, select)").evaluate_all(sizes)
    assert width > 360 or min(fields) >= 16  # below it, Safari on a phone zooms the page into the field


def test_a_box_too_small_to_see_is_refused(visit, red_project, worker):
    page = opened(visit, red_project, worker)
    drag(page, (300, 300), (305, 303))
    expect(page.locator("#toasts")).to_contain_text("too small")
    assert boxes(page) == []


def test_boxes_are_typed_without_javascript(visit, red_project, worker):
    page = visit(f"/label/{red_project.slug}/", user=worker, script=False)
    for side, value in zip(("x", "y", "Width", "Height"), RED, strict=True):
        page.get_by_label(f"Box 1: {side}", exact=True).fill(str(value))
    page.get_by_role("button", name="More rows").click()
    expect(page.get_by_label("Box 1: Width", exact=True)).to_have_value("96")
    page.get_by_role("button", name="Send").click()
    assert stored(red_project, 1)[0].answers == {"boxes": [{"category": "thing", "box": [float(n) for n in RED]}]}


def test_nothing_can_be_drawn_or_sent_before_the_image_has_loaded(visit, red_project, worker):
    page = visit("/", user=worker, watch=False)
    page.route("**/media/**", lambda route: route.abort())
    page.goto(f"/label/{red_project.slug}/")
    ready(page)
    drag(page, (300, 300), (400, 400))
    assert boxes(page) == []
    page.locator("label.choice", has_text="There is none").click()
    page.evaluate("document.getElementById('toasts').replaceChildren()")  # what was said when it did not come
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#toasts")).to_contain_text("not load")
    assert page.evaluate("localStorage.length") == 0
    assert red_project.tasks.get().judgment_count == 0


WATCH_BOXES = """
window.touched = 0;
new MutationObserver((records) => {
  window.touched += records.length;
}).observe(document.querySelector(".boxes-canvas"), { subtree: true, childList: true, attributes: true });
"""


def test_three_hundred_boxes_are_drawn_and_dragged_without_a_pause(visit, red_project, worker):
    """No limit on the time that a machine takes, but while the pointer moves no other box is touched."""
    page = opened(visit, red_project, worker)
    many = [{"category": "thing", "box": [20 * (n % 45), 25 * (n // 45), 18, 20]} for n in range(300)]
    page.evaluate(
        "boxes => document.querySelector('[data-boxes]').dispatchEvent(new CustomEvent('set-boxes', {detail: boxes}))",
        many,
    )
    drawn_boxes(page, 300)
    page.evaluate(WATCH_BOXES)
    page.mouse.move(400, 700)
    page.mouse.down()
    page.mouse.move(600, 760, steps=20)
    painted(page)
    assert page.evaluate("window.touched") == 0
    page.mouse.up()
    drawn_boxes(page, 301)
