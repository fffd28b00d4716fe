"""Whether a question is asked, of the answers before it."""

from __future__ import annotations

from typing import Any

import pytest

from labeling.questions import BadAnswer, conditions


def nested(depth: int) -> Any:
    return {"not": nested(depth - 1)} if depth else {"question": "seen", "answered": True}


@pytest.mark.parametrize(
    "condition",
    [
        {"question": "seen", "equals": "cat"},
        {"question": "seen", "in": ["cat", "dog"]},
        {"question": "seen", "at_least": 2.5},
        {"all": [{"question": "seen", "at_most": 3}, {"any": [{"question": "size", "answered": False}]}]},
        nested(8),
    ],
)
def test_a_condition_on_earlier_questions_is_taken(condition: Any) -> None:
    conditions.check(condition, {"seen", "size"})


@pytest.mark.parametrize(
    "condition",
    [
        "seen",
        ["seen"],
        {},
        {"question": "seen"},
        {"question": "later", "answered": True},
        {"question": "seen", "equals": 1, "in": [1]},
        {"question": "seen", "in": "cat"},
        {"question": "seen", "at_least": "three"},
        {"question": "seen", "at_most": True},
        {"all": []},
        {"any": "seen"},
        {"not": "seen"},
        nested(9),
    ],
)
def test_what_is_no_condition_on_earlier_questions_is_refused_in_words(condition: Any) -> None:
    with pytest.raises(BadAnswer) as refused:
        conditions.check(condition, {"seen", "size"})
    assert 0 < len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("test", "said", "answer", "holds"),
    [
        ("equals", ["dog", "cat"], ["cat", "dog"], True),
        ("equals", ["dog", "cat"], ["cat", "dog", "horse"], False),
        ("equals", ["dog", "cat"], ["cat"], False),
        ("in", [["dog", "cat"], ["horse"]], ["cat", "dog"], True),
        ("in", [["dog", "cat"], ["horse"]], ["cat"], False),
        ("equals", [], [], True),
        ("equals", True, 1, False),
    ],
)
def test_of_several_choices_none_is_the_first(test: str, said: Any, answer: Any, *, holds: bool) -> None:
    assert conditions.holds({"question": "seen", test: said}, {"seen": answer}) is holds


def test_conditions_are_joined_as_they_say() -> None:
    cat, many = {"question": "seen", "equals": "cat"}, {"question": "legs", "at_least": 5}
    said = {"seen": "cat", "legs": 4}
    assert conditions.holds({"not": many}, said)
    assert not conditions.holds({"not": cat}, said)
    assert conditions.holds({"any": [many, cat]}, said)
    assert not conditions.holds({"all": [many, cat]}, said)
