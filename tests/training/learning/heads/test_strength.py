"""The decay that cross-validation chooses, and the short cuts on the way to it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.training.learning.conftest import blobs
from training.learning.errors import Cancelled
from training.learning.heads.head import HeadOptions, fit_head
from training.learning.heads.strength import (
    FEW,
    MOST_BLENDED,
    SHRINKAGES,
    STRENGTHS,
    _blend,
    _fitted,
    _principal,
    _rotated,
    choose,
)
from training.learning.rows import Rows, Standardised


def standard(x: np.ndarray) -> np.ndarray:
    return ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)


@pytest.mark.parametrize(("n", "dim"), [(300, 20), (40, 90)])
def test_principal_axes_keep_every_product_of_two_rows(n: int, dim: int) -> None:
    x = standard(blobs(n, dim, 3)[0])

    rotated, squares = _principal(x)

    assert rotated.shape[1] <= min(n, dim)
    np.testing.assert_allclose(rotated @ rotated.T, x @ x.T, atol=1e-3 * dim)
    np.testing.assert_allclose(np.square(rotated).mean(axis=0), squares, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("n", "dim"), [(400, 20), (60, 90)])
@pytest.mark.parametrize("strength", [0.01, 0.1])
def test_ten_steps_in_stretched_axes_find_what_scikit_learn_finds(n: int, dim: int, strength: float) -> None:
    x, labels = blobs(n, dim, 3)
    x, y = standard(x), np.eye(3, dtype=np.float32)[labels]
    rotated, squares = _principal(x)
    start = np.zeros((rotated.shape[1], 3)), np.zeros(3)

    weights, bias = _fitted(rotated, y, np.ones(n, np.float32), squares, strength, *start, lambda: None)

    theirs = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit(x, labels)
    said = np.exp(rotated @ weights + bias)
    said /= said.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(said, theirs.predict_proba(x), atol=0.02)


def test_noise_asks_for_a_strong_decay_and_clear_classes_do_not() -> None:
    rng = np.random.default_rng(0)
    y = np.eye(2, dtype=np.float32)[np.arange(200) % 2]
    noise = rng.normal(size=(200, 50)).astype(np.float32)
    strengths = {}
    for name, x in (("noise", noise), ("clear", noise + 3 * y[:, :1])):
        rows = Standardised(Rows.of(x), x.mean(axis=0), x.std(axis=0))
        weights = np.ones(200, np.float32)
        random = np.random.default_rng(0)
        strengths[name], _blend, _search = choose(rows, y, weights, np.arange(200), random, lambda done, of: None)
    assert strengths["noise"] < 0.01 < strengths["clear"]


def test_of_few_images_a_decay_is_not_judged_by_how_sure_it_makes_the_head() -> None:
    """Where nothing can be learned a head is as bad as chance, once it is no surer than it may be."""
    worst = {}
    for images in (FEW - 1, FEW):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(images, 30)).astype(np.float32)
        y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, images)]
        rows = Standardised(Rows.of(x), x.mean(axis=0), x.std(axis=0))
        ones = np.ones(images, np.float32)
        worst[images] = max(choose(rows, y, ones, np.arange(images), rng, lambda done, of: None)[2].values())
    assert worst[FEW - 1] < np.log(3) + 0.05
    assert worst[FEW] > np.log(3) + 0.5  # with the errors, and as sure as it comes


def test_of_discriminants_the_one_that_knows_more_is_asked_and_none_that_is_mostly_wrong() -> None:
    rng = np.random.default_rng(0)
    y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 300)]
    heads, wrong = y + rng.normal(size=(300, 3)), [rng.normal(size=(300, 3)) - y for _ in SHRINKAGES]
    assert _blend(y, heads, wrong) is None
    second = [*wrong[:1], 6 * (y + rng.normal(size=(300, 3))), *wrong[2:]]
    found = _blend(y, heads, second)
    assert found is not None
    assert (found.shrinkage, found.scale) == (SHRINKAGES[1], pytest.approx(1 / 6, rel=0.3))


def test_more_pictures_than_it_was_measured_on_are_not_asked_about_it() -> None:
    x, labels = blobs(MOST_BLENDED + 1, 10, 3, spread=3.0)
    y = np.eye(3, dtype=np.float32)[labels]
    blends = []
    for few in (1, 0):
        rows = Standardised(Rows.of(x[few:]), x.mean(axis=0), x.std(axis=0))
        random, ones = np.random.default_rng(0), np.ones(len(rows), np.float32)
        blends.append(choose(rows, y[few:], ones, np.arange(len(rows)), random, lambda done, of: None)[1])
    assert blends[0] is not None
    assert blends[1] is None


def test_views_of_a_picture_do_not_vouch_for_it() -> None:
    """Where nothing can be learned, rows that show one picture would find each other in the other folds."""
    rng = np.random.default_rng(0)
    y = np.eye(2, dtype=np.float32)[np.arange(200) % 2]
    noise = rng.normal(size=(200, 50)).astype(np.float32)
    views = np.concatenate([noise] + [noise + rng.normal(size=noise.shape).astype(np.float32) / 4 for _ in range(3)])
    of_views = np.tile(np.arange(200), 4)
    _, alone = fit_head(noise, y, categories=list("ab"))
    _, with_views = fit_head(views, y[of_views], categories=list("ab"), owners=of_views)
    _, unknown = fit_head(views, y[of_views], categories=list("ab"))
    assert with_views["strength"] <= alone["strength"] < unknown["strength"]


def test_the_search_is_told_and_the_same_seed_chooses_alike() -> None:
    x, labels = blobs(150, 30, 3, spread=3.0)
    y = np.eye(3, dtype=np.float32)[labels]
    reports: list[dict[str, object]] = []
    histories = [
        fit_head(x, y, categories=list("abc"), options=HeadOptions(epochs=3), seed=4, progress=seen)[1]
        for seen in (reports.append, None)
    ]

    searched = [report for report in reports if report["stage"] == "search"]
    told = [(report["done"], report["of"]) for report in searched]
    assert list(dict.fromkeys(told)) == [(fold, 5) for fold in range(6)]
    assert histories[0] == histories[1]
    assert histories[0]["strength"] in STRENGTHS
    assert set(histories[0]["search"]) <= {str(strength) for strength in STRENGTHS}


def test_a_cancel_is_heard_within_a_fold() -> None:
    x, labels = blobs(150, 30, 3)
    calls: list[dict[str, object]] = []

    def stop(report: dict[str, object]) -> bool:
        calls.append(report)
        return len(calls) < 3

    with pytest.raises(Cancelled):
        fit_head(x, np.eye(3, dtype=np.float32)[labels], categories=list("abc"), progress=stop)
    assert [report["done"] for report in calls] == [0, 0, 0]


def test_a_cancel_is_heard_while_wide_features_are_rotated() -> None:
    x = np.random.default_rng(0).normal(size=(1500, 1400)).astype(np.float32)
    y = np.eye(2, dtype=np.float32)[np.arange(1500) % 2]
    rotating: list[bool] = []

    def stop(_report: dict[str, object]) -> bool:
        rotating.append(any(thread.name == "principal axes" for thread in threading.enumerate()))
        return False

    with pytest.raises(Cancelled):
        fit_head(x, y, categories=list("ab"), progress=stop)
    assert rotating == [True]


def test_what_breaks_while_features_are_rotated_is_raised_where_it_is_waited_for() -> None:
    with pytest.raises(ValueError, match="unpack"):
        _rotated(np.zeros(3, np.float32), lambda: None)


@pytest.mark.parametrize("count", range(2, 8))
@pytest.mark.parametrize("seed", range(6))
def test_a_handful_of_images_leaves_folds_empty_and_still_gives_a_head(count: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(count, 20)).astype(np.float32)
    y = np.eye(4, dtype=np.float32)[np.arange(count) % 4]

    head, history = fit_head(x, y, categories=list("abcd"), seed=seed)

    assert history["strength"] in STRENGTHS
    assert all(np.isfinite(score) for score in history["search"].values())
    assert np.isfinite(head.logits(x)).all()


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("hidden", [(), (8,)])
def test_batches_and_folds_of_images_that_count_nothing_teach_nothing(hidden: tuple[int, ...]) -> None:
    x, labels = blobs(1000, 10, 2)
    weights = np.zeros(1000, np.float32)
    weights[[np.flatnonzero(labels == label)[0] for label in (0, 1)]] = 1

    options = HeadOptions(hidden=hidden, epochs=3)
    head, _ = fit_head(x, np.eye(2, dtype=np.float32)[labels], weights, categories=list("ab"), options=options)

    assert np.isfinite(head.logits(x)).all()


def test_near_duplicates_are_on_one_side_of_each_fold() -> None:
    """Labels by lot, each picture twice: only who has learned the other one knows it, so no strength is any good."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(100, 150)), 2, axis=0).astype(np.float32)
    y = np.eye(2, dtype=np.float32)[np.repeat(rng.integers(0, 2, 100), 2)]
    rows, owners = Standardised(Rows.of(x), np.zeros(150, np.float32), np.ones(150, np.float32)), np.arange(200)

    def least(groups: np.ndarray | None) -> float:
        random, told = np.random.default_rng(0), lambda done, of: None
        return min(choose(rows, y, np.ones(200, np.float32), owners, random, told, groups)[2].values())

    chance = np.log(2) + 0.5
    assert least(None) < chance / 2
    assert least(np.repeat(np.arange(100), 2)) > 0.8 * chance
