"""A box no larger than a fingertip is moved and resized where it lies, without a closer look."""

# ruff: noqa: F811 - tests ask by its name for a fixture that is imported
from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.conftest import painted
from tests.e2e.pointers import drag, handle, touch
from tests.e2e.test_boxes import (
    HEIGHT,
    WIDTH,
    boxes,
    drawn_boxes,
    opened,
    red_project,  # noqa: F401 - a fixture
    width_of,
)

SIDE = 24  # CSS pixels
LEFT, TOP = 400, 300  # in natural pixels, clear of the edges
CORNERS = {"nw": (-1, -1), "ne": (1, -1), "se": (1, 1), "sw": (-1, 1)}


def small(page: Page, left: float, top: float, side: int = SIDE) -> tuple[float, float, float]:
    """Show and select one box of so many CSS pixels; its middle in the window, and natural pixels for one of CSS."""
    unit = WIDTH / width_of(page)
    one = [{"category": "thing", "box": [left, top, side * unit, side * unit]}]
    page.locator("[data-boxes]").evaluate("(e, detail) => e.dispatchEvent(new CustomEvent('set-boxes', {detail}))", one)
    drawn_boxes(page, 1)
    page.keyboard.press(".")
    painted(page)
    place = page.locator("#image").bounding_box()
    assert place is not None
    return place["x"] + left / unit + side / 2, place["y"] + top / unit + side / 2, unit


def pull(page: Page, finger: bool, start: tuple[float, float], by: tuple[int, int]) -> list[float]:
    end = (start[0] + by[0], start[1] + by[1])
    if finger:
        touch(page, [start, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2), end])
    else:
        drag(page, start, end)
    return drawn_boxes(page, 1)[0]["box"]


@pytest.fixture(params=["finger", "mouse"])
def way(request: pytest.FixtureRequest, visit: Any, red_project: Any, worker: Any) -> tuple[Page, bool]:
    finger = request.param == "finger"
    return opened(visit, red_project, worker, touch=finger, width=360 if finger else 1440), finger


@pytest.mark.parametrize("side", [SIDE, 37])
def test_a_small_box_is_moved_by_its_middle_and_resized_by_each_corner(way, side):
    page, finger = way
    near = 10 if finger else 4  # so far beside the middle somebody may touch it
    for aside in ((0, 0), (-near, near)):
        x, y, unit = small(page, LEFT, TOP, side)
        box = pull(page, finger, (x + aside[0], y + aside[1]), (40, 30))
        assert box == pytest.approx([LEFT + 40 * unit, TOP + 30 * unit, side * unit, side * unit], abs=0.5)
    for name, (across, down) in CORNERS.items():
        small(page, LEFT, TOP, side)
        box = pull(page, finger, handle(page, name), (across * 12, down * 16))
        corner = [LEFT - 12 * unit * (across < 0), TOP - 16 * unit * (down < 0)]
        assert box == pytest.approx([*corner, (side + 12) * unit, (side + 16) * unit], abs=0.5), name


def test_a_small_box_at_an_edge_keeps_handles_that_can_be_reached(way):
    page, finger = way
    stage = page.locator("#stage").bounding_box()
    unit = WIDTH / width_of(page)
    for left, top in ((0, TOP), (WIDTH - SIDE * unit, TOP), (LEFT, 0), (LEFT, HEIGHT - SIDE * unit)):
        for name, (across, down) in CORNERS.items():
            x, y, unit = small(page, left, top)
            at = handle(page, name)
            assert stage["x"] <= at[0] <= stage["x"] + stage["width"]
            assert stage["y"] <= at[1] <= stage["y"] + stage["height"]
            inside = (at[0] - across, at[1] - down)
            box = pull(page, finger, inside, (-across * 8, -down * 8))
            assert box[2:] == pytest.approx([(SIDE - 8) * unit] * 2, abs=0.5), name
        x, y, unit = small(page, left, top)
        pull(page, finger, (x, y), (40 if left == 0 else -40, 0))
        assert boxes(page)[0]["box"][2:] == pytest.approx([SIDE * unit] * 2, abs=0.01)
