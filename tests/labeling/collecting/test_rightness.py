"""How an answer compares with what is known."""

from __future__ import annotations

from typing import Any

import pytest

from labeling.collecting.rightness import is_right, matches
from labeling.questions import CANT_TELL
from labeling.questions.text import KnownText


def box(x: float, y: float, category: str = "cat", size: float = 10) -> dict[str, Any]:
    return {"category": category, "box": [x, y, size, size]}


ONE, OTHER = box(0, 0), box(40, 40)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ([OTHER, ONE], True),
        ([box(3, 0), OTHER], True),  # 7 of 13 are shared
        ([box(4, 0), OTHER], False),  # 6 of 14
        ([box(20, 0), OTHER], False),
        ([ONE, ONE], False),
        ([ONE], False),
        ([ONE, OTHER, box(80, 80)], False),
        ([box(0, 0, "dog"), OTHER], False),
        (CANT_TELL, False),
        (None, False),
    ],
)
def test_boxes_are_right_when_each_has_a_partner_and_none_is_left_over(given: Any, right: bool) -> None:
    assert matches(given, [ONE, OTHER]) is right


@pytest.mark.parametrize(
    ("given", "known", "right"),
    [
        (["b", "a"], ["a", "b"], True), (["a"], ["a", "b"], False), ([], [], True), (None, [], False),
        ("a", ["a"], False), (True, True, True), (1, True, False), (1, 1, True), (None, "cat", False),
        ("cat", "cat", True), (4, 5, False), (100, 104.0, True), (94.9, 100.0, False), (3, 3.0, True),
        (True, 1.0, False), (CANT_TELL, 1.0, False), (None, 0.0, False), ("Cat", "cat", False),
        (" CAFE\u0301  au lait", KnownText("Café au lait"), True), ("cafe", KnownText("café"), False),
        (None, KnownText("none"), False),
    ],
)  # fmt: skip
def test_other_answers_are_right_when_they_are_the_same(given: Any, known: Any, right: bool) -> None:
    assert matches(given, known) is right


def test_no_box_is_the_partner_of_two() -> None:
    close = [ONE, box(1, 0)]
    assert matches(close, close)
    assert not matches([ONE, OTHER], close)


def test_questions_without_a_known_answer_do_not_count() -> None:
    assert is_right({"animal": "cat", "note": "x"}, {"animal": "cat"})
    assert not is_right({"note": "x"}, {"animal": "cat"})
    assert is_right({}, {})
