"""JSON that is walked says what json.loads says of all of it, wherever the pieces end in which it comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from labeling.importing.known.walk import Walk

WHOLE = ' {"a" : [1, 23.5e-1, -0, "x\\"]\\u00e9", [], {"b": [true, null]}] ,"c":{"d":[NaN]}, "e":[ ], "f": 12.75 }\n'


def walked(text: str, size: int) -> dict[str, Any]:
    pieces = (text[start : start + size] for start in range(0, len(text), size))
    return {name: list(value) if isinstance(value, Iterator) else value for name, value in Walk(pieces)}


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_pieces_of_any_length_say_the_same(size):
    assert repr(walked(WHOLE, size)) == repr(json.loads(WHOLE))
    assert walked("[1, 20]", size) == {"": [1, 20]}
    assert walked("1.5", size) == {"": 1.5}


def test_items_that_nobody_asks_for_are_passed_over():
    assert [name for name, _value in Walk(iter([WHOLE]))] == ["a", "c", "e", "f"]


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", 0),
        ("{", 1),
        ('{"a" 1}', 5),
        ('{"a": [1, 2,]}', 12),
        ('{"a": [1 2]}', 9),
        ('{"a": [1', 8),
        ('{"a": tru}', 6),
        ('{"a": 1} {', 9),
        ("{1: 2}", 3),
        ('{"a": "x', 6),
    ],
)
def test_where_it_is_no_json_is_told(text, place, size):
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    with pytest.raises(ValueError, match=rf": char {place}$"):
        walked(text, size)
