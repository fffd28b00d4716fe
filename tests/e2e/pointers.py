"""What a mouse and fingers do on a page, as the browser's own input."""

from __future__ import annotations

from playwright.sync_api import Page

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
