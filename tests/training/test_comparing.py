"""Where a new version and the champion meet, and in what order their answers stand."""

from __future__ import annotations

import numpy as np

from training.comparing import in_order


def test_columns_follow_the_wanted_order() -> None:
    said = np.array([[0.1, 0.2, 0.7]])

    assert in_order(said, ["cat", "dog", "fox"], ["fox", "cat", "dog"]).tolist() == [[0.7, 0.1, 0.2]]


def test_a_category_that_the_version_does_not_know_has_no_probability() -> None:
    said = np.array([[0.4, 0.6]])

    assert in_order(said, ["cat", "dog"], ["cat", "yak", "dog"]).tolist() == [[0.4, 0.0, 0.6]]
