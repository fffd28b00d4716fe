"""Refusals carry what is wrong with each field in one shape."""

from __future__ import annotations

from labeling.errors import CrowdtuneError


def test_what_is_wrong_with_a_field_is_a_list_and_which_of_many_a_number() -> None:
    refusal = CrowdtuneError("invalid", "Four are wrong.", fields={"a": "Long.", "b": [], "c": ["Old."], "image": 2})
    assert refusal.fields == {"a": ["Long."], "b": ["Four are wrong."], "c": ["Old."], "image": 2}
