"""Splits by hash, figures by hand, calibration and its intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn.metrics import f1_score, log_loss, top_k_accuracy_score

from tests.training.learning.conftest import sha
from training.learning.calibrate import reliability, temperature
from training.learning.heads.dense import softmax
from training.learning.metrics import bootstrap, evaluate, interval
from training.learning.split import split_of


def test_a_split_depends_on_the_picture_alone_and_has_the_promised_shares() -> None:
    splits = [split_of(sha(i)) for i in range(20_000)]
    assert splits == [split_of(sha(i)) for i in range(20_000)]
    assert splits.count("train") / 20_000 == pytest.approx(0.70, abs=0.015)
    assert splits.count("validation") / 20_000 == pytest.approx(0.15, abs=0.01)
    assert splits.count("test") / 20_000 == pytest.approx(0.15, abs=0.01)


def test_figures_by_hand() -> None:
    probabilities = np.array([[0.8, 0.2, 0.0, 0], [0.6, 0.4, 0.0, 0], [0.1, 0.7, 0.2, 0], [0.3, 0.3, 0.4, 0]])
    figures = evaluate(probabilities, np.array([0, 1, 1, 2]), ["a", "b", "c", "never seen"])
    assert (figures["count"], figures["top1"], figures["top1_error"]) == (4, 0.75, 0.25)
    assert (figures["top5"], figures["top5_error"]) == (1.0, 0.0)
    assert figures["confusion"] == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert figures["per_class"]["never seen"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "count": 0}
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3), "of what was there to be found"
    assert figures["per_class"]["a"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "count": 1}
    assert figures["loss"] == pytest.approx(-np.log([0.8, 0.4, 0.7, 0.4]).mean())


def test_figures_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probabilities, labels = softmax(rng.normal(size=(300, 9))), rng.integers(0, 9, 300)
    figures = evaluate(probabilities, labels, list("abcdefghi"))
    assert figures["loss"] == pytest.approx(log_loss(labels, probabilities, labels=range(9)))
    assert figures["top5"] == pytest.approx(top_k_accuracy_score(labels, probabilities, k=5))
    assert figures["macro_f1"] == pytest.approx(f1_score(labels, probabilities.argmax(axis=1), average="macro"))


def test_nothing_to_measure_gives_no_numbers() -> None:
    figures = evaluate(np.empty((0, 2)), np.empty(0, int), ["a", "b"])
    assert figures["count"] == 0
    assert figures["top1"] is None


@pytest.mark.parametrize(("right", "n"), [(0, 1), (5, 5), (9, 10), (64, 97), (1999, 2000)])
def test_the_interval_of_an_accuracy_is_that_of_scipy(right: int, n: int) -> None:
    theirs = binomtest(right, n).proportion_ci(method="wilson")
    ours = interval(np.arange(n) < right)
    assert ours == pytest.approx([theirs.low, theirs.high], abs=1e-9)
    assert interval(np.arange(n) < right, np.arange(n)) == pytest.approx(ours, rel=2 / n if n > 1 else 1e-9)


def test_copies_of_pictures_tell_no_more_than_the_pictures() -> None:
    rng = np.random.default_rng(0)
    right, gain, of = rng.random(40) < 0.8, rng.normal(0.1, 1, 40), np.repeat(np.arange(40), 10)
    single = interval(right)
    assert interval(np.repeat(right, 10), of) == pytest.approx(single, abs=0.01)
    assert interval(np.repeat(right, 10)) != pytest.approx(single, abs=0.05)
    assert interval(np.ones(400, bool), of) == pytest.approx(interval(np.ones(40, bool)))
    assert interval(np.arange(10) < 3, np.zeros(10)) == pytest.approx([0.02, 0.90], abs=0.01)  # of one
    assert bootstrap(np.repeat(gain, 10), groups=of) == pytest.approx(bootstrap(gain))


def test_the_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    for n, truth in ((150, 0.8), (10, 0.95)):  # of ten pictures that are all right, resampling knows no other
        covered = [low <= truth <= high for low, high in (interval(rng.random(n) < truth) for _ in range(500))]
        assert np.mean(covered) > 0.9
    for n in (6, 10, 150):
        sides = [bootstrap(rng.gamma(1, 1, n) - rng.gamma(1, 1, n), seed=seed) for seed in range(500)]
        assert 0.92 < np.mean([low <= 0 <= high for low, high in sides]) < 0.99


def test_weighted_pictures_are_as_many_pictures() -> None:
    values = np.random.default_rng(0).normal(size=200)
    weights = np.where(np.arange(200) < 100, 3.0, 1.0)
    low, high = bootstrap(values, weights)
    mean = np.average(values, weights=weights)
    spread = np.sqrt((weights**2 * (values - mean) ** 2).sum()) / weights.sum()  # of a ratio, by its derivatives
    assert [low, high] == pytest.approx([mean - 1.96 * spread, mean + 1.96 * spread], abs=0.02)


def test_temperature_finds_the_one_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 4)) * 2
    true = softmax(logits)
    labels = (true.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert temperature(logits * 3, np.eye(4)[labels]) == pytest.approx(3.0, rel=0.05)
    assert temperature(logits / 2, np.eye(4)[labels]) == pytest.approx(0.5, rel=0.05)
    assert temperature(np.empty((0, 4)), np.empty((0, 4))) == 1.0
    assert temperature(np.ones((5, 4)), np.eye(4)[[0, 1, 2, 3, 0]]) == 1.0


def test_a_few_pictures_that_are_all_right_do_not_ask_for_certainty() -> None:
    logits = np.array([[2.0, 0], [0, 3], [1, 0]])
    found = temperature(logits, np.eye(2)[[0, 1, 0]])

    def doubt(log_t: float) -> float:
        """Cross-entropy, and a belief in 1 that five pictures are worth."""
        return -np.log(softmax(logits / np.exp(log_t))[range(3), [0, 1, 0]]).sum() + 5 * log_t**2 / 2

    assert np.log(found) == pytest.approx(minimize_scalar(doubt, bounds=(-3, 3), method="bounded").x, abs=1e-3)


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10)
    labels = np.array([0] * 9 + [1] + [0] * 3 + [1] * 7)
    error, bars = reliability(probabilities, labels)
    assert error == pytest.approx(0.5 * 0.0 + 0.5 * 0.3)
    assert [bar["count"] for bar in bars] == [10, 10]
    assert [(bar["low"], bar["high"]) for bar in bars] == [(9 / 15, 10 / 15), (13 / 15, 14 / 15)]
    assert [bar["accuracy"] for bar in bars] == pytest.approx([0.3, 0.9])
    assert reliability(np.eye(2), np.array([0, 1]))[1][0]["high"] == 1, "the surest have a bar, too"
