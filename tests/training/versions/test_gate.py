"""Champion or challenger: what is better beyond chance."""

from __future__ import annotations

import numpy as np
import pytest

from training.versions.gate import first_verdict, log_losses, nothing_left, verdict


def test_a_first_model_better_than_the_largest_class_becomes_champion() -> None:
    truth = np.array([0] * 6 + [1] * 4)

    assert first_verdict(right=np.array([True] * 7 + [False] * 3), truth=truth).alias == "champion"
    assert first_verdict(right=np.array([True] * 6 + [False] * 4), truth=truth).alias == "challenger"


def test_where_one_category_alone_is_held_out_it_is_not_the_model_that_is_blamed() -> None:
    decided = first_verdict(right=np.array([True] * 12), truth=np.zeros(12, int))

    assert decided.alias == "challenger"
    assert decided.reason.startswith("All held-out images show one category, so nothing tells whether it knows another")


def test_better_beyond_chance_becomes_champion() -> None:
    champion = np.array([True] * 50 + [False] * 50)
    right = np.array([True] * 70 + [False] * 30)

    decided = verdict(right=right, champion_right=champion, champion="version 1")

    assert decided.alias == "champion"
    assert decided.low is not None
    assert decided.low > 0
    assert "70.0 % against 50.0 % of version 1" in decided.reason


def test_better_by_one_image_of_a_hundred_stays_challenger() -> None:
    champion = np.array([True] * 50 + [False] * 50)
    right = np.array([True] * 51 + [False] * 49)

    decided = verdict(right=right, champion_right=champion, champion="version 1")

    assert decided.alias == "challenger"
    assert "may be chance" in decided.reason


def test_worse_stays_challenger() -> None:
    champion = np.array([True] * 80 + [False] * 20)

    assert verdict(right=~champion, champion_right=champion, champion="version 1").alias == "challenger"


def test_as_often_right_is_not_called_better() -> None:
    right = np.array([True] * 80 + [False] * 20)

    decided = verdict(right=right, champion_right=right[::-1], champion="version 1")

    assert decided.alias == "challenger"
    assert decided.reason.startswith("Not better")


def test_the_same_answers_give_the_same_verdict() -> None:
    right, champion = np.array([True, False, True, True]), np.array([False, True, False, True])

    first = verdict(right=right, champion_right=champion, champion="version 1", seed=3)

    assert first == verdict(right=right, champion_right=champion, champion="version 1", seed=3)


def test_as_right_but_surer_beyond_chance_becomes_champion() -> None:
    rng = np.random.default_rng(0)
    right = rng.uniform(size=120) < 0.9
    worn = rng.normal(0.6, 0.2, 120).clip(0.05)

    decided = verdict(right=right, champion_right=right, champion="version 1", losses=worn * 0.6, champion_losses=worn)

    assert decided.alias == "champion"
    told, figures = decided.reason.split("\n")
    assert told == "Better than version 1: it is surer of what is right, by more than chance."
    assert "Log loss, which is small where the right answer was given a high chance: 0." in figures


def test_surer_by_chance_stays_challenger() -> None:
    rng = np.random.default_rng(0)
    right = rng.uniform(size=120) < 0.9
    losses = rng.normal(0.6, 0.2, 120).clip(0.05)

    decided = verdict(
        right=right, champion_right=right, champion="version 1", losses=losses,
        champion_losses=losses + rng.normal(0, 0.3, 120),
    )  # fmt: skip

    assert decided.alias == "challenger"


def test_surer_but_less_often_right_beyond_chance_stays_challenger() -> None:
    champion = np.array([True] * 95 + [False] * 5)
    right = np.array([True] * 70 + [False] * 30)

    decided = verdict(
        right=right, champion_right=champion, champion="version 1",
        losses=np.full(100, 0.2), champion_losses=np.full(100, 0.9),
    )  # fmt: skip

    assert decided.alias == "challenger"


def test_the_log_loss_is_cross_entropy_with_a_floor() -> None:
    probabilities = np.array([[0.5, 0.5], [0.0, 1.0]])
    targets = np.array([[0.5, 0.5], [1.0, 0.0]])

    assert log_losses(probabilities, targets) == pytest.approx([np.log(2), -np.log(0.01)])


@pytest.mark.parametrize(("count", "alias"), [(5, "challenger"), (6, "champion")])
def test_on_a_handful_of_images_nothing_is_beyond_chance(count: int, alias: str) -> None:
    all_right, all_wrong = np.ones(count, bool), np.zeros(count, bool)
    losses = {"losses": np.full(count, 0.2), "champion_losses": np.linspace(0.5, 0.9, count)}

    assert verdict(right=all_right, champion_right=all_wrong, champion="version 1").alias == alias
    assert verdict(right=all_right, champion_right=all_right, champion="version 1", **losses).alias == alias


def test_where_no_image_is_left_to_compare_on_a_person_decides() -> None:
    decided = nothing_left(champion="version 1", right=np.array([True, True, True, False]))

    assert decided.alias == "challenger"
    assert "75.0 % on 4" in decided.reason


def test_copies_of_one_image_are_one_witness() -> None:
    right, champion = np.ones(60, bool), np.zeros(60, bool)
    losses = {"losses": np.full(60, 0.2), "champion_losses": np.full(60, 0.5)}

    for copies, alias in ((10, "champion"), (12, "challenger")):  # of six images, and of five
        of = np.arange(60) // copies
        assert verdict(right=right, champion_right=champion, champion="x", groups=of).alias == alias
        assert verdict(right=right, champion_right=right, champion="x", groups=of, **losses).alias == alias


def test_the_reason_says_where_images_do_not_count_alike() -> None:
    right, champion = np.arange(100) < 90, np.arange(100) < 80
    weights = np.where(np.arange(100) < 50, 1.5, 0.5)

    decided = verdict(right=right, champion_right=champion, champion="version 1", weights=weights)

    told, figures = decided.reason.split("\n")
    assert "%" not in told
    assert figures.startswith("Accuracy 95.0 % against 90.0 % of version 1")
    assert "count here as much as they do among its own held-out ones" in figures
    assert decided.difference == pytest.approx(0.05)
