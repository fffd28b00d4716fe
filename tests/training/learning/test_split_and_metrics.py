"""Splits by hash, figures by hand, calibration and its intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn.metrics import f1_score, log_loss, top_k_accuracy_score

from tests.training.learning.conftest import sha
from training.learning.calibrate import by_chance, reliability, temperature
from training.learning.heads.dense import softmax
from training.learning.metrics import MOST_CONFUSED, _macro, _per_class, bootstrap, evaluate, interval
from training.learning.split import split_of, stratified


def test_a_split_depends_on_the_picture_alone_and_has_the_promised_shares() -> None:
    splits = [split_of(sha(i)) for i in range(20_000)]
    assert splits == [split_of(sha(i)) for i in range(20_000)]
    assert splits.count("train") / 20_000 == pytest.approx(0.70, abs=0.015)
    assert splits.count("validation") / 20_000 == pytest.approx(0.15, abs=0.01)
    assert splits.count("test") / 20_000 == pytest.approx(0.15, abs=0.01)


def test_folds_share_the_pictures_also_where_classes_have_fewer_than_there_are_folds() -> None:
    folds = stratified(np.repeat(np.arange(60), 2), 5, np.random.default_rng(0))
    assert np.bincount(folds, minlength=5).tolist() == pytest.approx([24] * 5, abs=12)


def test_figures_by_hand() -> None:
    probabilities = np.array([[0.8, 0.2, 0.0, 0], [0.6, 0.4, 0.0, 0], [0.1, 0.7, 0.2, 0], [0.3, 0.3, 0.4, 0]])
    figures = evaluate(probabilities, np.array([0, 1, 1, 2]), ["a", "b", "c", "never seen"])
    assert (figures["count"], figures["top1"], figures["top1_error"]) == (4, 0.75, 0.25)
    assert (figures["top5"], figures["top5_error"]) == (1.0, 0.0)
    assert figures["confusion"] == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    unseen = figures["per_class"]["never seen"]
    assert [unseen[name] for name in ("precision", "recall", "f1", "count")] == [0.0, 0.0, 0.0, 0]
    assert [unseen[f"{name}_interval"] for name in ("precision", "recall", "f1")] == [None] * 3
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3), "of what was there to be found"
    row = figures["per_class"]["a"]
    assert [row[name] for name in ("precision", "recall", "f1", "count")] == [0.5, 1.0, pytest.approx(2 / 3), 1]
    assert figures["loss"] == pytest.approx(-np.log([0.8, 0.4, 0.7, 0.4]).mean())


def test_figures_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probabilities, labels = softmax(rng.normal(size=(300, 9))), rng.integers(0, 9, 300)
    figures = evaluate(probabilities, labels, list("abcdefghi"))
    assert figures["loss"] == pytest.approx(log_loss(labels, probabilities, labels=range(9)))
    assert figures["top5"] == pytest.approx(top_k_accuracy_score(labels, probabilities, k=5))
    assert figures["macro_f1"] == pytest.approx(f1_score(labels, probabilities.argmax(axis=1), average="macro"))


def test_the_confusion_of_more_categories_than_a_row_can_hold_is_left_out() -> None:
    figures = evaluate(np.eye(1, MOST_CONFUSED + 1), np.array([0]), [str(n) for n in range(MOST_CONFUSED + 1)])
    assert (figures["confusion"], figures["top1"], len(figures["per_class"])) == ([], 1.0, MOST_CONFUSED + 1)


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


def test_figures_of_a_category_have_the_intervals_of_shares() -> None:
    """Of 10 pictures of a 8 are found, and 4 of b are taken for a; each twice, then as near-duplicates."""
    labels, said = np.repeat([0, 1], [10, 20]), np.repeat([0, 1, 0, 1], [8, 2, 4, 16])

    def wilson(hits: int, of: int) -> list[float]:
        found = binomtest(hits, of).proportion_ci(method="wilson")
        return [found.low, found.high]

    figures = evaluate(np.eye(2)[said], labels, ["a", "b"])
    a, b = figures["per_class"].values()
    twice, of = np.repeat([labels, said], 2, axis=1), np.repeat(np.arange(30), 2)
    copies = evaluate(np.eye(2)[twice[1]], twice[0], ["a", "b"], groups=of)

    assert a["recall_interval"] == pytest.approx(wilson(8, 10))
    assert a["precision_interval"] == pytest.approx(wilson(8, 12))
    assert a["f1_interval"] == pytest.approx([2 * share / (1 + share) for share in wilson(8, 14)])
    assert figures["top5_interval"] == pytest.approx(wilson(30, 30))
    reach = [np.hypot(a["f1"] - a["f1_interval"][0], b["f1"] - b["f1_interval"][0]),
             np.hypot(a["f1"] - a["f1_interval"][1], b["f1"] - b["f1_interval"][1])]  # fmt: skip
    assert figures["macro_f1_interval"] == pytest.approx(figures["macro_f1"] + np.array([-1, 1]) * reach / np.sqrt(2))
    for name in ("recall_interval", "precision_interval", "f1_interval"):
        assert copies["per_class"]["a"][name] == pytest.approx(a[name], abs=0.03)


def test_the_interval_of_macro_f1_covers_the_truth_about_as_often_as_it_says() -> None:
    """Of 40 pictures of five categories, each known in 17 of 20 cases; a bootstrap of fewer says 1 to 1."""
    rng, covered = np.random.default_rng(0), []
    confusion = np.full((5, 5), 0.15 / 4) + np.eye(5) * (0.85 - 0.15 / 4)
    for _ in range(200):
        labels = rng.integers(0, 5, 40)
        said = np.array([rng.choice(5, p=confusion[label]) for label in labels])
        low, high = _macro(list(_per_class(labels, said, "abcde", None).values()))[1]
        covered.append(low <= 0.85 <= high)
    assert 0.9 < np.mean(covered) < 0.99
    low, high = evaluate(np.eye(2), np.arange(2), ["a", "b"])["macro_f1_interval"]
    assert (low < 0.7, high) == (True, 1.0)


def test_in_19_of_20_cases_a_model_that_means_what_it_says_has_no_more_calibration_error_than_by_chance() -> None:
    rng = np.random.default_rng(1)
    for n in (12, 200):
        sure, below = rng.uniform(0.5, 1, n), []
        for _ in range(300):
            right = rng.random(n) < sure
            below.append(reliability(np.stack([sure, 1 - sure], axis=1), (~right).astype(int))[0] <= by_chance(sure))
        assert np.mean(below) == pytest.approx(0.95, abs=0.035)
    sure = rng.uniform(0.5, 1, 40)
    assert by_chance(np.repeat(sure, 5), np.repeat(np.arange(40), 5)) == pytest.approx(by_chance(sure), rel=0.1)
    assert by_chance(np.repeat(sure, 5)) < 0.7 * by_chance(sure)


def test_copies_of_pictures_tell_no_more_than_the_pictures() -> None:
    rng = np.random.default_rng(0)
    right, gain, of = rng.random(40) < 0.8, rng.normal(0.1, 1, 40), np.repeat(np.arange(40), 10)
    single = interval(right)
    assert interval(np.repeat(right, 10), of) == pytest.approx(single, abs=0.01)
    assert interval(np.repeat(right, 10)) != pytest.approx(single, abs=0.05)
    assert interval(np.ones(400, bool), of) == pytest.approx(interval(np.ones(40, bool)))
    pairs = np.array([True, False] * 16 + [True, True] * 4)  # one of two is right: that tells no more than single ones
    assert interval(pairs, np.arange(40) // 2) == pytest.approx(interval(pairs))
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
    assert reliability(probabilities, np.zeros(20, int))[0] == pytest.approx(0.5 * 0.1 + 0.5 * 0.4), "too unsure counts"
