"""The demo's pictures: the same by the same seed, real JPEG, of every category, and told apart by their pixels."""

from __future__ import annotations

import numpy as np
import pytest

from config.demo.drawing import CATEGORIES, SIZE, draw_set, picture
from labeling.files.imaging import decode_rgb


def test_the_same_seed_draws_the_same_bytes():
    assert [d.data() for d in draw_set(3, seed=5)] == [d.data() for d in draw_set(3, seed=5)]
    assert draw_set(1, seed=5)[0].data() != draw_set(1, seed=6)[0].data()


def test_every_picture_passes_our_own_decoder_at_its_size():
    for drawn in draw_set(4):
        assert decode_rgb(drawn.data()).size == SIZE


def test_a_set_has_every_category_and_both_easy_and_hard_pictures():
    drawn = draw_set(40)
    assert {d.category for d in drawn} == set(CATEGORIES)
    assert min(d.difficulty for d in drawn) < 0.1
    assert max(d.difficulty for d in drawn) > 0.5


def test_file_names_do_not_give_the_answer_away():
    assert not any(category in drawn.name for drawn in draw_set(12) for category in CATEGORIES)


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_hard_picture_stands_out_less_from_its_water_than_a_clear_one(category):
    def contrast(difficulty: float) -> float:
        spreads = [
            np.asarray(picture(category, difficulty, np.random.default_rng(seed)), float)[90:270].std(axis=(0, 1)).sum()
            for seed in range(6)
        ]
        return float(np.mean(spreads))

    assert contrast(0.0) > contrast(1.0)
