"""Ties between classes are drawn, so that no aggregation profits from the order of the classes."""

from __future__ import annotations

import numpy as np

from bench.crowd_to_model import CLASSES, hard


def test_a_winner_is_taken_and_a_tie_is_drawn_between_the_tied():
    clear, tied = np.full(CLASSES, 0.05), np.zeros(CLASSES)
    clear[7], tied[[2, 5]] = 0.55, 0.5
    posterior = np.array([clear] * 400 + [tied] * 400)

    chosen = hard(posterior, np.random.default_rng(0)).argmax(axis=1)

    assert set(chosen[:400]) == {7}
    assert set(chosen[400:]) == {2, 5}
    assert 150 < (chosen[400:] == 2).sum() < 250
