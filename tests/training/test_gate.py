from __future__ import annotations

import numpy as np

from training.gate import first_verdict, verdict


def test_a_first_model_better_than_the_largest_class_becomes_champion() -> None:
    truth = np.array([0] * 6 + [1] * 4)

    assert first_verdict(right=np.array([True] * 7 + [False] * 3), truth=truth, n_classes=2).alias == "champion"
    assert first_verdict(right=np.array([True] * 6 + [False] * 4), truth=truth, n_classes=2).alias == "challenger"


def test_better_beyond_chance_becomes_champion() -> None:
    champion = np.array([True] * 50 + [False] * 50)
    right = np.array([True] * 70 + [False] * 30)

    decided = verdict(right=right, champion_right=champion, champion="version 1")

    assert decided.alias == "champion"
    assert decided.low is not None
    assert decided.low > 0
    assert "0.700 against 0.500 of version 1" in decided.reason


def test_better_by_one_image_of_a_hundred_stays_challenger() -> None:
    champion = np.array([True] * 50 + [False] * 50)
    right = np.array([True] * 51 + [False] * 49)

    decided = verdict(right=right, champion_right=champion, champion="version 1")

    assert decided.alias == "challenger"
    assert "may be chance" in decided.reason


def test_worse_stays_challenger() -> None:
    champion = np.array([True] * 80 + [False] * 20)

    assert verdict(right=~champion, champion_right=champion, champion="version 1").alias == "challenger"


def test_the_same_answers_give_the_same_verdict() -> None:
    right, champion = np.array([True, False, True, True]), np.array([False, True, False, True])

    first = verdict(right=right, champion_right=champion, champion="version 1", seed=3)

    assert first == verdict(right=right, champion_right=champion, champion="version 1", seed=3)
