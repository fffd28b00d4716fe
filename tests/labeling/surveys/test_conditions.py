"""Whether a question is asked, of the answers before it."""

from __future__ import annotations

from typing import Any

import pytest

from labeling.surveys import conditions


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
