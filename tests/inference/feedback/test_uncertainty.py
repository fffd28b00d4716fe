"""The measures of not knowing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.feedback.uncertainty import entropy, margin, uncertainty


def test_certainty_is_zero_and_knowing_nothing_is_one() -> None:
    rows = np.array([[1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    np.testing.assert_allclose(uncertainty(rows), [0.0, 1.0], atol=1e-9)


def test_a_case_by_hand() -> None:
    row = np.array([[0.5, 0.5, 0.0, 0.0]])
    assert entropy(row)[0] == pytest.approx(0.5)  # log 2 / log 4
    assert margin(row)[0] == 0.0
    assert uncertainty(row)[0] == pytest.approx(0.75)


def test_one_category_leaves_nothing_to_doubt() -> None:
    assert uncertainty(np.ones((3, 1))).tolist() == [0.0, 0.0, 0.0]


@given(st.lists(st.lists(st.floats(0.001, 1), min_size=3, max_size=3), min_size=1, max_size=20))
def test_every_measure_stays_in_range_and_ignores_the_order_of_classes(raw: list[list[float]]) -> None:
    rows = np.array(raw) / np.array(raw).sum(axis=1, keepdims=True)
    value = uncertainty(rows)
    assert ((value >= 0) & (value <= 1)).all()
    np.testing.assert_allclose(value, uncertainty(rows[:, ::-1]), atol=1e-9)
