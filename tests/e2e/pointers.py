"""What a mouse and fingers do on a page, as the browser's own input."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import Locator, Page

from tests.e2e.conftest import painted


def drag(page: Page, start: tuple[float, float], end: tuple[float, float], steps: int = 4) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=steps)
    page.mouse.up()
    painted(page)


def handle(page: Page, name: str) -> tuple[float, float]:
    """The middle of a handle of the selected box, in CSS pixels of the window."""
    place = page.locator(f"[data-handle={name}]").bounding_box()
    assert place is not None
    return place["x"] + place["width"] / 2, place["y"] + place["height"] / 2


def touch(page: Page, points: list[tuple[float, float]]) -> None:
    """One finger along the points, as the browser's own input."""
    session = page.context.new_cdp_session(page)
    for index, (x, y) in enumerate(points):
        kind = "touchStart" if index == 0 else "touchMove"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    painted(page)


def drop(page: Page, path: Path, target: Locator) -> None:
    """A file or a folder from outside the browser, dropped in the middle of what is there."""
    target.scroll_into_view_if_needed()
    place = target.bounding_box()
    assert place is not None
    session = page.context.new_cdp_session(page)
    at = {"x": place["x"] + place["width"] / 2, "y": place["y"] + place["height"] / 2}
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})


def twice(page: Page, x: float, y: float, *, touch: bool) -> None:
    """A double click, or a double tap, of which the page is slow to hear the second half."""
    session = page.context.new_cdp_session(page)
    at, made = {"x": x, "y": y}, time.time()
    for click in (1, 2):
        for down in (True, False):
            made += 0.05
            if touch:
                kind, more = ("touchStart", [at]) if down else ("touchEnd", [])
                session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": more, "timestamp": made})
            else:
                kind = "mousePressed" if down else "mouseReleased"
                event = {"type": kind, **at, "button": "left", "clickCount": click, "timestamp": made}
                session.send("Input.dispatchMouseEvent", event)
        page.wait_for_timeout(500)


def pinch(page: Page, x: float, y: float, start: float, end: float) -> None:
    """Two fingers apart about a point."""
    session = page.context.new_cdp_session(page)

    def fingers(apart: float) -> list[dict[str, float]]:
        return [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]

    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": fingers(start)[:1]})
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": fingers(start)})
    for step in range(1, 9):
        apart = start + (end - start) * step / 8
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": fingers(apart)})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
