"""Splits by hash, figures by hand, calibration and its intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import f1_score, log_loss, top_k_accuracy_score

from tests.training.learning.conftest import sha
from training.learning.calibrate import reliability, temperature
from training.learning.dense import softmax
from training.learning.metrics import bootstrap, compare, evaluate
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


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        low, high = bootstrap(rng.random(150) < 0.8, seed=seed)
        covered += low <= 0.8 <= high
    assert covered / 200 > 0.88
    right = rng.random(150) < 0.8
    assert bootstrap(right.astype(float)) == pytest.approx(bootstrap(right), abs=0.02)


def test_a_better_model_is_told_from_noise() -> None:
    labels = np.zeros(400, int)
    right, wrong = np.array([0.9, 0.1]), np.array([0.1, 0.9])
    old = np.where((np.arange(400) < 300)[:, None], right, wrong)
    better = np.where((np.arange(400) < 340)[:, None], right, wrong)
    nearly = np.where((np.arange(400) < 302)[:, None], right, wrong)
    assert compare(better, old, labels)["better"]
    assert compare(old, better, labels)["worse"]
    found = compare(nearly, old, labels)
    assert not found["better"]
    assert (found["wins"], found["losses"]) == (2, 0)
    assert found["difference"] == pytest.approx(2 / 400)
    assert not compare(old, old, labels)["better"]
    nothing = compare(old[:0], old[:0], labels[:0])
    assert nothing == {**found, "difference": 0.0, "interval": [0.0, 0.0], "wins": 0, "losses": 0, "count": 0}


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
