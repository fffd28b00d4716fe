"""What a body may hold: JSON can write texts and numbers that no database keeps."""

from __future__ import annotations

from typing import Any

import pytest

from labeling.text import bodies


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": [1, 2.5, "\\u00e9", null]}', {"a": [1, 2.5, "é", None]}),
        (b'"\\ud83d\\ude00"', "😀"),  # a whole pair
        (b'"\\\\u0000 and \\\\ud800"', "\\u0000 and \\ud800"),  # a backslash, and letters after it
        (b"1e308", 1e308),
    ],
)
def test_json_is_read_as_it_is(text: bytes, value: Any) -> None:
    assert bodies.loads(text) == value


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"name": "a\\u0000"}', "name"),
        ('{"name": "a", "answers": {"q": [{"x": "\\uD800"}]}}', "answers"),
        ('{"answers": {"\\udfff": 1}}', "answers"),
        ('{"\\u0000": 1}', ""),
        ('["\\udc00\\ud800"]', ""),
    ],
)
def test_a_text_that_cannot_be_stored_is_refused_by_its_field(text: str, field: str) -> None:
    with pytest.raises(bodies.Unstorable) as refused:
        bodies.loads(text)
    assert refused.value.field == field


@pytest.mark.parametrize("text", [b"1e400", b"[-1e999]", b"NaN", b"Infinity", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_number_and_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        bodies.loads(text)
