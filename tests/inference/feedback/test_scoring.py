"""Which images come next."""

from __future__ import annotations

import numpy as np

from inference.feedback.scoring import NOVEL, RANDOM, UNCERTAIN, Scores, choose, farthest_first, joined, score


def pool(n: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([0.5] * 4, n)
    points = rng.normal(size=(n, 8)).astype(np.float32)
    return score(probabilities, rng.uniform(0, 1, n)), lambda index: points[index]


def test_the_share_of_random_images_is_what_was_asked_for_and_spread_evenly() -> None:
    scores, points = pool(5000)
    choice = choose(scores, points, count=200, random_share=0.2, seed=1)
    random = choice.reason == RANDOM
    assert random.sum() == 40
    # In each fifth of the order, about a fifth of them: none is pushed to the end.
    assert [int(part.sum()) for part in np.array_split(random, 5)] == [8, 8, 8, 8, 8]


def test_no_image_is_chosen_twice_and_priorities_fall() -> None:
    scores, points = pool(1000)
    choice = choose(scores, points, count=300, random_share=0.2, seed=2)
    assert len(set(choice.index.tolist())) == len(choice.index) == 300
    assert (np.diff(choice.priority) < 0).all()
    assert choice.priority.min() > 1.0
    assert choice.priority.max() <= 2.0


def test_the_chosen_are_more_uncertain_than_the_pool() -> None:
    scores, points = pool(5000)
    choice = choose(scores, points, count=100, random_share=0.2, seed=3)
    picked = choice.index[choice.reason != RANDOM]
    assert scores.uncertainty[picked].min() > np.median(scores.uncertainty)


def test_ten_copies_of_one_image_do_not_take_ten_places() -> None:
    points = np.repeat(np.eye(5, dtype=np.float32), 10, axis=0)
    order = farthest_first(points, np.ones(50, np.float32), 5)
    assert sorted(order // 10) == [0, 1, 2, 3, 4]


def test_an_image_far_from_training_is_worth_more_than_a_near_one_that_is_as_unsure() -> None:
    scores = Scores(
        np.zeros(2, np.int32), np.ones(2, np.float32), np.full(2, 0.3, np.float32), np.array([0.5, 3.0], np.float32)
    )
    near, far = scores.value
    assert far > near
    choice = choose(scores, lambda index: np.eye(2, dtype=np.float32)[index], count=2, random_share=0.0, seed=0)
    assert choice.index.tolist() == [1, 0]
    assert choice.reason.tolist() == [NOVEL, UNCERTAIN]


def test_a_small_pool_is_chosen_whole() -> None:
    scores, points = pool(3)
    choice = choose(scores, points, count=10, random_share=0.2, seed=0)
    assert sorted(choice.index.tolist()) == [0, 1, 2]


def test_an_empty_pool_gives_an_empty_choice() -> None:
    scores, points = pool(5)
    empty = Scores(*(getattr(scores, name)[:0] for name in ("category", "probability", "uncertainty", "novelty")))
    assert len(choose(empty, points, count=10, random_share=0.2, seed=0).index) == 0


def test_the_same_seed_gives_the_same_choice_and_parts_join_to_the_whole() -> None:
    scores, points = pool(400)
    one = choose(scores, points, count=50, random_share=0.2, seed=9)
    two = choose(scores, points, count=50, random_share=0.2, seed=9)
    assert one.index.tolist() == two.index.tolist()
    assert len(joined([scores, scores])) == 800
